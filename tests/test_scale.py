"""P12: any power of two, and what depends on the scale: the methods, absolute tolerances."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, assert_close, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_cases import CASES, fitting

import pinvx

METHODS = ("auto", "svd")
RANKED = [case for case in CASES if case.rank]


def exponents(case, dtype):
    """The smallest and largest k at which A·2ᵏ and A⁺·2⁻ᵏ are normal numbers, entry by entry.

    4 bits are left at the far end, for the sums of an entry's rounding errors.
    """
    info = np.finfo(dtype)

    def reach(x):
        sizes = np.abs(np.stack([np.real(x), np.imag(x)]))
        sizes = sizes[sizes > 0]
        return np.log2(sizes.min()), np.log2(sizes.max())

    low, high = info.minexp, info.maxexp - 4
    (a_min, a_max), (x_min, x_max) = reach(case.a), reach(case.x)
    return int(np.ceil(max(low - a_min, x_max - high))), int(
        np.floor(min(high - a_max, x_min - low))
    )


def times(x, dtype, k):
    """x·2ᵏ in the dtype; exact, also where 2ᵏ itself is not representable."""
    x = np.asarray(x, dtype=dtype)
    half = k // 2
    return x * np.asarray(2.0**half, x.real.dtype) * np.asarray(2.0 ** (k - half), x.real.dtype)


def back(x, k):
    """x·2ᵏ, in double precision where x may be of single."""
    wide = x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)
    return wide * 2.0 ** (k // 2) * 2.0 ** (k - k // 2)


@pytest.mark.parametrize("rank", [10, 19, 20])
def test_missing_rank_at_every_scale(lib, dtype, rank):
    """Large enough for a choice of methods in every library, and exact in each dtype."""
    rng = np.random.default_rng(rank)
    b, c = rng.integers(-3, 4, (12, 60, rank)), rng.integers(-3, 4, (12, rank, 20))
    a = (b @ c).astype(dtype)
    b, known = lib.array(a[..., :1], dtype), np.linalg.svd(a.astype("complex128"))[1]
    kappa = float((known[:, 0] / known[:, rank - 1]).max())
    for k in (-30, 0, 30, 45):
        scale = np.exp2(k).astype(a.real.dtype)
        there = lib.array(a * scale, dtype)
        x, ranks = pinvx.pinv(there, return_rank=True)
        assert np.unique(lib.numpy(ranks)).tolist() == [rank]
        assert np.unique(lib.numpy(pinvx.lstsq(there, b).rank)).tolist() == [rank]
        assert_close(a @ (lib.numpy(x) * scale) @ a, a, VALUE * unit(a.shape, dtype, kappa))


def test_an_absolute_tolerance_scales_with_the_matrix(lib, dtype):
    a = np.diag([4.0, 2.0, 1.0])
    info = np.finfo(dtype)
    for k in (info.minexp + 8, info.minexp // 2, 0, info.maxexp // 2, info.maxexp - 8):
        scale = 2.0 ** float(k)
        x, rank = pinvx.pinv(lib.array(a * scale, dtype), atol=1.5 * scale, return_rank=True)
        assert int(rank) == 2, k
        expected = np.diag([0.25, 0.5, 0.0])
        assert_close(back(lib.numpy(x), k), expected, VALUE * unit((3, 3), dtype, 1.0))


@settings(max_examples=50, deadline=None)
@given(case=st.sampled_from(RANKED), data=st.data(), dtype=st.sampled_from(["f4", "f8", "c8"]))
def test_any_scale(case, data, dtype):
    """Every power of two between the ends, in the library of the oracle."""
    name = str(np.dtype(dtype))
    if case not in fitting(name):
        name = "complex128"
    k = data.draw(st.integers(*exponents(case, name)))
    for method in METHODS:
        x, rank = pinvx.pinv(times(case.a, name, k), return_rank=True, method=method)
        tolerance = VALUE * unit(case.a.shape, name, case.kappa)
        assert_close(back(x, k), case.x, tolerance, what=f"{case}·2^{k}")
        assert int(rank) == case.rank


@pytest.mark.parametrize("z", [0.9 + 0.9j, 0.9j, -0.9 + 0.3j])
def test_complex_numbers_whose_modulus_overflows(lib, dtype, z):
    """Both parts are finite, and that is what counts."""
    if not dtype.startswith("complex"):
        pytest.skip("complex numbers are the subject")
    largest = float(np.finfo(dtype).max)
    a = np.diag([z, 0.5 * z, 0.0])
    # A⁺ is subnormal, which some libraries flush to zero, but A⁺b is not.
    b = a @ np.ones((3, 1)) * largest
    for each in (a * largest, np.stack([a * largest, np.eye(3)])):
        x, rank = pinvx.pinv(lib.array(each, dtype), return_rank=True)
        assert np.isfinite(lib.numpy(x)).all()
        assert int(lib.numpy(rank).ravel()[0]) == 2
        fit = pinvx.lstsq(lib.array(each, dtype), lib.array(b, dtype))
        found = np.reshape(lib.numpy(fit.x), (-1, 3))[0]
        assert_close(found, np.asarray([1.0, 1.0, 0.0]), VALUE * unit((3, 3), dtype, 2.0))
