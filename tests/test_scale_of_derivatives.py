"""P12: every derivative of every function is right wherever it is representable.

All are homogeneous: at A·2ᵏ and b·2ʲ, with tangents and cotangents that belong there, each is what
it is at k = j = 0 times a power of two, which `power` tells.
"""

from __future__ import annotations

import numpy as np
import pytest
from bounds import FIRST, assert_close, eps_of

import pinvx

M, N, K = 6, 4, 2
RNG = np.random.default_rng(0)
A = RNG.integers(-4, 5, (M, N)) + 5.0 * np.eye(M, N)
B, DA, DB = RNG.standard_normal((M, K)), RNG.standard_normal((M, N)), RNG.standard_normal((M, K))
G, H, RHO = RNG.standard_normal((N, M)), RNG.standard_normal((N, K)), RNG.standard_normal(K)
DEFICIENT = A.copy()
DEFICIENT[:, 3] = DEFICIENT[:, 0]
KAPPA = 20.0  # of A, and more than that of the deficient one

MATRICES = {"full": A, "deficient": DEFICIENT, "wide": A.T}


def parts(matrix):
    """A and what goes with it, in its shapes."""
    if matrix != "wide":
        return MATRICES[matrix], B, DA, DB, G, H
    return A.T, H, DA.T, G[:, :K], G.T, B


# name -> (function of (pinvx, A, b, dA, db, G, H, ρ), scale of each, power of 2ᵏ and 2ʲ it has)
CLOSED = {
    "pinv_jvp": (lambda a, b, da, db, g, h, r: pinvx.pinv_jvp(a, da), -1, 0),
    "pinv_vjp": (lambda a, b, da, db, g, h, r: pinvx.pinv_vjp(a, g), -1, 0),
    "lstsq_jvp, x": (lambda a, b, da, db, g, h, r: pinvx.lstsq_jvp(a, b, da, db)[0], -1, 1),
    "lstsq_jvp, residuals": (lambda a, b, da, db, g, h, r: pinvx.lstsq_jvp(a, b, da, db)[1], 0, 2),
    "lstsq_vjp, a": (lambda a, b, da, db, g, h, r: pinvx.lstsq_vjp(a, b, h)[0], -2, 1),
    "lstsq_vjp, b": (lambda a, b, da, db, g, h, r: pinvx.lstsq_vjp(a, b, h)[1], -1, 0),
    "lstsq_vjp, residuals, a": (
        lambda a, b, da, db, g, h, r: pinvx.lstsq_vjp(a, b, 0 * h, r)[0],
        -1,
        2,
    ),
    "lstsq_vjp, residuals, b": (
        lambda a, b, da, db, g, h, r: pinvx.lstsq_vjp(a, b, 0 * h, r)[1],
        0,
        1,
    ),
}


def reach(dtype, flushed):
    """The exponents between which results, and what they are made of, are normal numbers."""
    info = np.finfo(dtype)
    # 8 bits for the sizes of the entries; XLA flushes what is below, and with it small terms.
    return info.minexp + 8 + (info.nmant + 4 if flushed else 0), info.maxexp - 8


def exponents(dtype, power_k, power_j, flushed):
    """Pairs (k, j) over the whole range."""
    low, high = reach(dtype, flushed)
    step = (high - low) // 8
    for k in range(low, high + 1, step):
        for j in sorted({0, k, -k // 2, low, high}):
            # x itself is there, of which they are derivatives.
            results = power_k * k + power_j * j, j - k
            if low <= j <= high and all(low <= power <= high for power in results):
                yield k, j


def scaled(x, k, dtype):
    return np.ldexp(x.astype(dtype), k)


def check(function, matrix, dtype, power_k, power_j, *, flushed=False, few=False):
    """Compare with the same at k = j = 0."""
    a, b, da, db, g, h = parts(matrix)

    def at(k, j):
        return function(
            scaled(a, k, dtype),
            scaled(b, j, dtype),
            scaled(da, k, dtype),
            scaled(db, j, dtype),
            scaled(g, k, dtype),
            h.astype(dtype),
            RHO.astype(dtype),
        )

    expected = np.asarray(at(0, 0), dtype=np.float64)
    pairs = list(exponents(dtype, power_k, power_j, flushed))
    assert len(pairs) > 8
    for k, j in pairs[::5] + pairs[-1:] if few else pairs:
        found = np.asarray(at(k, j), dtype=np.longdouble)
        found = np.ldexp(found, -power_k * k - power_j * j).astype(np.float64)
        tolerance = FIRST * 8 * eps_of(np.dtype(dtype).name) * KAPPA
        assert_close(found, expected, tolerance, what=f"2^{k}, 2^{j}")


def skip_zero_residuals(matrix, name):
    if matrix == "wide" and "residuals" in name:
        pytest.skip("the residuals of a wide matrix of full rank are zero")


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", ["numpy", "torch", "array_api_strict"])
def test_closed_forms(library, dtype, matrix, name):
    xp = pytest.importorskip(library)
    function, power_k, power_j = CLOSED[name]
    skip_zero_residuals(matrix, name)

    def call(*arrays):
        with np.errstate(all="ignore"):  # array-api-strict computes with NumPy
            return np.asarray(function(*map(xp.asarray, arrays)))

    check(call, matrix, dtype, power_k, power_j, few=library != "numpy")


def torch_functions():
    torch = pytest.importorskip("torch")

    def grad(f, *xs, order=1, v=None):
        xs = [torch.from_numpy(x).requires_grad_() for x in xs]
        found = torch.autograd.grad(f(*xs), xs, create_graph=order > 1)
        if order > 1:
            found = torch.autograd.grad((found[0] * torch.from_numpy(v)).sum(), xs)
        return [x.detach().numpy() for x in found]

    t = torch.from_numpy
    return {
        "pinv, reverse": (
            lambda a, b, da, db, g, h, r: grad(lambda a: (pinvx.pinv(a) * t(g)).sum(), a)[0],
            -1,
            0,
        ),
        "pinv, forward": (
            lambda a, b, da, db, g, h, r: torch.func.jvp(pinvx.pinv, (t(a),), (t(da),))[1].numpy(),
            -1,
            0,
        ),
        "pinv, second order": (
            lambda a, b, da, db, g, h, r: grad(
                lambda a: (pinvx.pinv(a) * t(g)).sum(), a, order=2, v=da
            )[0],
            -1,
            0,
        ),
        "lstsq, reverse in A": (
            lambda a, b, da, db, g, h, r: grad(
                lambda a, b: (pinvx.lstsq(a, b).x * t(h)).sum(), a, b
            )[0],
            -2,
            1,
        ),
        "lstsq, reverse in b": (
            lambda a, b, da, db, g, h, r: grad(
                lambda a, b: (pinvx.lstsq(a, b).x * t(h)).sum(), a, b
            )[1],
            -1,
            0,
        ),
        "lstsq, second order": (
            lambda a, b, da, db, g, h, r: grad(
                lambda a: (pinvx.lstsq(a, t(b)).x * t(h)).sum(), a, order=2, v=da
            )[0],
            -2,
            1,
        ),
        "residuals, reverse in A": (
            lambda a, b, da, db, g, h, r: grad(
                lambda a, b: pinvx.lstsq(a, b).residuals.sum(), a, b
            )[0],
            -1,
            2,
        ),
    }


TORCH = (
    "pinv, reverse",
    "pinv, forward",
    "pinv, second order",
    "lstsq, reverse in A",
    "lstsq, reverse in b",
    "lstsq, second order",
    "residuals, reverse in A",
)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is:DeprecationWarning")
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch(dtype, matrix, name):
    function, power_k, power_j = torch_functions()[name]
    skip_zero_residuals(matrix, name)
    check(function, matrix, dtype, power_k, power_j, few=True)


def jax_functions(matrix):
    jax = pytest.importorskip("jax")
    a, *_ = parts(matrix)
    del a

    def f(a, g):
        return (pinvx.pinv(a) * g).sum()

    def s(a, b, h):
        return (pinvx.lstsq(a, b).x * h).sum()

    def along(f):
        return lambda a, v, *rest: jax.jvp(lambda a: jax.grad(f)(a, *rest), (a,), (v,))[1]

    programs = {
        "f": jax.jit(jax.grad(f)),
        "j": jax.jit(lambda a, v: jax.jvp(pinvx.pinv, (a,), (v,))[1]),
        "ff": jax.jit(along(f)),
        "s": jax.jit(jax.grad(s, (0, 1))),
        "ss": jax.jit(along(s)),
        "r": jax.jit(jax.grad(lambda a, b: pinvx.lstsq(a, b).residuals.sum())),
    }
    return {
        "pinv, reverse": (lambda a, b, da, db, g, h, r: programs["f"](a, g), -1, 0),
        "pinv, forward": (lambda a, b, da, db, g, h, r: programs["j"](a, da), -1, 0),
        "pinv, second order": (lambda a, b, da, db, g, h, r: programs["ff"](a, da, g), -1, 0),
        "lstsq, reverse in A": (lambda a, b, da, db, g, h, r: programs["s"](a, b, h)[0], -2, 1),
        "lstsq, second order": (lambda a, b, da, db, g, h, r: programs["ss"](a, da, b, h), -2, 1),
        "residuals, reverse in A": (lambda a, b, da, db, g, h, r: programs["r"](a, b), -1, 2),
    }


@pytest.mark.parametrize("matrix", ["full", "deficient"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_jax(dtype, matrix):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(dtype == "float64"):
        for function, power_k, power_j in jax_functions(matrix).values():
            check(function, matrix, dtype, power_k, power_j, flushed=True)


@pytest.mark.parametrize("c", [2.0**-60, 2.0**-44, 1.0, 2.0**42, 2.0**60])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_a_derivative_that_everybody_can_check(library, c):
    """A = (c, c)ᵀ and b = (c, 0): d/dA of lstsq(A, b).x is (0, −½)/c, of pinv(A)[0, 0] /c²."""
    a, b = np.full((2, 1), c, "float32"), np.asarray([c, 0.0], "float32")
    one = np.ones(1, "float32")
    if library == "numpy":
        of_x = pinvx.lstsq_vjp(a, b, one)[0]
        of_pinv = pinvx.pinv_vjp(a, np.asarray([[1.0, 0.0]], "float32"))
    elif library == "torch":
        torch = pytest.importorskip("torch")
        t = torch.from_numpy(a).requires_grad_()
        (of_x,) = torch.autograd.grad(pinvx.lstsq(t, torch.from_numpy(b)).x.sum(), t)
        (of_pinv,) = torch.autograd.grad(pinvx.pinv(t)[0, 0], t)
    else:
        jax = pytest.importorskip("jax")
        of_x = jax.grad(lambda a: pinvx.lstsq(a, b + 0 * a[:, 0]).x.sum())(jax.numpy.asarray(a))
        of_pinv = jax.grad(lambda a: pinvx.pinv(a)[0, 0])(jax.numpy.asarray(a))
    expected = np.asarray([[0.0], [-0.5]])
    tolerance = FIRST * 2 * eps_of("float32")
    assert_close(np.asarray(of_x, dtype=float) * c, expected, tolerance)
    assert_close(np.asarray(of_pinv, dtype=float) * c * c, expected, tolerance)
