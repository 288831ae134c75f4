"""P4 and P7: which singular values count, and the rank.

The matrices are diagonal, shuffled and signed, so that their singular values are known exactly. A
library finds them to rounding: what is promised holds for those that are `margin`, p·eps·σ₁, away
from the cutoff. At the cutoff itself σ₁ ≤ 1·σ₁ is left, which is true however σ₁ was rounded.
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


def margin(shape, dtype):
    """How far from the cutoff a singular value counts or not without a doubt, beside σ₁."""
    return max(shape) * eps_of(dtype)


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
        assert_close(lib.numpy(x), expected, tolerance, what=f"{method}, {options}")
        scale = np.linalg.norm(expected) * np.sqrt(a.shape[-2])
        ones = np.ones((a.shape[-2], 1))
        assert_close(lib.numpy(fit.x), expected @ ones, tolerance, scale=scale)


def test_the_default_is_the_long_side_times_eps(lib, dtype):
    for m, n in lib.some([(48, 4), (4, 48), (48, 48)]):
        cutoff = max(m, n) * eps_of(dtype)
        assert pinvx.default_rtol(lib.array(np.ones((m, n)), dtype)) == cutoff
        # The margin is as large as the cutoff; but 24 eps are far more than rounding here.
        a, kept = diagonal([2.0, 1.0, 2 * 1.5 * cutoff, 2 * 0.5 * cutoff], m, n)
        check(lib, a, dtype, kept(2 * cutoff))


def test_what_is_just_above_the_cutoff_counts_and_what_is_just_below_does_not(lib, dtype):
    near = 2 * 2 * margin((4, 3), dtype)  # twice the margin, for σ₁ = 2
    for last in (0.5 + near, 0.5 - near):
        a, kept = diagonal([2.0, 1.0, last], 4, 3)
        check(lib, a, dtype, kept(0.5), rtol=0.25)
        check(lib, a, dtype, kept(0.5), rtol=0.0, atol=0.5)
        check(lib, a, dtype, kept(0.5), rtol=0.25, atol=0.125)
        check(lib, a, dtype, kept(0.5), rtol=0.125, atol=0.5)


def test_a_value_at_the_cutoff_does_not_count(lib, dtype):
    for a in (diagonal([2.0, 1.0, 0.5], 4, 3)[0], np.ones((3, 2)), np.full((1, 1), 3.0)):
        check(lib, a, dtype, np.zeros(a.T.shape), rtol=1.0)
    # A single number is its own singular value.
    check(lib, np.full((1, 1), 3.0), dtype, np.zeros((1, 1)), rtol=0.5, atol=3.0)


def test_zero_never_counts(lib, dtype):
    a, kept = diagonal([4.0, 2.0, 0.0], 4, 3)
    for options in ({"rtol": 0.0}, {"rtol": 0}, {"rtol": 0.0, "atol": 0.0}, {"rcond": 0.0}):
        check(lib, a, dtype, kept(0.0), **options)
    check(lib, np.zeros((4, 3)), dtype, np.zeros((3, 4)), rtol=0.0)


def test_with_rtol_zero_every_other_value_counts(lib, dtype):
    # Half of the default cutoff, far above rounding as in the test of the default.
    tiny = 24 * eps_of(dtype)
    a, kept = diagonal([1.0, tiny], 48, 2)
    check(lib, a, dtype, kept(0.0), rtol=0.0)
    check(lib, a, dtype, kept(0.0), atol=tiny / 2)  # `rtol` is 0 then
    check(lib, a, dtype, kept(2 * tiny), atol=2 * tiny)
    check(lib, a, dtype, kept(tiny))
    check(lib, a, dtype, kept(tiny), atol=0.0)  # not > 0, so `rtol` has its default


def test_nothing_counts(lib, dtype):
    a, kept = diagonal([4.0, 2.0], 3, 2)
    for options in ({"rtol": 1.0}, {"rtol": 3}, {"atol": 4.0}, {"rtol": float("inf")}):
        check(lib, a, dtype, kept(4.0), **options)
    check(lib, np.zeros((3, 2)), dtype, np.zeros((2, 3)), rtol=float("inf"))


def test_rcond_is_rtol(lib):
    a, kept = diagonal([4.0, 2.0, 1.0], 3, 3)
    for value in (0.3, np.float64(0.3), np.float32(0.3)):
        check(lib, a, lib.float, kept(1.2), rcond=value)
        check(lib, a, lib.float, kept(1.2), rtol=value)


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


def test_one_tolerance_for_each_matrix(lib, dtype):
    for name in lib.some(["rtol", "atol", "rcond"]):
        check_one_tolerance_for_each_matrix(lib, dtype, name)


def check_one_tolerance_for_each_matrix(lib, dtype, name):
    a, kept = batch([[4.0, 2.0, 1.0]] * 4, 4, 3)
    tolerances = np.asarray([0.0, 0.3, 0.6, 1.0])
    scale = 1.0 if name == "atol" else 4.0
    expected = np.stack([k(scale * t) for k, t in zip(kept, tolerances, strict=True)])
    real = "float32" if lib.real == ("float32",) else "float64"
    check(lib, a, dtype, expected, **{name: lib.array(tolerances, real)})
    # Batch dimensions broadcast: (2, 4) matrices, tolerances (4,), (2, 1), (1, 4) and ().
    both = np.stack([a, a])
    check(lib, both, dtype, np.stack([expected] * 2), **{name: lib.array(tolerances, real)})
    rows = lib.array([[0.3], [0.6]], real)
    expected = np.stack([np.stack([k(scale * t) for k in kept]) for t in (0.3, 0.6)])
    check(lib, both, dtype, expected, **{name: rows})
    expected = np.stack([np.stack([k(scale * 0.6) for k in kept])] * 2)
    check(lib, both, dtype, expected, **{name: lib.array(0.6, real)})


def test_rtol_is_the_default_where_atol_is_zero(lib, dtype):
    """Element by element: the second matrix has an absolute tolerance, and so no relative one."""
    tiny = 24 * eps_of(dtype)
    a, kept = batch([[1.0, tiny], [1.0, tiny], [1.0, tiny]], 48, 2)
    atol = lib.array([0.0, tiny / 2, 2 * tiny], lib.real[-1])
    check(lib, a, dtype, np.stack([kept[0](tiny), kept[1](0.0), kept[2](2 * tiny)]), atol=atol)


def test_tolerances_may_be_integers_or_of_another_precision(lib):
    a, kept = batch([[4.0, 2.0], [4.0, 2.0]], 3, 2)
    for dtype in (*lib.real, "int32"):
        tolerance = lib.array([0, 1], dtype)
        check(lib, a, lib.float, np.stack([kept[0](0.0), kept[1](4.0)]), rtol=tolerance)


def test_each_matrix_has_its_own_largest_value(lib, dtype):
    a, kept = batch([[2.0**20, 2.0**10], [1.0, 2.0**-10], [2.0**-20, 2.0**-21]], 3, 2)
    expected = [kept[0](2.0**12), kept[1](2.0**-8), kept[2](2.0**-28)]
    for i, e in enumerate(expected):
        check(lib, a[i], dtype, e, rtol=2.0**-8)
    check(lib, a[:2], dtype, np.stack(expected[:2]), rtol=2.0**-8)


def test_the_rank_is_an_integer_array_of_the_batch_shape(lib, dtype):
    for shape in lib.some([(2, 1, 3, 2), (3, 2), (1, 3, 2), (0, 3, 2)]):
        a = lib.array(np.ones(shape), dtype)
        for rank in (
            pinvx.pinv(a, return_rank=True)[1],
            pinvx.lstsq(a, lib.array(np.ones((*shape[:-1], 1)), dtype)).rank,
        ):
            assert lib.xp.isdtype(rank.dtype, "integral")
            assert tuple(rank.shape) == shape[:-2]
            assert (lib.numpy(rank) == 1).all()


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
    """The rule of the contract, word for word, in float64.

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
        assert_close(x, expected, VALUE * unit(a.shape, "float64", kappa))
