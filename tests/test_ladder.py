"""`method="auto"`: every rung is taken where it should be, and accepts nothing that is wrong.

The ladder leaves small matrices to the decomposition, for speed; here it takes them all, so that
the gallery of exact matrices reaches every rung.
"""

from __future__ import annotations

import numpy as np
import pytest
from backend_table import HERE
from bounds import VALUE, assert_close, eps_of, unit
from pinvx_conformance import check_lstsq, check_pinv, matrices

import pinvx
from pinvx import Adapter
from pinvx._dispatch import adapter_of
from pinvx._factor import _ladder
from pinvx._factor._certificate import (
    inverts,
    largest_square,
    least_condition,
    none_below,
    orthonormal,
    times_inverse,
    well_conditioned,
)
from pinvx._factor._subspace import subspace
from pinvx._factor._tsqr import tsqr_svd

# What each of these has to get past: a Gram matrix that loses small entries, rows of many scales,
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


@pytest.fixture
def decomposed(monkeypatch):
    """The shapes that reach the last rung."""
    shapes = []
    svd = _ladder.svd

    def recorded(lib, a, *tolerances, **options):
        shapes.append(tuple(a.shape))
        return svd(lib, a, *tolerances, **options)

    monkeypatch.setattr(_ladder, "svd", recorded)
    for adapter in (Adapter, *Adapter.__subclasses__()):
        monkeypatch.setattr(adapter, "small", 1)
    return shapes


@pytest.mark.parametrize(
    "namespace", [row.tag for row in HERE if row.tag in ("numpy", "torch", "array_api_strict")]
)
@pytest.mark.parametrize("recipe", ADVERSARIES, ids=str)
def test_no_rung_accepts_what_is_wrong(namespace, recipe, decomposed, monkeypatch):
    del decomposed  # for its patch alone
    monkeypatch.setattr(_ladder, "LARGE", 1)
    check_pinv(pinvx.pinv, recipe, namespace=namespace, level="full")
    check_lstsq(pinvx.lstsq, recipe, namespace=namespace, level="full")


@pytest.mark.parametrize(
    "shape", [(9, 9), (40, 40), (12, 5), (60, 30), (5, 12), (4, 12, 5)], ids=str
)
def test_full_rank_needs_no_decomposition(lib, shape, decomposed):
    if lib.library == "jax":
        pytest.skip("compiled code contains every rung, and runs one")
    pinvx.pinv(lib.array(np.random.default_rng(0).standard_normal(shape)))
    assert decomposed == []


@pytest.mark.parametrize("shape", [(160, 120), (128, 128), (110, 170), (2, 140, 130)], ids=str)
def test_missing_rank_needs_no_decomposition(lib, shape, decomposed):
    if lib.library == "jax":
        pytest.skip("a traced ladder has no such rung")
    rng = np.random.default_rng(0)
    m, n = shape[-2:]
    b, c = rng.integers(-4, 5, (*shape[:-1], 70)), rng.integers(-4, 5, (*shape[:-2], 70, n))
    a = (b @ c).astype("float64")
    x, rank = pinvx.pinv(lib.array(a), return_rank=True)
    assert decomposed == []
    assert np.unique(lib.numpy(rank)).tolist() == [70]
    # The factors are integers of full rank, so that A⁺ = C⁺B⁺ is known to their κ.
    exact = np.linalg.pinv(c) @ np.linalg.pinv(b)
    s = np.linalg.svd(a, compute_uv=False)
    kappa = (s[..., 0] / s[..., 69]).max()
    tolerance = 2 * VALUE * unit((m, n), "float64", kappa)
    for found, expected in zip(
        lib.numpy(x).reshape(-1, n, m), exact.reshape(-1, n, m), strict=True
    ):
        assert_close(found, expected, tolerance)


@pytest.mark.parametrize("k", [-1000, -600, -500, 500, 600, 900])
def test_missing_rank_has_no_scale(k):
    """Where squares underflow a batch lacks not only rank but everything, for who forms AᴴA."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 140, 70)) @ rng.standard_normal((2, 70, 130))
    x, rank = pinvx.pinv(np.ldexp(a, k), return_rank=True)
    assert rank.tolist() == [70, 70]
    kappa = np.linalg.norm(a, 2, axis=(-2, -1)) * np.linalg.norm(x, 2, axis=(-2, -1)) * 2.0**k
    for y, z, condition in zip(np.ldexp(x, k), pinvx.pinv(a, method="svd"), kappa, strict=True):
        assert_close(y, z, 2 * VALUE * unit((140, 130), "float64", condition))


@pytest.mark.parametrize("kappa", [10.0, 1e6, 1e8])
def test_the_inverse_of_a_large_matrix_is_as_accurate_as_the_decomposition(kappa, decomposed):
    rng, n = np.random.default_rng(0), 700
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    s = np.geomspace(1.0, 1.0 / kappa, n)
    a, exact = u * s @ v.T, v / s @ u.T  # to a rounding error of a, which is eps·κ of A⁺
    x = pinvx.pinv(a)
    assert decomposed == []
    error, by_svd = (np.linalg.norm(y - exact) for y in (x, np.linalg.pinv(a, rcond=1e-14)))
    assert error <= 4 * max(by_svd, eps_of("float64") * kappa * np.linalg.norm(exact))
    for product in (a @ x, x @ a):
        assert np.linalg.norm(product - product.T) <= np.sqrt(n) * VALUE * unit(
            (n, n), "float64", kappa
        )


# The least is twice p·eps·σ₁ above its cutoff (P7): below that rounding decides.
@pytest.mark.parametrize("small", [2e-13, 1e-12, 1e-9])
def test_a_singular_value_above_the_cutoff_is_not_dropped(small, decomposed):
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((k, 129)))[0] for k in (140, 129))
    s = np.concatenate([np.linspace(1.0, 2.0, 128), [small]])
    rtol = small / 4  # half of it, beside σ₁ = 2
    a = u * s @ v.T
    _, rank = pinvx.pinv(a, rtol=rtol, return_rank=True)
    assert int(rank) == 129
    assert decomposed  # the eigenvalues of AᴴA do not show it
    _, rank = pinvx.pinv(a, rtol=4 * rtol, return_rank=True)
    assert int(rank) == 128


def test_blocks_of_rows_give_the_same_decomposition():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 24, 5)) + 1j * rng.standard_normal((3, 24, 5))
    lib = adapter_of(a, "test", "a")
    u, s, vh = tsqr_svd(lib, a, 4)
    expected = np.linalg.svd(a, compute_uv=False)
    accuracy = 8 * 24 * eps_of("float64")
    np.testing.assert_allclose(s, expected, rtol=0, atol=accuracy * expected.max())
    np.testing.assert_allclose(u * s[:, None, :] @ vh, a, rtol=0, atol=accuracy * expected.max())
    gram = np.conj(u.swapaxes(-1, -2)) @ u
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(5), gram.shape), rtol=0, atol=accuracy)


def test_deficient_matrices_go_down_alone(lib, decomposed):
    if lib.library == "jax":
        pytest.skip("compiled code contains every rung, and runs one")
    a = np.random.default_rng(0).standard_normal((2, 3, 8, 5))
    a[0, 1, :, 4] = a[0, 1, :, 0]
    a[1, 2] = np.nan
    rtol = np.full((2, 1), 1e-9)
    x, rank = pinvx.pinv(lib.array(a), rtol=lib.array(rtol), return_rank=True)
    # Where a library raises for the whole batch, as array-api-strict may, all of it goes down.
    assert decomposed in ([(2, 8, 5)], [(2, 3, 8, 5)])
    assert decomposed == [(2, 8, 5)] or lib.library == "array_api_strict"
    x = lib.numpy(x)
    assert lib.numpy(rank).tolist() == [[5, 4, 5], [5, 5, 0]]
    expected = np.linalg.pinv(a[0], rcond=1e-9)
    for i in range(3):
        kappa = 1.0 / min(np.linalg.svd(a[0, i])[1][:4])  # σ₁ is part of the scale of A⁺
        tolerance = VALUE * unit((8, 5), "float64", max(kappa, 100.0))
        assert_close(x[0, i], expected[i], tolerance, what=f"item {i}")
    assert np.isnan(x[1, 2]).all()
    assert np.isfinite(x[1, :2]).all()


def test_small_matrices_take_the_shortest_way(monkeypatch):
    def unwanted(*_):
        raise AssertionError("a rung was tried")

    monkeypatch.setattr(_ladder, "inverse", unwanted)
    tolerance = VALUE * unit((3, 3), "float64", 1.0)
    assert_close(pinvx.pinv(np.eye(3)), np.eye(3), tolerance)
    assert_close(pinvx.lstsq(np.eye(3), np.ones(3)).x, np.ones(3), tolerance)


def _proposals(m, n, kappa):
    """A matrix with the spectrum 1 … 1/κ, its σ_N, and (AᴴA, W, T, QᴴQ) as the rungs have them."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((k, n)))[0] for k in (m, n))
    a = u * np.geomspace(1.0, 1.0 / kappa, n) @ v.T
    g = a.T @ a
    t = np.linalg.inv(np.linalg.cholesky(g)).T
    q = a @ t
    return a, 1.0 / kappa, g, t @ t.T, t, q.T @ q


@pytest.mark.parametrize("n", [8, 140])  # measured whole, and by test vectors
def test_an_inverse_that_is_none_is_refused(n):
    a, smallest, *_ = _proposals(n, n, 30.0)
    lib, w, rtol = adapter_of(a, "test", "a"), np.linalg.inv(a), n * eps_of("float64")
    assert inverts(lib, a, w, rtol, 0.0)
    assert not inverts(lib, a, w * (1 + 1e-9), rtol, 0.0)
    assert not inverts(lib, a, w * np.nan, rtol, 0.0)
    assert not inverts(lib, a, np.zeros_like(w), rtol, 0.0)
    bent = w.copy()
    bent[-1, -1] += 1e-6 * abs(w).max()
    assert not inverts(lib, a, bent, rtol, 0.0)
    # A cutoff at the smallest singular value, relative and absolute: no proof, no acceptance.
    assert not inverts(lib, a, w, smallest, 0.0)
    assert not inverts(lib, a, w, 0.0, smallest)


@pytest.mark.parametrize(("m", "n"), [(20, 8), (300, 60)], ids=str)
def test_normal_equations_are_left_to_well_conditioned_matrices(m, n):
    a, smallest, g, w, *_ = _proposals(m, n, 3.0)
    lib, rtol = adapter_of(a, "test", "a"), m * eps_of("float64")
    assert well_conditioned(lib, a, g, w, rtol, 0.0)
    assert not well_conditioned(lib, a, g, w * np.nan, rtol, 0.0)
    assert not well_conditioned(lib, a, g, w, smallest, 0.0)
    assert not well_conditioned(lib, a, g, w, 0.0, smallest)
    a, _, g, w, *_ = _proposals(m, n, 1e3)
    assert not well_conditioned(lib, a, g, w, rtol, 0.0)


@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("kappa", [1.0, 10.0, 30.0, 100.0, 1e3, 1e6])
def test_pivots_bound_the_condition_from_below(kappa, batch):
    """What they refuse beforehand would be refused, and a large condition is seen in time."""
    a, _, g, w, *_ = _proposals(300, 60, kappa)
    lib, rtol = adapter_of(a, "test", "a"), 300 * eps_of("float64")
    r = np.broadcast_to(np.linalg.cholesky(g), (*batch, 60, 60)).copy()
    least = least_condition(lib, r)
    assert np.shape(least) == batch
    assert np.all(least <= kappa * (1.0 + 1e-6))
    refused = none_below(lib, least * least, largest_square(lib, a))
    assert not (refused and well_conditioned(lib, a, g, w, rtol, 0.0))
    assert refused or kappa < (1e6 if batch else 1e4)
    assert none_below(lib, least_condition(lib, r * np.nan), np.inf)  # how LAPACK fails
    r[..., 30, 30] = 0.0
    with lib.quiet():
        assert none_below(lib, least_condition(lib, r), 1e300)


def test_no_more_factors_are_left_out_than_rounding_hides(lib, dtype):
    eps = eps_of(dtype)
    x, v = np.eye(6, dtype=dtype), np.random.default_rng(0).standard_normal((2, 6, 1))
    adapter = adapter_of(lib.array(x, dtype), "test", "a")
    for size in (0.0, 1e-17, 1e-12, *np.geomspace(1e-9, 1e-2, 29)):
        e = v @ v.mT / (v.mT @ v)  # of rank one: its powers are as large as its norm allows
        e = (e * np.asarray([size, 1e-3 * size])[:, None, None]).astype(dtype)
        expected = np.linalg.inv(np.eye(6) + e)
        for part in (0, slice(None)):  # one matrix, and a batch
            found = times_inverse(adapter, lib.array(x, dtype), lib.array(e[part], dtype))
            error = np.linalg.norm(lib.numpy(found) - expected[part], axis=(-2, -1))
            assert np.all(error <= 4.0 * (6 * eps + size**8)), size


def _lacking(m, n, rank, smallest=0.5, left=0.0):
    """A matrix with σ = 1 … smallest, and `left` in place of zeros."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((k, n)))[0] for k in (m, n))
    return u * np.r_[np.linspace(1.0, smallest, rank), np.full(n - rank, left)] @ v.T


@pytest.mark.parametrize(("m", "n"), [(20, 8), (300, 60), (200, 140)], ids=str)
def test_subspace_iteration_is_for_what_lacks_rank_beyond_doubt(m, n):
    def accepted(a, rtol=None, atol=0.0):
        lib, rtol = adapter_of(a, "test", "a"), m * eps_of("float64") if rtol is None else rtol
        with lib.quiet():
            factor, accepted = subspace(lib, a, None, rtol, atol)
        if accepted:
            rank = int(factor.rank)
            expected = np.linalg.pinv(a, rcond=1e-6)
            assert rank == np.linalg.matrix_rank(a, tol=1e-6 * np.linalg.norm(a, 2))
            assert_close(factor.pinv(lib), expected, VALUE * unit((m, n), "float64", 20.0))
        return bool(accepted)

    a, rank = _lacking(m, n, n // 2), n // 2
    assert accepted(a)
    assert accepted(a, rtol=0.05)
    assert accepted(a, rtol=0.0, atol=0.05)
    # A cutoff at the smallest singular value, or at the rest.
    assert not accepted(a, rtol=0.5)
    assert not accepted(a, rtol=0.0, atol=0.5)
    assert not accepted(a, rtol=0.0)
    # Singular values that AᴴA does not show, however small the cutoff is.
    for left in (1e-9, 1e-12, 4 * m * eps_of("float64")):
        assert not accepted(_lacking(m, n, rank, left=left))
        assert not accepted(_lacking(m, n, rank, left=left), rtol=0.1)
    assert not accepted(np.zeros((m, n)))
    assert not accepted(np.full((m, n), np.nan))
    for k in (-1000, -600, -300, 600, 1000):  # squares of entries or of rounding errors are lost
        assert not accepted(np.ldexp(a, k))
    for k in (-250, -100, 100, 250):
        assert accepted(np.ldexp(a, k))


@pytest.mark.parametrize(("m", "n"), [(20, 8), (300, 60)], ids=str)
def test_a_basis_that_is_far_from_orthonormal_is_refused(m, n):
    a, smallest, g, _, t, qq = _proposals(m, n, 1e6)
    e = qq - np.eye(n)
    lib, rtol = adapter_of(a, "test", "a"), m * eps_of("float64")
    assert orthonormal(lib, g, t, e, rtol, 0.0)
    assert not orthonormal(lib, g, t * np.nan, e, rtol, 0.0)
    assert not orthonormal(lib, g, t, qq, rtol, 0.0)
    limit = (n * eps_of("float64")) ** 0.125  # what E⁸ may be
    for size, accepted in ((0.99 * limit, True), (1.01 * limit, False)):
        assert orthonormal(lib, g, t, e * (size / np.linalg.norm(e)), rtol, 0.0) is accepted
    assert not orthonormal(lib, g, t, e, smallest, 0.0)
    assert not orthonormal(lib, g, t, e, 0.0, smallest)
    assert not orthonormal(lib, g, 1e9 * t, e, rtol, 0.0)
