"""`method="auto"`: every method is taken where it should be, and accepts nothing that is wrong."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from bounds import VALUE, assert_close, eps_of, norm, unit
from climbing import lacking, spectrum, taken
from pinvx_conformance import check_lstsq, check_pinv, matrices

import pinvx
from pinvx._plan import names

PINV, SOLVE = names("pinv"), names("solve")

# What each method has to get past: a Gram matrix that loses small entries, rows of many scales,
# pivots that do not show the rank, growth in the elimination, σ near the cutoff, no inverse at all.
ADVERSARIES = (
    *(matrices.lauchli(5, mu=2.0**-k) for k in (8, 20, 26, 30)),
    *(matrices.spectrum(12, 5, kappa=10.0**k) for k in (0, 2, 4, 6, 8, 12)),
    *(matrices.spectrum(5, 12, kappa=10.0**k) for k in (2, 6)),
    *(matrices.spectrum(9, 9, kappa=10.0**k) for k in (2, 6, 12)),
    *(matrices.spectrum(40, 24, kappa=10.0**k) for k in (1, 5, 7)),
    matrices.low_rank(12, 5, 3),
    matrices.low_rank(9, 9, 8),
    matrices.low_rank(40, 24, 23),
    matrices.kahan(12),
    matrices.wilkinson(24),
    matrices.hilbert(8, 8),
    matrices.hilbert(12, 6),
    matrices.vandermonde(12, 6),
    matrices.graded(12, 5, by="rows"),
    matrices.graded(12, 5, by="columns"),
    matrices.permutation(9),
    matrices.jordan(6),
    matrices.zeros(4, 3),
)


@pytest.mark.parametrize("namespace", ["numpy", "torch", "array_api_strict"])
@pytest.mark.parametrize("recipe", ADVERSARIES, ids=str)
def test_no_method_accepts_what_is_wrong(namespace, recipe):
    pytest.importorskip(namespace)
    for name in PINV:
        pinv = functools.partial(pinvx.pinv, method=name)
        check_pinv(pinv, recipe, namespace=namespace, level="full")
    for name in SOLVE:
        lstsq = functools.partial(pinvx.lstsq, method=name)
        check_lstsq(lstsq, recipe, namespace=namespace, level="full")


# (shape, κ, rank or None) -> the method that should find A⁺ in double precision.
EXPECTED = [
    ((40, 40), 10.0, None, "inverse"),
    ((200, 200), 1e6, None, "inverse"),
    ((60, 30), 2.0, None, "normal_equations"),
    ((30, 60), 2.0, None, "normal_equations"),
    ((60, 30), 1e5, None, "cholesky_qr"),
    ((30, 60), 1e5, None, "cholesky_qr"),
    ((160, 120), 2.0, 70, "subspace"),
    ((140, 140), 2.0, 70, "subspace"),
    ((110, 170), 2.0, 70, "subspace"),
    ((5, 60, 30), 2.0, None, "normal_equations"),
    ((5, 40, 40), 10.0, None, "inverse"),
    ((60, 30), 2.0, 15, "svd"),
    ((160, 120), 1e10, None, "svd"),
    ((3, 2), 2.0, None, "svd"),
]


def eager(lib):
    if lib.library == "jax":
        pytest.skip("a compiled program contains every method, and runs one")


@pytest.mark.parametrize(("shape", "kappa", "rank", "name"), EXPECTED, ids=str)
def test_the_method_that_finds_the_pseudoinverse(lib, shape, kappa, rank, name):
    eager(lib)
    a = spectrum(*shape[-2:], kappa, *shape[:-2], rank=rank)
    (x, ranks), names = taken(lib.array(a))
    if shape != (3, 2):  # a rule takes the decomposition of a few entries at once
        assert names == [name]
    expected = min(shape[-2:]) if rank is None else rank
    assert np.unique(ranks if isinstance(ranks, int) else lib.numpy(ranks)).tolist() == [expected]
    known = np.linalg.pinv(a, rcond=0.1 / kappa)
    assert_close(lib.numpy(x), known, 2 * VALUE * unit(shape, "float64", kappa))
    public = pinvx.pinv(lib.array(a))
    assert_close(lib.numpy(public), known, 2 * VALUE * unit(shape, "float64", kappa))


SYSTEMS = [
    ((20, 20), 10.0, None, "inverse"),
    ((60, 60), 1e5, None, "elimination"),
    ((60, 25), 10.0, None, "corrected"),
    ((60, 25), 1e6, None, "corrected"),
    ((25, 60), 1e6, None, "corrected"),
    ((4, 60, 60), 1e5, None, "elimination"),
    ((4, 60, 25), 1e6, None, "corrected"),
]


@pytest.mark.parametrize(("shape", "kappa", "rank", "name"), SYSTEMS, ids=str)
def test_the_method_that_solves(lib, shape, kappa, rank, name):
    eager(lib)
    a = spectrum(*shape[-2:], kappa, *shape[:-2], rank=rank)
    b = np.random.default_rng(1).standard_normal((*shape[:-1], 2))
    _, names = taken(lib.array(a), lib.array(b))
    assert names == [name]
    fit = pinvx.lstsq(lib.array(a), lib.array(b))
    x = np.linalg.pinv(a) @ b
    # Wedin, with a residual as long as b: the reference is no better than the result.
    allowed = VALUE * max(shape[-2:]) * eps_of("float64") * kappa * (norm(x) + kappa * norm(b))
    assert_close(lib.numpy(fit.x), x, 2 * allowed, scale=1.0)
    squares = np.sum((b - a @ x) ** 2, axis=-2)
    assert_close(lib.numpy(fit.residuals), squares, allowed, scale=1.0)


def test_a_method_may_be_named():
    a, b = spectrum(60, 30, 1e3), np.ones((60, 1))
    for method in ("cholesky_qr", ("cholesky_qr",), ("normal_equations", "cholesky_qr")):
        name = method if isinstance(method, str) else ",".join(method)
        assert taken(a, method=name)[1] == ["cholesky_qr"]
        np.testing.assert_allclose(pinvx.pinv(a, method=method), np.linalg.pinv(a), atol=1e-10)
    # What is named refuses, or cannot be: the decomposition takes it.
    assert taken(a, method="normal_equations")[1] == ["svd"]
    assert taken(a, method="inverse")[1] == ["svd"]
    np.testing.assert_allclose(
        pinvx.lstsq(a, b, method=("corrected", "svd")).x, np.linalg.lstsq(a, b)[0], atol=1e-9
    )


def test_refused_matrices_go_on_alone(lib):
    eager(lib)
    a = np.random.default_rng(0).standard_normal((6, 30, 20))
    a[1, :, 4] = a[1, :, 0]
    a[4, :, 19] = 0.0
    (x, rank), names = taken(lib.array(a))
    # array-api-strict raises for the whole batch where one matrix has no Cholesky factor.
    assert names[-1] in ("svd", "subspace")  # the latter on a device
    assert len(names) == (1 if lib.library == "array_api_strict" else 2)
    assert lib.numpy(rank).tolist() == [20, 19, 20, 20, 19, 20]
    for i in range(6):
        kappa = np.linalg.cond(a[i]) if i not in (1, 4) else 100.0
        known = np.linalg.pinv(a[i], rcond=1e-9)
        assert_close(lib.numpy(x)[i], known, VALUE * unit((30, 20), "float64", kappa))
    b = np.random.default_rng(1).standard_normal((6, 30, 2))
    solution, names = taken(lib.array(a), lib.array(b))
    assert names[0] == "corrected" or lib.library == "array_api_strict"
    assert lib.numpy(solution.rank).tolist() == [20, 19, 20, 20, 19, 20]


def test_refused_matrices_keep_their_tolerances(lib):
    """One for each matrix, and a batch of two dimensions."""
    a = np.random.default_rng(0).standard_normal((2, 3, 18, 9))
    a[0, 1, :, 4] = a[0, 1, :, 0]
    rtol = np.asarray([[1e-4, 1e-4, 2.0], [1e-4, 0.5, 1e-4]])
    x, rank = pinvx.pinv(lib.array(a), rtol=lib.array(rtol), return_rank=True)
    s = np.linalg.svd(a)[1]
    expected = (s > rtol[..., None] * s[..., :1]).sum(axis=-1)
    assert lib.numpy(rank).tolist() == expected.tolist()
    for i in np.ndindex(2, 3):
        known = np.linalg.pinv(a[i], rcond=min(rtol[i], 1.0))
        assert_close(lib.numpy(x)[i], known, VALUE * unit((18, 9), lib.float, 100.0))


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_any_number_of_right_hand_sides_in_a_mixed_batch(lib, columns):
    a = np.stack([np.eye(30, 20), np.ones((30, 20)), np.zeros((30, 20))])
    b = np.ones((3, 30, columns))
    fit = pinvx.lstsq(lib.array(a), lib.array(b))
    assert tuple(fit.x.shape) == (3, 20, columns)
    assert tuple(fit.residuals.shape) == (3, columns)
    assert lib.numpy(fit.rank).tolist() == [20, 1, 0]


@pytest.mark.parametrize("kappa", [10.0, 1e6, 1e8])
def test_the_inverse_of_a_large_matrix_is_as_accurate_as_the_decomposition(kappa):
    rng, n = np.random.default_rng(0), 700
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    s = np.geomspace(1.0, 1.0 / kappa, n)
    a, exact = u * s @ v.T, v / s @ u.T  # to a rounding error of a, which is eps·κ of A⁺
    (x, _), names = taken(a)
    assert names == ["inverse"]
    error, by_svd = (np.linalg.norm(y - exact) for y in (x, np.linalg.pinv(a, rcond=1e-14)))
    assert error <= 4 * max(by_svd, eps_of("float64") * kappa * np.linalg.norm(exact))
    for product in (a @ x, x @ a):
        assert np.linalg.norm(product - product.T) <= np.sqrt(n) * VALUE * unit(
            (n, n), "float64", kappa
        )


@pytest.mark.parametrize("small", [2e-14, 1e-12, 1e-9])
def test_a_singular_value_above_the_cutoff_is_not_dropped(small):
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((k, 129)))[0] for k in (140, 129))
    s = np.concatenate([np.linspace(1.0, 2.0, 128), [small]])
    rtol = small / 4  # half of it, beside σ₁ = 2
    a = u * s @ v.T
    (_, rank), names = taken(a, rtol=rtol)
    assert int(rank) == 129
    assert names == ["svd"]  # the eigenvalues of AᴴA do not show it
    assert int(taken(a, rtol=4 * rtol)[0].rank) == 128


# Two columns that are nearly equal: the difference stands in two places, which vectors that are
# alike there do not see. (127, 138) was such a pair of vectors that were used once.
@pytest.mark.parametrize("pair", [(127, 138), (0, 159), (31, 32), (5, 90)], ids=str)
@pytest.mark.parametrize("shape", [(640, 160), (160, 640), (160, 160)], ids=str)
def test_columns_that_are_nearly_equal(shape, pair):
    i, j = pair
    a = np.random.default_rng(0).standard_normal(shape)
    rows = a if shape[0] >= shape[1] else a.T
    cutoff = max(shape) * eps_of("float64") * np.linalg.norm(a, 2)
    noise = np.random.default_rng(1).standard_normal(rows.shape[0])
    for times in (3.0, 5.0, 7.0):
        size = times * cutoff * np.sqrt(2.0) / np.linalg.norm(noise)
        rows[:, j] = rows[:, i] + size * noise
        smallest = np.linalg.svd(a, compute_uv=False)[-1]
        if shape[0] != shape[1]:
            assert 1.5 < smallest / cutoff < 2.0 * times, "the test is about something"
        full = 160 if smallest > cutoff else 159
        assert pinvx.pinv(a, return_rank=True)[1] == full
        assert pinvx.lstsq(a, a[:, :1]).rank == full


# Single precision, computed in double.


def hadamard(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h


def exact(batch, powers, dtype):
    """Orthogonal columns of the norms 8·2ᵖ: nothing of it is rounded, neither in AᴴA."""
    a = hadamard(64)[:, : len(powers)] * np.exp2(powers)
    a = a * 1j ** np.arange(len(powers)) if dtype == "complex64" else a
    return np.broadcast_to(a, (*batch, *a.shape)).astype(dtype)


@pytest.mark.parametrize("shape", [(200, 40), (40, 200), (200, 180), (12, 100, 20)], ids=str)
def test_full_rank_in_single_precision(lib, single, shape):
    """Beyond what normal equations in single precision bear, and within the cutoff."""
    eager(lib)
    kappa = 0.2 / (max(shape[-2:]) * np.finfo(single).eps)
    phase = np.exp(1j * np.arange(shape[-1])) if single == "complex64" else 1.0
    a = (spectrum(*shape[-2:], kappa, *shape[:-2]) * phase).astype(single)
    (x, rank), names = taken(lib.array(a, single))
    solution, solved = taken(lib.array(a, single), lib.array(a[..., :1], single))
    assert set(names) <= {"double_cholesky", "double_eigenvectors"}
    assert set(solved) <= {"minimum_norm", *names}
    wide = a.astype("complex128")
    known = np.linalg.pinv(wide)
    tolerance = VALUE * unit(shape, single, kappa)
    for each in (rank, solution.rank):
        found = each if isinstance(each, int) else lib.numpy(each)
        assert np.unique(found).tolist() == [min(shape[-2:])]
    assert_close(lib.numpy(x), known, tolerance)
    assert_close(lib.numpy(solution.x), known @ wide[..., :1], tolerance)


@pytest.mark.parametrize("shape", [(200, 40), (40, 200), (160, 160), (12, 100, 20)], ids=str)
def test_deficient_rank_in_single_precision(lib, single, shape):
    eager(lib)
    rng = np.random.default_rng(0)
    (*batch, m, n), r = shape, 15
    b, c = rng.integers(-4, 5, (*batch, m, r)), rng.integers(-4, 5, (*batch, r, n))
    a = (b @ c).astype(single)
    (x, rank), names = taken(lib.array(a, single))
    assert names == ["double_eigenvectors"]
    assert np.unique(rank if isinstance(rank, int) else lib.numpy(rank)).tolist() == [r]
    # The factors are integers of full rank, so that A⁺ = C⁺B⁺ is known to their κ.
    known = np.linalg.pinv(c) @ np.linalg.pinv(b)
    s = np.linalg.svd(a, compute_uv=False)
    assert_close(
        lib.numpy(x), known, VALUE * unit(shape, single, (s[..., 0] / s[..., r - 1]).max())
    )


@pytest.mark.parametrize("tolerance", ["rtol", "atol", "rtol of each", "atol of each"])
@pytest.mark.parametrize("batch", [(), (6,)], ids=str)
def test_the_cutoff_within_the_spectrum_in_single_precision(lib, single, tolerance, batch):
    """Known exactly: of the columns those that count are kept, at any scale."""
    eager(lib)
    powers = np.arange(16.0)[::-1]
    for scale in (-60, 0, 60):
        a = exact(batch, powers + scale, single)
        name, _, each = tolerance.partition(" ")
        value = np.exp2(-5.5 if name == "rtol" else 12.5 + scale)
        given = lib.array(np.full(batch, value), np.zeros(1, single).real.dtype.name)
        options = {name: given if each else float(value)}
        x, rank = pinvx.pinv(lib.array(a, single), **options, return_rank=True)
        assert np.unique(lib.numpy(rank)).tolist() == [6]
        known = a.conj().mT / np.square(np.linalg.norm(a.astype("complex128"), axis=-2))[..., None]
        known[..., 6:, :] = 0.0
        assert_close(lib.numpy(x), known, VALUE * unit(a.shape, single, 2.0**6))


# The library's own least squares.

LACKING = [(3, 3), (5, 3), (3, 5), (16, 16), (60, 25), (25, 60), (4, 6, 3), (4, 9, 9)]


@pytest.mark.parametrize("name", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", LACKING, ids=str)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_the_library_s_own_least_squares_is_what_the_decomposition_gives(library, shape, name):
    xp = pytest.importorskip(library)
    a, b = (xp.asarray(x) for x in lacking(shape, name))
    assert taken(a, b)[1] == ["minimum_norm"]
    fit, svd = pinvx.lstsq(a, b), pinvx.lstsq(a, b, method="svd")
    assert np.array_equal(fit.rank, svd.rank)
    assert fit.rank.dtype == svd.rank.dtype
    assert fit.x.dtype == svd.x.dtype
    allowed = VALUE * max(shape[-2:]) * eps_of(name) * 1e3
    assert_close(fit.x, svd.x, allowed)
    largest = float(np.max(np.sum(np.abs(np.asarray(b)) ** 2, axis=-2)))
    assert_close(fit.residuals, svd.residuals, allowed, scale=largest)
    with_s = pinvx.lstsq(a, b, singular_values=True)
    assert_close(with_s.s, np.linalg.svd(np.asarray(a), compute_uv=False), allowed)
    assert_close(with_s.x, svd.x, allowed)
