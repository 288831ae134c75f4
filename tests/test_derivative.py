"""P13: a closed form with the pseudoinverse at hand, and under the other name of the tolerance.

A(t) = B(t)·C(t) has constant rank, and so a derivative; central differences in rational
arithmetic give it to 30 digits.
"""

from __future__ import annotations

from functools import cache

import exact
import numpy as np
from bounds import FIRST, assert_close, norm, unit
from matrix_cases import CASES, Case, fitting, integers, named

import pinvx

TABLE = [case for case in CASES if max(case.m, case.n) <= 7]


@cache
def exact_direction(case: Case):
    """dA = dB·C + B·dC, and the exact derivative of A⁺ along it."""
    b, c = case.factors
    db, dc = integers(b.shape, case, 1), integers(c.shape, case, 2)
    B, C, dB, dC = (exact.rational(x) for x in (b, c, db, dc))
    dx = exact.derivative(lambda t: exact.pinv(B + dB * t, C + dC * t))
    return db @ c + b @ dc, exact.rounded(dx)


def test_a_pseudoinverse_at_hand_saves_the_factorization(lib, dtype):
    for case in lib.some([case for case in TABLE if case in fitting(dtype)]):
        a, x = lib.array(case.a, dtype), lib.array(case.x, dtype)
        da, expected = exact_direction(case)
        bound, size = FIRST * unit(case.a.shape, dtype, case.kappa), np.linalg.norm(case.x, 2) ** 2
        dx = pinvx.pinv_jvp(a, lib.array(da, dtype), x=x)
        assert_close(lib.numpy(dx), expected, bound, scale=size * norm(da))
        g = lib.array(integers((case.n, case.m), case, 4), dtype)
        saved, found = (lib.numpy(pinvx.pinv_vjp(a, g, x=given)) for given in (x, None))
        assert_close(saved, found, bound, scale=size * norm(lib.numpy(g)))


def test_no_factorization_where_the_pseudoinverse_is_at_hand(monkeypatch):
    for name in ("svd", "qr", "inv", "cholesky", "eigh"):
        monkeypatch.setattr(np.linalg, name, None)
    case = named("tall, deficient")
    assert pinvx.pinv_vjp(case.a, case.x, x=case.x).shape == case.a.shape
    assert pinvx.pinv_jvp(case.a, case.a, x=case.x).shape == case.x.shape


def test_rcond_is_rtol(lib, dtype):
    """A truncated singular value is not part of A: neither in X nor in its derivative."""
    a, da = (lib.array(np.diag(x), dtype) for x in ([4.0, 2.0, 0.5], [1.0, 1.0, 0.0]))
    g, b, zero = (lib.array(x, dtype) for x in (np.eye(3), [4.0, 2.0, 1.0], np.zeros(3)))
    bound, expected = FIRST * unit((3, 3), dtype, 2.0), np.diag([-1 / 16, -1 / 4, 0.0])
    assert_close(lib.numpy(pinvx.pinv_jvp(a, da, rcond=0.2)), expected, bound)
    assert_close(lib.numpy(pinvx.pinv_vjp(a, g, rcond=0.2)), expected, bound)
    dx, _ = pinvx.lstsq_jvp(a, b, da, zero, rcond=0.2)
    assert_close(lib.numpy(dx), [-1 / 4, -1 / 2, 0.0], bound)
