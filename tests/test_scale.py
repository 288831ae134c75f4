"""P12: A·2ᵏ has the pseudoinverse A⁺·2⁻ᵏ, from one end of the exponent range to the other."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, assert_close, norm, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_cases import CASES, fitting, named
from test_lstsq import solution_bound

import pinvx

METHODS = ("auto", "svd")


def exponents(case, dtype, library="numpy"):
    """The smallest and largest k at which A·2ᵏ and A⁺·2⁻ᵏ are normal numbers, entry by entry.

    4 bits are left at the far end, for the sums of an entry's rounding errors. XLA flushes
    subnormal numbers to zero, and with them the small terms of a sum: for JAX the near end of A is
    where eps times an entry is still normal.
    """
    info = np.finfo(dtype)

    def reach(x):
        sizes = np.abs(np.stack([np.real(x), np.imag(x)]))
        sizes = sizes[sizes > 0]
        return np.log2(sizes.min()), np.log2(sizes.max())

    low, high = info.minexp, info.maxexp - 4
    flushed = info.nmant if library == "jax" else 0
    (a_min, a_max), (x_min, x_max) = reach(case.a), reach(case.x)
    return int(np.ceil(max(low + flushed - a_min, x_max - high))), int(
        np.floor(min(high - a_max, x_min - low))
    )


def scales(case, dtype, library):
    first, last = exponents(case, dtype, library)
    # Both ends, the middle, and the places where squares leave the range.
    return sorted({first, first // 2, first // 4, 0, last // 4, last // 2, last})


def times(x, dtype, k):
    """x·2ᵏ in the dtype; exact, also where 2ᵏ itself is not representable."""
    x = np.asarray(x, dtype=dtype)
    half = k // 2
    return x * np.asarray(2.0**half, x.real.dtype) * np.asarray(2.0 ** (k - half), x.real.dtype)


def scaled(case, dtype, k):
    return times(case.a, dtype, k)


def back(x, k):
    """x·2ᵏ, in double precision where x may be of single."""
    wide = x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)
    return wide * 2.0 ** (k // 2) * 2.0 ** (k - k // 2)


RANKED = [case for case in CASES if case.rank]


def cases(lib, dtype):
    return lib.some([case for case in RANKED if case in fitting(dtype)])


@pytest.mark.parametrize("method", METHODS)
def test_pinv(lib, dtype, method):
    for case in cases(lib, dtype):
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        for k in scales(case, dtype, lib.library):
            a = lib.array(scaled(case, dtype, k), dtype)
            x, rank = pinvx.pinv(a, return_rank=True, method=method)
            what = f"{case}·2^{k} in {dtype}, {method}"
            assert_close(back(lib.numpy(x), k), case.x, tolerance, what=what)
            assert int(rank) == case.rank, what


def test_a_batch_of_every_scale(lib, dtype):
    """The smallest beside the largest: each has a scale of its own."""
    case = cases(lib, dtype)[0]
    ks = scales(case, dtype, lib.library)
    a = lib.array(np.stack([scaled(case, dtype, k) for k in ks]), dtype)
    x, rank = pinvx.pinv(a, return_rank=True)
    for i, k in enumerate(ks):
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        assert_close(back(lib.numpy(x)[i], k), case.x, tolerance, what=f"2^{k}")
    assert (lib.numpy(rank) == case.rank).all()


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


def test_hermitian(lib, dtype):
    case = cases(lib, dtype)[0]
    b, _ = case.factors
    h = b @ b.conj().T
    pinv_b = np.linalg.pinv(b)
    expected = pinv_b.conj().T @ pinv_b
    kappa = np.linalg.cond(b) ** 2
    info = np.finfo(dtype)
    for k in (info.minexp // 2, info.minexp // 4 * 3, 0, info.maxexp // 2, info.maxexp // 4 * 3):
        a = times(h, dtype, k)
        x, rank = pinvx.pinv(lib.array(a, dtype), hermitian=True, return_rank=True)
        tolerance = 2 * VALUE * unit(h.shape, dtype, kappa)
        assert_close(back(lib.numpy(x), k), expected, tolerance, what=f"2^{k}")
        assert int(rank) == case.rank


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["tall, deficient", "tall"])
def test_lstsq(lib, dtype, method, name):
    case = named(name)
    b = case.b()
    x = case.x @ b
    residuals = np.sum((b - case.a @ x) ** 2, axis=0)
    dx = solution_bound(case, x, b, dtype)
    dr = np.linalg.norm(case.a, 2) * dx + unit(case.a.shape, dtype, 1.0) * norm(b)
    for k in scales(case, dtype, lib.library):
        a = lib.array(scaled(case, dtype, k), dtype)
        fit = pinvx.lstsq(a, lib.array(b, dtype), method=method, singular_values=True)
        what = f"{case}·2^{k} in {dtype}, {method}"
        assert_close(back(lib.numpy(fit.x), k), x, dx, scale=1.0, what=what)
        allowed = dr * (2 * norm(np.sqrt(residuals)) + dr)
        assert_close(lib.numpy(fit.residuals), residuals, allowed, scale=1.0, what=what)
        assert int(fit.rank) == case.rank
        s = back(lib.numpy(fit.s), -k)
        expected = np.linalg.svd(case.a, compute_uv=False)
        assert_close(s, expected, VALUE * unit(case.a.shape, dtype, 1.0), what=what)


def test_an_absolute_tolerance_scales_with_the_matrix(lib, dtype):
    a = np.diag([4.0, 2.0, 1.0])
    info = np.finfo(dtype)
    for k in (info.minexp + 8, info.minexp // 2, 0, info.maxexp // 2, info.maxexp - 8):
        scale = 2.0 ** float(k)
        x, rank = pinvx.pinv(lib.array(a * scale, dtype), atol=1.5 * scale, return_rank=True)
        assert int(rank) == 2, k
        expected = np.diag([0.25, 0.5, 0.0])
        assert_close(back(lib.numpy(x), k), expected, VALUE * unit((3, 3), dtype, 1.0))


def test_penrose_residuals_have_no_scale(lib, dtype):
    case = named("tall, deficient")
    wrong = case.a.T / 1024
    expected = [float(r) for r in pinvx.penrose_residuals(case.a, wrong)]
    info = np.finfo(dtype)
    for k in (info.minexp // 4 * 3, info.minexp // 2, info.maxexp // 2, info.maxexp // 4 * 3):
        x, y = times(case.a, dtype, k), times(wrong, dtype, -k)
        got = pinvx.penrose_residuals(lib.array(x, dtype), lib.array(y, dtype))
        allowed = VALUE * unit(case.a.shape, dtype, 1.0)
        for a, b in zip(got, expected, strict=True):
            assert_close(float(a), b, allowed, scale=max(b, 1.0), what=f"2^{k}")


@settings(max_examples=50, deadline=None)
@given(case=st.sampled_from(RANKED), data=st.data(), dtype=st.sampled_from(["f4", "f8", "c8"]))
def test_any_scale(case, data, dtype):
    """Every power of two between the ends, in the library of the oracle."""
    name = str(np.dtype(dtype))
    if case not in fitting(name):
        name = "complex128"
    k = data.draw(st.integers(*exponents(case, name)))
    for method in METHODS:
        x, rank = pinvx.pinv(scaled(case, name, k), return_rank=True, method=method)
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
