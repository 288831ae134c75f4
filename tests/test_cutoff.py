"""P4: which singular values count: tolerances that broadcast, of any type, and any that are drawn.

The matrices are diagonal, shuffled and signed, so that their singular values are known exactly.
What is above, at and below the cutoff is judged by the conformance suite.
"""

from __future__ import annotations

import numpy as np
import pytest
from backend_table import library
from bounds import VALUE, assert_close, eps_of, unit
from hypothesis import given, settings
from hypothesis import strategies as st

import pinvx

METHODS = ("auto", "svd")


def diagonal(values, m, n, seed=0):
    """A matrix with these singular values, and its pseudoinverse as a function of the kept."""
    rng = np.random.default_rng(seed)
    a = np.zeros((m, n))
    signs = rng.choice([-1.0, 1.0], len(values))
    a[range(len(values)), range(len(values))] = np.asarray(values) * signs
    rows, columns = rng.permutation(m), rng.permutation(n)
    a = a[rows][:, columns]
    kept = lambda cutoff: np.where(np.abs(a) > cutoff, 1 / np.where(a == 0, 1, a), 0).T  # noqa: E731
    return a, kept


def check(lib, a, dtype, expected, **options):
    # What is left of A has A⁺ for its inverse: κ is the product of their largest entries.
    kappa = float(np.max(np.abs(a)) * np.max(np.abs(expected)))
    for method in lib.some(METHODS):
        x, rank = pinvx.pinv(lib.array(a, dtype), return_rank=True, method=method, **options)
        b = lib.array(np.ones((*a.shape[:-1], 1)), dtype)
        fit = pinvx.lstsq(lib.array(a, dtype), b, method=method, **options)
        tolerance = VALUE * unit(a.shape, dtype, kappa)
        np.testing.assert_array_equal(lib.numpy(rank), np.sum(expected != 0, axis=(-2, -1)))
        np.testing.assert_array_equal(lib.numpy(fit.rank), lib.numpy(rank))
        assert_close(lib.numpy(x), expected, tolerance, what=f"{method}, {[*options]}")
        scale = np.linalg.norm(expected) * np.sqrt(a.shape[-2])
        ones = np.ones((a.shape[-2], 1))
        assert_close(lib.numpy(fit.x), expected @ ones, tolerance, scale=scale)


def test_the_default(lib, dtype):
    for m, n in ((48, 4), (4, 48), (48, 48)):
        default = pinvx.default_rtol(lib.array(np.ones((m, n)), dtype))
        assert default == max(m, n) * eps_of(dtype)
    ones = lib.array(np.ones((3, 2)), "int32")
    assert pinvx.default_rtol(ones) == 3 * lib.xp.finfo(lib.xp.asarray(1.0).dtype).eps


def test_nothing_counts(lib, dtype):
    a, kept = diagonal([4.0, 2.0], 3, 2)
    for options in ({"rtol": 1.0}, {"rtol": 3}, {"atol": 4.0}, {"rtol": float("inf")}):
        check(lib, a, dtype, kept(4.0), **options)
    check(lib, np.zeros((3, 2)), dtype, np.zeros((2, 3)), rtol=float("inf"))


def test_pinverse_has_the_cutoff_of_torch(lib):
    def rank(smallest, *rcond, **options):
        x = lib.numpy(pinvx.pinverse(lib.array([[1.0, 0.0], [0.0, smallest]]), *rcond, **options))
        return np.linalg.matrix_rank(x, tol=0.5)  # A⁺ has the singular values 1 and 1/smallest

    if lib.float == "float64":  # 1e-15 is below the rounding errors of single precision
        assert [rank(1e-14), rank(1e-16)] == [2, 1]
    assert [rank(1e-3, 2e-3), rank(1e-3, rcond=5e-4), rank(1e-3, 2.0)] == [1, 2, 0]


def batch(values, m, n):
    pairs = [diagonal(v, m, n, seed) for seed, v in enumerate(values)]
    return np.stack([a for a, _ in pairs]), [kept for _, kept in pairs]


def test_tolerances_broadcast_with_the_batch(lib, dtype):
    """(2, 4) matrices with tolerances of the shapes (4,), (2, 1) and ()."""
    a, kept = batch([[4.0, 2.0, 1.0]] * 4, 4, 3)
    both = np.stack([a, a])
    for name in lib.some(["rtol", "atol", "rcond"]):
        for tolerance in ([0.0, 0.3, 0.6, 1.0], [[0.3], [0.6]], 0.6):
            each = np.broadcast_to(tolerance, (2, 4)) * (1.0 if name == "atol" else 4.0)
            expected = [[k(t) for k, t in zip(kept, row, strict=True)] for row in each]
            given = {name: lib.array(tolerance, lib.real[-1])}
            check(lib, both, dtype, np.asarray(expected), **given)


def test_tolerances_may_be_integers_or_of_another_precision(lib):
    a, kept = batch([[4.0, 2.0], [4.0, 2.0]], 3, 2)
    for dtype in (*lib.real, "int32"):
        tolerance = lib.array([0, 1], dtype)
        check(lib, a, lib.float, np.stack([kept[0](0.0), kept[1](4.0)]), rtol=tolerance)


def test_only_what_is_asked_for_is_returned(lib):
    a = lib.array(np.ones((3, 2)))
    assert not isinstance(pinvx.pinv(a), tuple)
    result = pinvx.pinv(a, return_rank=True)
    assert isinstance(result, tuple)
    assert len(result) == 2


@pytest.mark.parametrize(
    "xp", [pytest.param(np, id="numpy"), pytest.param(library("torch"), id="torch")]
)
@settings(max_examples=60, deadline=None)
@given(
    exponents=st.lists(st.integers(-20, 20), min_size=1, max_size=6),
    extra=st.integers(0, 4),
    wide=st.booleans(),
    rtol=st.none() | st.integers(-40, 2),
    atol=st.none() | st.integers(-40, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_spectrum_and_any_cutoff(xp, exponents, extra, wide, rtol, atol, seed):
    """The rule of the contract, word for word, in float64, and for `lstsq` the same.

    Every power of two is at least a quarter of itself away from a cutoff of 3/2 times another one:
    2⁻⁴²·σ₁ and more, a hundred times the margin.
    """
    m, n = len(exponents) + extra, len(exponents)
    values = np.ldexp(1.0, exponents)
    a, kept = diagonal(values, *((n, m) if wide else (m, n)), seed)
    r = None if rtol is None else np.ldexp(1.5, rtol)
    t = None if atol is None else np.ldexp(1.5, atol)
    relative = (0.0 if t is not None else m * 2.0**-52) if r is None else r
    cutoff = max(relative * values.max(), 0.0 if t is None else t)
    expected = kept(cutoff)
    kappa = values.max() * np.max(expected, initial=0.0)
    for method in METHODS:
        x, rank = pinvx.pinv(xp.asarray(a), rtol=r, atol=t, return_rank=True, method=method)
        assert int(rank) == int(np.sum(values > cutoff))
        one = xp.asarray(np.ones(len(a)))
        assert pinvx.lstsq(xp.asarray(a), one, rtol=r, atol=t, method=method).rank == rank
        assert_close(x, expected, VALUE * unit(a.shape, "float64", kappa))
