"""P8: the derivatives of `hermitian=True`, and what it does not read of a complex diagonal."""

from __future__ import annotations

import exact
import numpy as np
from bounds import FIRST, VALUE, assert_close, norm, unit
from matrix_cases import CASES, fitting, integers, named

import pinvx

TABLE = [case for case in CASES if max(case.m, case.n) <= 7]


def inner(x, y):
    return float(np.real(np.vdot(np.asarray(x), np.asarray(y))))


def test_the_imaginary_part_of_the_diagonal_is_not_read(lib):
    case = named("complex")
    a = case.a.conj().T @ case.a
    clean, spoilt = (
        lib.numpy(pinvx.pinv(lib.array(x), hermitian=True)) for x in (a, a + 5j * np.eye(len(a)))
    )
    assert_close(spoilt, clean, 2 * VALUE * unit(a.shape, lib.complex, case.kappa**2))


def test_derivatives(lib, dtype):
    for case in lib.some([case for case in TABLE if case in fitting(dtype)]):
        b, _ = case.factors
        h = b @ b.conj().T
        a = lib.array(h, dtype)
        db = integers(b.shape, case, 1)
        dh = db @ b.conj().T + b @ db.conj().T
        B, dB = exact.rational(b), exact.rational(db)

        def at(t, B=B, dB=dB):
            f = B + dB * t
            return exact.pinv(f, f.transpose())

        expected = exact.rounded(exact.derivative(at))
        size = np.linalg.norm(np.linalg.pinv(h, rcond=1e-9), 2)
        kappa = size * np.linalg.norm(h, 2)
        tolerance = 2 * FIRST * unit(h.shape, dtype, kappa)
        # The upper triangle of a direction is not read either.
        for direction in (dh, np.tril(dh)):
            dx = lib.numpy(pinvx.pinv_jvp(a, lib.array(direction, dtype), hermitian=True))
            assert_close(dx, expected, tolerance, scale=size**2 * norm(dh), what=str(case))
        g, any_da = integers(h.shape, case, 2), integers(h.shape, case, 3)
        a_bar = lib.numpy(pinvx.pinv_vjp(a, lib.array(g, dtype), hermitian=True))
        dx = lib.numpy(pinvx.pinv_jvp(a, lib.array(any_da, dtype), hermitian=True))
        scale = size**2 * norm(g) * norm(any_da)
        assert abs(inner(a_bar, any_da) - inner(g, dx)) <= 2 * tolerance * scale, case
        # What is not read has no influence: the gradient there is zero, and on the diagonal real.
        assert not np.triu(a_bar, 1).any()
        assert not np.imag(np.diagonal(a_bar)).any()
