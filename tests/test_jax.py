"""P13 and P14 on JAX, with its switch to 64 bits on and off."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import matrix_cases
import numpy as np
import pytest
from backend_table import named
from bounds import FIRST, VALUE, assert_close, norm, unit
from jax.test_util import check_grads

import pinvx

# What a finite difference can show in each precision: about ∛eps for a first derivative.
MODES = {"jax": 1e-6, "jax:x32": 1e-2}

# m, n, rank, complex
SHAPES = {
    "tall": (4, 2, 2, False),
    "wide, deficient": (3, 4, 2, False),
    "square, deficient, complex": (3, 3, 2, True),
}


@pytest.fixture(params=MODES)
def mode(request):
    """A row of the table of backends, with its switch set."""
    row = named(request.param)
    with row.scope():
        yield row


def factors(mode, shape):
    """B and C whose Gram matrices are near the identity, so that κ is small and constant."""
    m, n, r, is_complex = SHAPES[shape]
    rng = np.random.default_rng(0)

    def near_isometry(rows):
        x = rng.standard_normal((rows, r)) + is_complex * 1j * rng.standard_normal((rows, r))
        q = np.linalg.qr(x)[0] + 0.1 * x
        return mode.array(q if is_complex else q.real)

    return near_isometry(m), near_isometry(n).mT


def orders(mode):
    """The orders of modes for a second derivative; in 32 bits one has to do, which is the usual."""
    if mode.tag == "jax:x32":
        return [(jax.jacfwd, jax.jacrev)]
    return list(itertools.product((jax.jacfwd, jax.jacrev), repeat=2))


def pinv(b, c):
    return pinvx.pinv(b @ c, rtol=1e-3)


def fit(b, c, y):
    return pinvx.lstsq(b @ c, y, rtol=1e-3)[:2]


@pytest.mark.parametrize("shape", SHAPES)
def test_pinv_against_finite_differences(mode, shape):
    tolerance = MODES[mode.tag]
    arguments = factors(mode, shape)
    check_grads(jax.jit(pinv), arguments, order=1, atol=tolerance, rtol=tolerance, eps=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_lstsq_against_finite_differences(mode, shape):
    tolerance = 10 * MODES[mode.tag]
    b, c = factors(mode, shape)
    y = mode.array(np.arange(1.0, 1 + 2 * b.shape[0]).reshape(-1, 2) / 16, str(b.dtype))
    check_grads(
        jax.jit(fit), (b, c, y), order=1, atol=tolerance, rtol=tolerance, eps=MODES[mode.tag]
    )


def test_hessians_of_lstsq(mode):
    """In every order of modes, against differences of gradients in 64 bits.

    JAX makes the reverse mode by transposing the forward mode, and what it transposes has lost
    the rule that it came from: a constant there is a wrong Hessian.
    """

    def f(b, c, y):
        x, residuals = pinvx.lstsq(b @ c, y, rtol=1e-3)[:2]
        return jnp.sin(x).sum() + jnp.sin(residuals)

    def arguments(mode):
        b, c = factors(mode, "wide, deficient")
        return b, c, mode.array(np.arange(1.0, 1 + b.shape[0]) / 4)

    double = named("jax")
    with double.scope():
        b, c, y = arguments(double)
        step, direction = 1e-5, jnp.ones_like(b) / 4
        gradient = jax.jit(jax.grad(f, argnums=(0, 2)))
        plus, minus = gradient(b + step * direction, c, y), gradient(b - step * direction, c, y)
        expected = [np.asarray(p - m) / (2 * step) for p, m in zip(plus, minus, strict=True)]
    tolerance = 1e-8 if mode.tag == "jax" else FIRST**2 * unit((4, 4), "float32", 1.5)
    b, c, y = arguments(mode)
    for outer, inner in orders(mode):
        blocks = jax.jit(outer(inner(f, argnums=(0, 2)), argnums=0))(b, c, y)
        for block, e in zip(blocks, expected, strict=True):
            h = np.tensordot(block, np.ones(b.shape) / 4, 2)
            assert_close(h, e, tolerance, what=f"{outer.__name__}({inner.__name__})")


def test_all_singular_values_equal(mode):
    eye = mode.array(np.eye(3))
    tolerance = MODES[mode.tag]
    check_grads(jax.jit(pinvx.pinv), (eye,), order=1, atol=tolerance, rtol=tolerance, eps=tolerance)
    g = jax.grad(lambda a: jnp.sum(jnp.sin(pinvx.pinv(a))))(eye)
    assert np.isfinite(np.asarray(g)).all()


def test_the_zero_matrix(mode):
    z = mode.array(np.zeros((3, 2)))
    b = mode.array([1.0, 2.0, 3.0])

    @jax.jit
    def derivatives(z):
        return (
            jax.grad(lambda a: pinvx.pinv(a).sum())(z),
            jax.jacfwd(pinvx.pinv)(z),
            jax.hessian(lambda a: pinvx.pinv(a).sum())(z),
            jax.grad(lambda a: pinvx.lstsq(a, b).x.sum())(z),
        )

    for x in derivatives(z):
        assert not x.any()


@pytest.mark.parametrize("name", ["tall, deficient", "wide", "complex, deficient"])
def test_the_same_as_the_closed_form(mode, name):
    case = matrix_cases.named(name)
    a = mode.array(case.a)
    g = mode.array(np.ones((case.n, case.m)), str(a.dtype))
    dtype = str(a.dtype)
    tolerance = FIRST * unit(case.a.shape, dtype, case.kappa)
    size = np.linalg.norm(case.x, 2) ** 2
    x, pullback = jax.vjp(pinvx.pinv, a)
    assert_close(x, case.x, VALUE * unit(case.a.shape, dtype, case.kappa))
    # JAX's cotangents are the conjugates of PyTorch's, which the closed form follows.
    expected = pinvx.pinv_vjp(a, g)
    assert_close(np.conj(pullback(g.conj())[0]), expected, tolerance, scale=size * norm(g))
    dx = jax.jvp(pinvx.pinv, (a,), (a,))[1]
    assert_close(dx, pinvx.pinv_jvp(a, a), tolerance, scale=size * norm(a))


def test_hermitian(mode):
    rng = np.random.default_rng(0)
    h = rng.standard_normal((3, 3)) * (1 + 1j)
    a = mode.array(h + np.diag([6.0, -7.0, 8.0]))
    f = jax.jit(lambda a: pinvx.pinv(a, hermitian=True))
    tolerance = MODES[mode.tag]
    check_grads(f, (a,), order=1, atol=tolerance, rtol=tolerance, eps=tolerance)
    g = np.asarray(jax.jit(jax.grad(lambda a: jnp.abs(f(a)).sum()))(a))
    assert not np.triu(g, 1).any()
    x = np.asarray(f(a))
    np.testing.assert_array_equal(x, x.conj().T)


# Transformations


def batch(mode, shape=(3, 4, 2)):
    rng = np.random.default_rng(1)
    return mode.array(rng.standard_normal(shape) + 3 * np.eye(*shape[-2:]))


def close(mode, x, y, order=0):
    # κ < 4 here, and every derivative multiplies by a norm of X below 1.
    allowed = (VALUE if order == 0 else FIRST**order) * unit((4, 2), mode.float, 4.0)
    assert_close(x, y, allowed, scale=max(1.0, norm(y)))


def test_jit(mode):
    a = batch(mode)
    close(mode, jax.jit(pinvx.pinv)(a), pinvx.pinv(a))
    x, rank = jax.jit(lambda a: pinvx.pinv(a, return_rank=True))(a)
    assert jnp.issubdtype(rank.dtype, jnp.integer)
    assert rank.tolist() == [2, 2, 2]
    static = jax.jit(pinvx.lstsq, static_argnames=("singular_values", "method"))
    b = mode.array(np.ones(4))
    got = static(a, b, singular_values=True, method="svd")
    assert isinstance(got, pinvx.LstsqResult)
    for x, y in zip(got, pinvx.lstsq(a, b, singular_values=True), strict=True):
        close(mode, x, y)
    rank = jax.jit(lambda a, r: pinvx.pinv(a, rtol=r, return_rank=True)[1])
    assert rank(a[0], 2.0) == 0
    assert rank(a[0], 0.0) == 2
    assert jax.jit(pinvx.default_rtol)(a) == pinvx.default_rtol(a)


def test_what_is_compiled_leaves_its_neighbours_alone(mode):
    a = np.array(batch(mode))
    a[1, 0, 0] = np.nan
    a[2, 1, 1] = np.inf
    a = jnp.asarray(a)
    for f in (jax.jit(pinvx.pinv), jax.vmap(pinvx.pinv), jax.jit(jax.vmap(pinvx.pinv))):
        x = f(a)
        assert np.isnan(x[1:]).all()
        close(mode, x[0], pinvx.pinv(a[0]))


def test_vmap(mode):
    a, b = batch(mode), batch(mode, (3, 4, 1))[..., 0]
    expected = pinvx.pinv(a)
    close(mode, jax.vmap(pinvx.pinv)(a), expected)
    close(
        mode,
        jax.vmap(pinvx.pinv, in_axes=2, out_axes=2)(jnp.moveaxis(a, 0, 2)),
        jnp.moveaxis(expected, 0, 2),
    )
    close(mode, jax.vmap(jax.vmap(pinvx.pinv))(jnp.stack([a, a])), jnp.stack([expected] * 2))

    def solve(a, b):
        return pinvx.lstsq(a, b)[:3]

    one = [solve(a[i], b[i]) for i in range(3)]
    for got, alone in zip(jax.vmap(solve)(a, b), zip(*one, strict=True), strict=True):
        close(mode, got, jnp.stack(alone))
    for i, x in enumerate(jax.vmap(solve, in_axes=(None, 0))(a[0], b)[0]):
        close(mode, x, solve(a[0], b[i])[0])


def test_derivatives_of_every_mode(mode):
    a = batch(mode)[0]

    def f(a):
        return jnp.sin(pinvx.pinv(a)).sum()

    forward, reverse = jax.jit(jax.jacfwd(pinvx.pinv))(a), jax.jit(jax.jacrev(pinvx.pinv))(a)
    close(mode, forward, reverse, order=1)
    basis = jnp.zeros_like(a).at[1, 0].set(1.0)
    close(mode, forward[..., 1, 0], pinvx.pinv_jvp(a, basis), order=1)
    h = jax.jit(jax.hessian(f))(a)
    assert np.abs(h).max() > 1e-3
    for outer, inner in orders(mode):
        close(mode, jax.jit(outer(inner(f)))(a), h, order=2)
    both = batch(mode)
    close(mode, jax.jit(jax.vmap(jax.grad(f)))(both)[0], jax.jit(jax.grad(f))(a), order=1)


def test_third_derivative(mode):
    """d³(1/(2t)) = −3 at t = 1."""
    f = lambda t: pinvx.pinv(jnp.asarray([[2.0]]) * t)[0, 0]  # noqa: E731
    third = jax.jit(jax.jacfwd(jax.jacrev(jax.jacfwd(f))))(1.0)
    assert abs(float(third) + 3.0) < FIRST * unit((1, 1), mode.float, 1.0)


def test_gradients_of_least_squares_under_vmap(mode):
    a, b = batch(mode), batch(mode, (3, 4, 1))[..., 0]

    def f(a, b):
        x, residuals, *_ = pinvx.lstsq(a, b)
        return x.sum() + residuals

    a_bar, b_bar = jax.jit(jax.vmap(jax.grad(f, argnums=(0, 1))))(a, b)
    one = jax.jit(jax.grad(f, argnums=(0, 1)))(a[1], b[1])
    close(mode, a_bar[1], one[0], order=1)
    close(mode, b_bar[1], one[1], order=1)
    ones = jnp.ones(2, dtype=a.dtype)
    expected = pinvx.lstsq_vjp(a[1], b[1], ones, jnp.asarray(1.0, dtype=a.dtype))
    for x, y in zip(one, expected, strict=True):
        close(mode, x, y, order=1)


def test_scan_and_remat(mode):
    a = batch(mode)

    def step(total, a):
        return total + pinvx.pinv(a).sum(), None

    f = jax.jit(lambda a: jax.lax.scan(jax.checkpoint(step), jnp.zeros((), a.dtype), a)[0])
    close(mode, f(a), pinvx.pinv(a).sum())
    close(mode, jax.grad(f)(a), pinvx.pinv_vjp(a, jnp.ones_like(a.mT)), order=1)


def test_tangents_of_tolerances_and_integers_are_zero(mode):
    a = batch(mode)[0]
    out, tangents = jax.jvp(
        lambda a, r: pinvx.pinv(a, rtol=r, return_rank=True),
        (a, jnp.asarray(0.01, a.dtype)),
        (a, jnp.asarray(1.0, a.dtype)),
    )
    assert tangents[1].dtype == jax.dtypes.float0
    close(mode, tangents[0], -out[0], order=1)
    assert jax.grad(lambda r: pinvx.pinv(a, rtol=r).sum())(0.01) == 0.0


def test_half_types_have_gradients(mode):
    for half in ("bfloat16", "float16"):
        a = jnp.eye(3, dtype=half)
        g = jax.grad(lambda a: pinvx.pinv(a).sum().astype(jnp.float32))(a)
        assert g.dtype == a.dtype
        np.testing.assert_array_equal(np.asarray(g, dtype=np.float32), -np.ones((3, 3)))


def test_every_product_asks_for_full_precision(mode):
    """On TPUs and GPUs the default is bfloat16 or TF32; the user's own default is not asked."""
    a = batch(mode)[0]

    def products(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                yield equation.params["precision"]
            for value in equation.params.values():
                for inner in value if isinstance(value, (tuple, list)) else (value,):
                    if hasattr(inner, "jaxpr"):
                        yield from products(inner.jaxpr)
                    elif hasattr(inner, "eqns"):
                        yield from products(inner)

    def f(a, b):
        return pinvx.lstsq(a, b).residuals + pinvx.pinv(a).sum()

    highest = (jax.lax.Precision.HIGHEST,) * 2
    with jax.default_matmul_precision("bfloat16"):
        jaxpr = jax.make_jaxpr(jax.grad(f))(a, jnp.ones(4, a.dtype))
    found = list(products(jaxpr.jaxpr))
    assert found
    assert set(found) == {highest}
