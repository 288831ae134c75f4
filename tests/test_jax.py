"""P13 and P14 on JAX, beyond the table of transformations: what the programs are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from backend_table import named
from bounds import FIRST, VALUE, assert_close, norm, unit

import pinvx
from pinvx._dispatch import adapter_of

jax = pytest.importorskip("jax")
jnp = jax.numpy
from jax_rows import compiled  # noqa: E402


@pytest.fixture(params=("jax", "jax:x32"))
def mode(request):
    """A row of the table of backends, with its switch set."""
    row = named(request.param)
    with row.scope():
        yield row


def batch(mode, shape=(3, 4, 2)):
    rng = np.random.default_rng(1)
    return mode.array(rng.standard_normal(shape) + 3 * np.eye(*shape[-2:]))


def close(mode, x, y, order=0):
    # κ < 4 here, and every derivative multiplies by a norm of X below 1.
    allowed = (VALUE if order == 0 else FIRST**order) * unit((4, 2), mode.float, 4.0)
    assert_close(x, y, allowed, scale=max(1.0, norm(y)))


# Derivatives at points that the table has not.


def test_all_singular_values_equal(mode):
    """dA⁺ = −dA at the identity: σᵢ² − σⱼ² is zero, and nothing divides by it."""
    eye, da = mode.array(np.eye(3)), mode.array(np.arange(9.0).reshape(3, 3) / 8)
    x, dx = compiled(lambda a, da: jax.jvp(pinvx.pinv, (a,), (da,)))(eye, da)
    close(mode, x, eye)
    close(mode, dx, -da, order=1)


def test_the_zero_matrix():
    z, b = jnp.zeros((3, 2)), jnp.asarray([1.0, 2.0, 3.0])

    @compiled
    def derivatives(z):
        return (
            jax.jacfwd(pinvx.pinv)(z),
            jax.hessian(lambda a: pinvx.pinv(a).sum())(z),
            jax.grad(lambda a: pinvx.lstsq(a, b).x.sum())(z),
        )

    for x in derivatives(z):
        assert not x.any()


def test_third_derivative(mode):
    """d³(1/(2t)) = −3 at t = 1."""
    f = lambda t: pinvx.pinv(jnp.asarray([[2.0]]) * t)[0, 0]  # noqa: E731
    third = compiled(jax.jacfwd(jax.jacrev(jax.jacfwd(f))))(1.0)
    assert abs(float(third) + 3.0) < FIRST * unit((1, 1), mode.float, 1.0)


def test_second_derivatives_in_32_bits():
    """As in 64 bits, to rounding."""

    def f(a, y):
        x, residuals = pinvx.lstsq(a, y)[:2]
        return jnp.sin(x).sum() + jnp.sin(residuals)

    results = []
    for tag in ("jax", "jax:x32"):
        mode = named(tag)
        with mode.scope():
            a = batch(mode)[0]
            results.append(compiled(jax.hessian(f))(a, mode.array(np.arange(1.0, 5.0) / 4)))
    assert results[1].dtype == "float32"
    assert np.abs(results[0]).max() > 1e-3
    close(mode, results[1], results[0], order=2)


def test_a_hermitian_matrix_has_a_gradient_in_one_triangle():
    rng = np.random.default_rng(0)
    h = rng.standard_normal((3, 3)) * (1 + 1j)
    a = jnp.asarray(h + np.diag([6.0, -7.0, 8.0]), dtype="complex64")
    f = lambda a: pinvx.pinv(a, hermitian=True)  # noqa: E731
    x, g = compiled(lambda a: (f(a), jax.grad(lambda a: jnp.abs(f(a)).sum())(a)))(a)
    assert np.abs(g).max() > 1e-3
    assert not np.triu(g, 1).any()
    np.testing.assert_array_equal(x, np.asarray(x).conj().T)


def test_what_is_compiled_leaves_its_neighbours_alone(mode):
    a = np.array(batch(mode))
    a[1, 0, 0] = np.nan
    a[2, 1, 1] = np.inf
    x, rank = compiled(jax.vmap(lambda a: pinvx.pinv(a, return_rank=True)))(jnp.asarray(a))
    assert np.isnan(x[1:]).all()
    assert rank.tolist() == [2, 0, 0]
    close(mode, x[0], np.linalg.pinv(a[0]))


def test_static_arguments(mode):
    a, b = batch(mode), mode.array(np.ones(4))
    static = compiled(pinvx.lstsq, static_argnames=("singular_values", "method"))
    got = static(a, b, singular_values=True, method="svd")
    assert isinstance(got, pinvx.LstsqResult)
    assert got.rank.tolist() == [2, 2, 2]
    close(mode, got.s, np.linalg.svd(a, compute_uv=False))
    assert jax.jit(pinvx.default_rtol)(a) == pinvx.default_rtol(a)


@pytest.mark.parametrize("shape", [(40, 5, 3), (40, 4, 4)])
def test_many_small_matrices(shape):
    """A matrix is too small for a choice of algorithms, and their batch is not."""
    a = batch(named("jax:x32"), shape)
    f = lambda a: (pinvx.pinv(a), pinvx.lstsq(a, a[:, 0]).x)  # noqa: E731
    x, y = compiled(jax.vmap(f))(a)
    expected = np.linalg.pinv(np.asarray(a, dtype=np.float64))
    for i in range(len(a)):
        kappa = np.linalg.cond(a[i])
        assert_close(x[i], expected[i], VALUE * unit(shape, "float32", kappa))
        size = norm(expected[i]) * norm(a[i, :, 0])
        assert_close(y[i], np.eye(shape[-1])[0], VALUE * unit(shape, "float32", kappa), scale=size)


# The methods of a program.


def spectrum(shape, kappa, rank=None):
    rng = np.random.default_rng(2)
    *batch, m, n = shape
    k = min(m, n)
    u, v = (np.linalg.qr(rng.standard_normal((*batch, i, k)))[0] for i in (m, n))
    s = np.geomspace(1.0, 1.0 / kappa, k)
    s[k if rank is None else rank :] = 0.0
    return u * s @ v.swapaxes(-1, -2)


@pytest.fixture
def double():
    with named("jax").scope():
        yield


@pytest.fixture
def no_svd(monkeypatch):
    """What a singular value decomposition computes is NaN, as where LAPACK does not converge."""
    adapter = adapter_of(jnp.ones(1), "", "")

    def nothing(x):
        return tuple(y * jnp.nan for y in jnp.linalg.svd(x, full_matrices=False))

    monkeypatch.setattr(adapter, "svd", nothing)
    monkeypatch.setattr(type(adapter.tracer), "slow_svd", True)  # as on other devices
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.usefixtures("double", "no_svd")
@pytest.mark.parametrize("shape", [(40, 12), (140, 140), (12, 40), (64, 9, 4), (64, 5, 5)], ids=str)
def test_what_needs_no_decomposition(shape):
    n = min(shape[-2:])
    f = compiled(lambda a: pinvx.pinv(a, return_rank=True))
    missing = n if shape == (64, 5, 5) else n // 2  # of small ones that costs as much
    for kappa, rank in ((2.0, n), (2.0, missing), (1e5, n)):
        a = spectrum(shape, kappa, rank)
        x, ranks = map(np.asarray, f(a))
        taken = ~np.isnan(x).any(axis=(-2, -1))
        # Of 4000 matrices of 5×5 and κ = 10⁵ the certificate refuses 9, and rounding decides which;
        # none of small κ.
        assert np.mean(taken) >= (0.9 if a.ndim == 3 and kappa > 100.0 else 1.0)
        assert (ranks[taken] == rank).all()
        expected = np.linalg.pinv(a, rcond=1e-9)
        tolerance = VALUE * unit(shape, "float64", kappa)
        for y, z in zip(x[taken], expected[taken], strict=True):
            assert_close(y, z, tolerance)


@pytest.mark.usefixtures("double", "no_svd")
@pytest.mark.parametrize("count", [97, 1000])
@pytest.mark.parametrize("shape", [(5, 4), (4, 4)], ids=str)
def test_what_is_refused_is_decomposed_without_the_rest(count, shape):
    a = spectrum((count, *shape), 4.0)
    refused = [3, count // 2, count - 1]
    a[refused] = spectrum(shape, 4.0, rank=3)
    x, rank = compiled(lambda a: pinvx.pinv(a, return_rank=True))(a)
    assert np.flatnonzero(np.isnan(x).any(axis=(-2, -1))).tolist() == refused
    assert np.flatnonzero(rank != 4).tolist() == refused


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("count", [40, 97, 1000])
@pytest.mark.parametrize("shape", [(5, 4), (4, 4)], ids=str)
def test_what_is_refused_comes_back_in_its_place(count, shape):
    """A few of a batch, many, and all."""
    f = compiled(lambda a, rtol: pinvx.pinv(a, rtol=rtol, return_rank=True))
    for refused in ([3, count // 2, count - 1], range(0, count, 3), range(count)):
        a = spectrum((count, *shape), 4.0)
        for i in refused:
            a[i] *= np.array([1.0, 1.0, 1.0, 1e-11]) * (1 + i)
        rtol = np.where(np.arange(count) % 2, 1e-14, 1e-6)
        x, rank = f(a, rtol)
        expected, ranks = pinvx.pinv(a, rtol=rtol, return_rank=True, method="svd")
        assert rank.tolist() == ranks.tolist()
        for i in range(count):
            kappa = 1e12 if i in refused and rtol[i] < 1e-9 else 16.0
            assert_close(x[i], expected[i], 2 * VALUE * unit(shape, "float64", kappa), what=str(i))


# What the programs are made of.


def equations(jaxpr, inside=()) -> Iterator:
    """Every operation of a program, with the names of the operations that it is inside of."""
    for equation in jaxpr.eqns:
        yield equation, inside
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from equations(inner, (*inside, equation.primitive.name))


def program(f, *arguments):
    return list(equations(jax.make_jaxpr(f)(*arguments).jaxpr))


# Above the size at which `method="auto"` has choices; one of the batch has them by the batch alone.
LARGE = (4, 40, 16)


def loss(a, b):
    return pinvx.pinv(a).sum() + pinvx.lstsq(a, b).x.sum()


VMAPS = {
    "vmap": jax.vmap(lambda a, b: (pinvx.pinv(a), pinvx.lstsq(a, b))),
    "vmap of jit": jax.vmap(jax.jit(pinvx.lstsq)),
    "vmap of grad": jax.vmap(jax.grad(loss)),
    "grad of vmap": jax.grad(lambda a, b: jax.vmap(loss)(a, b).sum()),
    "jvp of vmap": lambda a, b: jax.jvp(jax.vmap(pinvx.lstsq), (a, b), (a, b)),
    "linearize of vmap": lambda a, b: jax.linearize(jax.vmap(pinvx.lstsq), a, b)[1](a, b),
    "vmap of hessian": jax.vmap(lambda a, b: jax.jvp(jax.grad(loss), (a, b), (a, b))),
    "nested": lambda a, b: jax.vmap(jax.vmap(pinvx.lstsq))(a[None], b[None]),
    "tolerances": lambda a, b: jax.vmap(lambda t: pinvx.lstsq(a[0], b[0], rtol=t))(b[:, 0] ** 2),
}


@pytest.mark.parametrize("name", VMAPS)
def test_a_batch_takes_one_way(name):
    """Under `vmap` of JAX's own a `cond` becomes a select, and every item pays for every branch.

    So the decomposition must stand inside a `cond` whose predicate is one bool for the batch.
    """
    a = jax.ShapeDtypeStruct(LARGE, jnp.float32)
    b = jax.ShapeDtypeStruct(LARGE[:-1], jnp.float32)
    found = program(VMAPS[name], a, b)
    conds = [e for e, _ in found if e.primitive.name == "cond"]
    assert conds
    assert all(e.invars[0].aval.shape == () for e in conds)
    decompositions = [inside for e, inside in found if e.primitive.name == "svd"]
    assert decompositions
    assert all("cond" in inside for inside in decompositions)


def test_a_batch_takes_one_way_in_the_compiled_program():
    a = jax.ShapeDtypeStruct(LARGE, jnp.float32)
    text = compiled(jax.vmap(pinvx.pinv)).lower(a).compile().as_text()
    assert " conditional(" in text
    main = text[text.index("\nENTRY ") :]
    assert "gesdd" in text
    assert "gesdd" not in main[: main.index("\n}")]


def test_a_gradient_in_b_alone_is_one_product():
    """A zero tangent of A costs no products with A⁺: JAX's zeros are symbolic."""
    a, b = jnp.ones((40, 16)), jnp.ones(40)

    def products(derivative):
        f = jax.jit(lambda b, t: derivative(lambda b: pinvx.lstsq(a, b).x, b, t))
        text = f.lower(b, 2.0 - b).compile().as_text()
        return len(re.findall(r" (dot|custom-call)\(", text))

    value = products(lambda f, b, _: f(b))
    # x is corrected once: four products with the factors of A⁺, and one with A.
    assert value < products(lambda f, b, t: jax.jvp(f, (b,), (t,))) <= value + 5
    assert products(lambda f, b, t: jax.linear_transpose(f, b)(t[:16])) <= value


def test_every_product_asks_for_full_precision():
    """On TPUs and GPUs the default is bfloat16 or TF32; the user's own default is not asked."""
    a = jax.ShapeDtypeStruct(LARGE, jnp.float32)
    b = jax.ShapeDtypeStruct(LARGE[:-1], jnp.float32)
    with jax.default_matmul_precision("bfloat16"):
        found = program(jax.grad(lambda a, b: jax.vmap(loss)(a, b).sum()), a, b)
    products = [e for e, _ in found if e.primitive.name == "dot_general"]
    highest = (jax.lax.Precision.HIGHEST,) * 2
    assert products
    assert {e.params["precision"] for e in products} == {highest}


def with_spectrum(m, n, s):
    rng = np.random.default_rng(0)
    k = len(s)
    u, v = (np.linalg.qr(rng.standard_normal((rows, k)))[0] for rows in (m, n))
    return u * np.asarray(s) @ v.T, v / np.asarray(s) @ u.T


@pytest.mark.parametrize(("m", "n"), [(40, 24), (24, 40), (30, 30)], ids=str)
def test_what_no_faster_way_accepts_is_decomposed(m, n):
    """Condition numbers beyond every method but the SVD, alone and beside ones that are not."""
    row = named("jax")
    k = min(m, n)
    spectra = [
        np.geomspace(1.0, 1e-9, k),
        np.geomspace(1.0, 0.1, k),
        np.geomspace(1.0, 1e-12, k),
        np.geomspace(1.0, 1e-6, k),
        np.geomspace(1.0, 1e-10, k)[: k // 2],
    ]
    pairs = [with_spectrum(m, n, s) for s in spectra]
    with row.scope():
        one = jax.jit(pinvx.pinv)
        together = jax.jit(pinvx.pinv)(jnp.asarray(np.stack([a for a, _ in pairs])))
        for (a, x), s, of_batch in zip(pairs, spectra, together, strict=True):
            for found in (one(jnp.asarray(a)), of_batch):
                # Twice, since `x` is exact for factors that are orthonormal to a rounding error.
                assert_close(found, x, 2 * VALUE * unit((m, n), "float64", s[0] / s[-1]))
