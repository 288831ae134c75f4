"""P8: `hermitian=True` reads the lower triangle, uses |λ|, and returns a Hermitian matrix."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, assert_close, unit
from matrix_cases import CASES, fitting

import pinvx

METHODS = ("auto", "svd")


def indefinite(case):
    """P·diag(±)·Pᴴ with P = A⁺A-like columns: Hermitian, integer, of the rank of the case."""
    b, _ = case.factors
    signs = np.where(np.arange(case.rank) % 2, -1.0, 1.0)
    return (b * signs) @ b.conj().T


def pinv_of(case):
    """The exact pseudoinverse: (B S Bᴴ)⁺ = B⁺ᴴ S B⁺, since S = S⁻¹."""
    b, _ = case.factors
    signs = np.where(np.arange(case.rank) % 2, -1.0, 1.0)
    pinv_b = np.linalg.solve(b.conj().T @ b, b.conj().T)
    return (pinv_b.conj().T * signs) @ pinv_b


def kappa_of(case):
    if case.rank == 0:
        return 1.0
    s = np.abs(np.linalg.eigvalsh(indefinite(case)))
    return float(np.max(s) / np.sort(s)[-case.rank])


TABLE = [case for case in CASES if case.m <= 7]


def hermitian_cases(lib, dtype):
    return lib.some([case for case in TABLE if case in fitting(dtype)])


@pytest.mark.parametrize("method", METHODS)
def test_value_rank_and_symmetry(lib, dtype, method):
    for case in hermitian_cases(lib, dtype):
        a = indefinite(case)
        x, rank = pinvx.pinv(lib.array(a, dtype), hermitian=True, return_rank=True, method=method)
        x = lib.numpy(x)
        assert int(rank) == case.rank, case
        # κ once for `eigh`, once for the float64 reference of full-rank factors, κ(B)² ≤ κ·10.
        tolerance = 2 * VALUE * unit(a.shape, dtype, kappa_of(case))
        assert_close(x, pinv_of(case), tolerance, what=f"{case} in {dtype}")
        np.testing.assert_array_equal(x, x.conj().T)


def test_the_same_as_without_the_word(lib, dtype):
    for case in hermitian_cases(lib, dtype):
        a = lib.array(indefinite(case), dtype)
        x, y = pinvx.pinv(a, hermitian=True), pinvx.pinv(a)
        tolerance = 2 * VALUE * unit(a.shape, dtype, kappa_of(case))
        assert_close(lib.numpy(x), lib.numpy(y), tolerance, what=str(case))


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e30, -7.0])
@pytest.mark.parametrize("method", METHODS)
def test_the_upper_triangle_is_not_read(lib, dtype, method, garbage):
    case = next(case for case in TABLE if case in fitting(dtype))
    a = indefinite(case)
    spoilt = np.where(np.triu(np.ones(a.shape, dtype=bool), 1), garbage, a)
    clean, read = (
        pinvx.pinv(lib.array(x, dtype), hermitian=True, return_rank=True, method=method)
        for x in (a, spoilt)
    )
    tolerance = 2 * VALUE * unit(a.shape, dtype, kappa_of(case))
    assert_close(lib.numpy(read[0]), lib.numpy(clean[0]), tolerance)
    assert int(read[1]) == int(clean[1])


def test_the_imaginary_part_of_the_diagonal_is_not_read(lib):
    case = next(c for c in TABLE if c.is_complex)
    a = indefinite(case)
    clean = pinvx.pinv(lib.array(a), hermitian=True)
    spoilt = pinvx.pinv(lib.array(a + 5j * np.eye(len(a))), hermitian=True)
    tolerance = 2 * VALUE * unit(a.shape, lib.complex, kappa_of(case))
    assert_close(lib.numpy(spoilt), lib.numpy(clean), tolerance)


def test_magnitudes_decide(lib, dtype):
    a = lib.array(np.diag([1.0, -8.0, 2.0, -0.5]), dtype)
    tolerance = VALUE * unit((4, 4), dtype, 16.0)
    for rtol, expected in ((0.2, [0.0, -0.125, 0.5, 0.0]), (0.1, [1.0, -0.125, 0.5, 0.0])):
        x, rank = pinvx.pinv(a, hermitian=True, rtol=rtol, return_rank=True)
        assert_close(lib.numpy(x), np.diag(expected), tolerance)
        assert int(rank) == np.count_nonzero(expected)
    x, rank = pinvx.pinv(a, hermitian=True, atol=0.75, return_rank=True)
    assert_close(lib.numpy(x), np.diag([1.0, -0.125, 0.5, 0.0]), tolerance)
    assert int(rank) == 3


def test_a_batch_with_a_tolerance_for_each(lib, dtype):
    a = lib.array(np.stack([np.diag([4.0, -1.0]), np.diag([-4.0, 1.0])]), dtype)
    rtol = lib.array([0.0, 0.5], lib.real[0])
    x, rank = pinvx.pinv(a, hermitian=True, rtol=rtol, return_rank=True)
    expected = [np.diag([0.25, -1.0]), np.diag([-0.25, 0.0])]
    assert_close(lib.numpy(x), expected, VALUE * unit((2, 2), dtype, 4.0))
    np.testing.assert_array_equal(lib.numpy(rank), [2, 1])


def test_nan_below_the_diagonal_counts(lib, dtype):
    a = np.stack([np.eye(3)] * 3)
    a[0, 2, 0] = np.nan
    a[1, 1, 1] = np.inf
    x, rank = pinvx.pinv(lib.array(a, dtype), hermitian=True, return_rank=True)
    assert np.isnan(lib.numpy(x)[:2]).all()
    assert_close(lib.numpy(x)[2], np.eye(3), VALUE * unit((3, 3), dtype, 1.0))
    np.testing.assert_array_equal(lib.numpy(rank), [0, 0, 3])


def test_the_gradient_stands_in_the_lower_triangle(lib, dtype):
    """What is not read has no influence: the gradient there is zero, and on the diagonal real."""
    case = hermitian_cases(lib, dtype)[0]
    a = lib.array(indefinite(case), dtype)
    g = lib.array(np.arange(float(case.m**2)).reshape(case.m, case.m), dtype)
    a_bar = lib.numpy(pinvx.pinv_vjp(a, g, hermitian=True))
    assert not np.triu(a_bar, 1).any()
    assert np.tril(a_bar, -1).any()
    assert not np.imag(np.diagonal(a_bar)).any()
    # And a change of the upper triangle changes nothing.
    upper = lib.array(np.triu(np.ones((case.m, case.m)), 1), dtype)
    assert not lib.numpy(pinvx.pinv_jvp(a, upper, hermitian=True)).any()
