"""P13: the closed forms, against rational arithmetic and against each other.

A(t) = B(t)·C(t) has constant rank, and so a derivative; central differences in rational
arithmetic give it to 30 digits. The reverse mode has to be the adjoint of the forward mode:
Re⟨Ā, dA⟩ = Re⟨G, dX⟩ for every dA and G.
"""

from __future__ import annotations

from functools import cache

import exact
import numpy as np
import pytest
from bounds import FIRST, assert_close, norm, stored_eps, unit
from matrix_cases import CASES, Case, fitting, named

import pinvx

METHODS = ("auto", "svd")
TABLE = [case for case in CASES if max(case.m, case.n) <= 7]


def cases(lib, dtype):
    return lib.some([case for case in TABLE if case in fitting(dtype)])


def random(shape, case, seed):
    rng = np.random.default_rng([seed, *shape])
    x = rng.integers(-4, 5, shape).astype(float)
    return x + 1j * rng.integers(-4, 5, shape) if case.is_complex else x


def inner(x, y):
    return float(np.real(np.vdot(np.asarray(x), np.asarray(y))))


@cache
def exact_direction(case: Case):
    """dA = dB·C + B·dC, and the exact derivatives of A⁺, A⁺b and ‖b − A A⁺b‖² along it."""
    b, c = case.factors
    db, dc = random(b.shape, case, 1), random(c.shape, case, 2)
    rhs, drhs = case.b(), random(case.b().shape, case, 3)
    B, C, dB, dC, R, dR = (exact.rational(x) for x in (b, c, db, dc, rhs, drhs))

    def pinv_at(t):
        return exact.pinv(B + dB * t, C + dC * t)

    def x_at(t):
        return pinv_at(t) * (R + dR * t)

    def squares_at(t):
        r = R + dR * t
        if case.rank:
            r = r - (B + dB * t) * (C + dC * t) * x_at(t)
        return r.transpose() * r  # of the embedding: the real diagonal holds the squared norms

    da = db @ c + b @ dc
    dx, dsolution, dsquares = (
        exact.rounded(exact.derivative(f)) for f in (pinv_at, x_at, squares_at)
    )
    return da, drhs, dx, dsolution, np.real(np.diagonal(dsquares))


def bound(case, dtype):
    """FIRST·p·eps·κ, to be multiplied by ‖X‖²·‖dA‖."""
    return FIRST * unit(case.a.shape, dtype, case.kappa)


@pytest.mark.parametrize("method", METHODS)
def test_pinv_forward(lib, dtype, method):
    for case in cases(lib, dtype):
        da, _, expected, _, _ = exact_direction(case)
        dx = pinvx.pinv_jvp(lib.array(case.a, dtype), lib.array(da, dtype), method=method)
        scale = np.linalg.norm(case.x, 2) ** 2 * norm(da)
        what = f"{case} in {dtype}, {method}"
        assert_close(lib.numpy(dx), expected, bound(case, dtype), scale=scale, what=what)


@pytest.mark.parametrize("method", METHODS)
def test_pinv_reverse_is_the_adjoint_of_forward(lib, dtype, method):
    for case in cases(lib, dtype):
        a = lib.array(case.a, dtype)
        g = random((case.n, case.m), case, 4)
        a_bar = lib.numpy(pinvx.pinv_vjp(a, lib.array(g, dtype), method=method))
        for seed in (5, 6):  # any direction: also one in which the rank would change
            da = random((case.m, case.n), case, seed)
            dx = lib.numpy(pinvx.pinv_jvp(a, lib.array(da, dtype), method=method))
            scale = np.linalg.norm(case.x, 2) ** 2 * norm(g) * norm(da)
            difference = abs(inner(a_bar, da) - inner(g, dx))
            assert difference <= 2 * bound(case, dtype) * scale, f"{case} in {dtype}"


def test_lstsq_forward(lib, dtype):
    for case in cases(lib, dtype):
        da, db, _, expected, expected_residuals = exact_direction(case)
        arrays = [lib.array(v, dtype) for v in (case.a, case.b(), da, db)]
        dx, dresiduals = pinvx.lstsq_jvp(*arrays)
        size, b = np.linalg.norm(case.x, 2), norm(case.b())
        scale = size**2 * norm(da) * b + size * norm(db)
        what = f"{case} in {dtype}"
        assert_close(lib.numpy(dx), expected, bound(case, dtype), scale=scale, what=what)
        scale = b * (norm(db) + norm(da) * size * b)
        assert_close(
            lib.numpy(dresiduals), expected_residuals, bound(case, dtype), scale=scale, what=what
        )


def test_lstsq_reverse_is_the_adjoint_of_forward(lib, dtype):
    for case in cases(lib, dtype):
        a, b = lib.array(case.a, dtype), lib.array(case.b(), dtype)
        g, rho = random((case.n, 2), case, 7), np.asarray([2.0, -3.0])
        da, db = random((case.m, case.n), case, 8), random((case.m, 2), case, 9)
        real = str(np.dtype(dtype).type(0).real.dtype)
        a_bar, b_bar = pinvx.lstsq_vjp(a, b, lib.array(g, dtype), lib.array(rho, real))
        dx, dresiduals = pinvx.lstsq_jvp(a, b, lib.array(da, dtype), lib.array(db, dtype))
        left = inner(lib.numpy(a_bar), da) + inner(lib.numpy(b_bar), db)
        right = inner(g, lib.numpy(dx)) + inner(rho, lib.numpy(dresiduals))
        size, length = np.linalg.norm(case.x, 2), norm(case.b())
        scale = norm(g) * (size**2 * norm(da) * length + size * norm(db))
        scale += norm(rho) * length * (norm(db) + norm(da) * size * length)
        assert abs(left - right) <= 2 * bound(case, dtype) * scale, f"{case} in {dtype}"
        # Without residuals: the first half alone.
        a_bar, b_bar = pinvx.lstsq_vjp(a, b, lib.array(g, dtype))
        left = inner(lib.numpy(a_bar), da) + inner(lib.numpy(b_bar), db)
        right = inner(g, lib.numpy(dx))
        assert abs(left - right) <= 2 * bound(case, dtype) * scale, f"{case} in {dtype}"


def test_a_pseudoinverse_at_hand_saves_the_factorization(lib, dtype):
    for case in cases(lib, dtype):
        a, x = lib.array(case.a, dtype), lib.array(case.x, dtype)
        da, _, expected, _, _ = exact_direction(case)
        scale = np.linalg.norm(case.x, 2) ** 2 * norm(da)
        dx = pinvx.pinv_jvp(a, lib.array(da, dtype), x=x)
        assert_close(lib.numpy(dx), expected, bound(case, dtype), scale=scale)
        g = lib.array(random((case.n, case.m), case, 4), dtype)
        saved, found = pinvx.pinv_vjp(a, g, x=x), pinvx.pinv_vjp(a, g)
        scale = np.linalg.norm(case.x, 2) ** 2 * norm(lib.numpy(g))
        assert_close(lib.numpy(saved), lib.numpy(found), bound(case, dtype), scale=scale)


def test_no_factorization_where_the_pseudoinverse_is_at_hand(monkeypatch):
    for name in ("svd", "qr", "inv", "cholesky", "eigh"):
        monkeypatch.setattr(np.linalg, name, None)
    case = named("tall, deficient")
    assert pinvx.pinv_vjp(case.a, case.x, x=case.x).shape == case.a.shape
    assert pinvx.pinv_jvp(case.a, case.a, x=case.x).shape == case.x.shape


def test_hermitian(lib, dtype):
    for case in cases(lib, dtype):
        b, _ = case.factors
        h = b @ b.conj().T
        a = lib.array(h, dtype)
        db = random(b.shape, case, 1)
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
        g, any_da = random(h.shape, case, 2), random(h.shape, case, 3)
        a_bar = lib.numpy(pinvx.pinv_vjp(a, lib.array(g, dtype), hermitian=True))
        dx = lib.numpy(pinvx.pinv_jvp(a, lib.array(any_da, dtype), hermitian=True))
        scale = size**2 * norm(g) * norm(any_da)
        assert abs(inner(a_bar, any_da) - inner(g, dx)) <= 2 * tolerance * scale, case


def test_repeated_and_zero_singular_values(lib, dtype):
    """The derivatives of `svd` divide by σᵢ² − σⱼ², these do not."""
    g = np.arange(9.0).reshape(3, 3)
    eye = lib.array(np.eye(3), dtype)
    tolerance = FIRST * unit((3, 3), dtype, 1.0)
    assert_close(lib.numpy(pinvx.pinv_vjp(eye, lib.array(g, dtype))), -g, tolerance)
    assert_close(lib.numpy(pinvx.pinv_jvp(eye, lib.array(g, dtype))), -g, tolerance)
    zero = lib.array(np.zeros((3, 2)), dtype)
    assert not lib.numpy(pinvx.pinv_vjp(zero, lib.array(np.ones((2, 3)), dtype))).any()
    assert not lib.numpy(pinvx.pinv_jvp(zero, lib.array(np.ones((3, 2)), dtype))).any()
    isometry = np.eye(4, 2)
    a_bar = lib.numpy(pinvx.pinv_vjp(lib.array(isometry, dtype), lib.array(np.ones((2, 4)), dtype)))
    # Ā = −Xᴴ G Xᴴ + (I − A X) Gᴴ X Xᴴ, by hand.
    assert_close(a_bar, [[-1, -1], [-1, -1], [1, 1], [1, 1]], tolerance)


def test_batches(lib, dtype):
    case = named("tall, deficient")
    a = np.stack([case.a, 2 * case.a, -case.a])
    g, da = random((3, case.n, case.m), case, 1), random((3, case.m, case.n), case, 2)
    a_, g_, da_ = (lib.array(v, dtype) for v in (a, g, da))
    together = pinvx.pinv_vjp(a_, g_), pinvx.pinv_jvp(a_, da_)
    for i in range(3):
        alone = pinvx.pinv_vjp(a_[i, ...], g_[i, ...]), pinvx.pinv_jvp(a_[i, ...], da_[i, ...])
        for x, y in zip(together, alone, strict=True):
            scale = np.linalg.norm(case.x, 2) ** 2 * max(norm(g), norm(da))
            assert_close(lib.numpy(x)[i], lib.numpy(y), bound(case, dtype), scale=scale)


# Shapes of A and b whose batch dimensions broadcast.
BROADCAST = (
    ((2, 5, 3), (5,)),
    ((5, 3), (4, 5, 2)),
    ((2, 1, 5, 3), (4, 5, 1)),
    ((1, 5, 3), (4, 5, 2)),
    ((5, 3), (5,)),
)


def test_cotangents_of_what_was_broadcast_are_added_up(lib):
    case = Case("", 5, 3, 3)
    rng = np.random.default_rng(0)
    for a_shape, b_shape in lib.some(BROADCAST):
        a = case.a + rng.integers(0, 2, a_shape)
        b = rng.integers(-3, 4, b_shape).astype(float)
        da, db = rng.integers(-3, 4, a_shape), rng.integers(-3, 4, b_shape)
        a, b, da, db = (lib.array(v, lib.float) for v in (a, b, da, db))
        fit = pinvx.lstsq(a, b)
        g = lib.array(rng.integers(-3, 4, fit.x.shape), lib.float)
        rho = lib.array(rng.integers(-3, 4, fit.residuals.shape), lib.float)
        a_bar, b_bar = pinvx.lstsq_vjp(a, b, g, rho)
        dx, dresiduals = pinvx.lstsq_jvp(a, b, da, db)
        assert tuple(a_bar.shape) == a_shape
        assert tuple(b_bar.shape) == b_shape
        left = [(a_bar, da), (b_bar, db)]
        right = [(g, dx), (rho, dresiduals)]
        terms = [[inner(lib.numpy(x), lib.numpy(y)) for x, y in p] for p in (left, right)]
        scale = sum(norm(lib.numpy(x)) * norm(lib.numpy(y)) for x, y in left + right)
        kappa = max(np.linalg.cond(lib.numpy(a)).ravel())
        allowed = 2 * FIRST * unit((5, 3), lib.float, kappa) * scale
        assert abs(sum(terms[0]) - sum(terms[1])) <= allowed, (a_shape, b_shape)


def test_half_types(lib, half):
    case = named("tall, deficient")
    da, _, expected, _, _ = exact_direction(case)
    a, b = lib.array(case.a, half), lib.array(case.b(), half)
    # The direction is rounded to the half type before anything is computed.
    allowed = bound(case, "float32") + 4 * stored_eps(half)
    scale = np.linalg.norm(case.x, 2) ** 2 * norm(da)
    dx = pinvx.pinv_jvp(a, lib.array(da, half))
    assert dx.dtype == a.dtype
    assert_close(lib.numpy(dx), expected, allowed, scale=scale)
    outputs = pinvx.lstsq_jvp(a, b, a, b) + pinvx.lstsq_vjp(a, b, pinvx.lstsq(a, b).x)
    assert {x.dtype for x in (*outputs, pinvx.pinv_vjp(a, dx))} == {a.dtype}


def test_a_cutoff_goes_along(lib, dtype):
    """A truncated singular value is not part of A: neither in X nor in its derivative."""
    a, da = np.diag([4.0, 2.0, 0.5]), np.diag([1.0, 1.0, 0.0])
    for options in ({"rtol": 0.2}, {"rcond": 0.2}, {"atol": 1.0}):
        dx = pinvx.pinv_jvp(lib.array(a, dtype), lib.array(da, dtype), **options)
        expected = np.diag([-1 / 16, -1 / 4, 0.0])
        assert_close(lib.numpy(dx), expected, FIRST * unit((3, 3), dtype, 2.0), what=str(options))
        a_bar = pinvx.pinv_vjp(lib.array(a, dtype), lib.array(np.eye(3), dtype), **options)
        assert_close(lib.numpy(a_bar), expected, FIRST * unit((3, 3), dtype, 2.0))
        b, zero = lib.array([4.0, 2.0, 1.0], dtype), lib.array(np.zeros(3), dtype)
        dx, _ = pinvx.lstsq_jvp(lib.array(a, dtype), b, lib.array(da, dtype), zero, **options)
        assert_close(lib.numpy(dx), [-1 / 4, -1 / 2, 0.0], FIRST * unit((3, 3), dtype, 2.0))


def test_arguments_keep_their_values(lib, dtype):
    case = named("wide")
    arrays = [case.a, random((3, 7), case, 1), random((7, 3), case, 2), case.b(), case.b() + 1]
    shipped = [lib.array(v, dtype) for v in arrays]
    a, da, g, b, db = shipped
    pinvx.pinv_jvp(a, da)
    pinvx.pinv_vjp(a, g, x=g)
    pinvx.lstsq_jvp(a, b, da, db)
    pinvx.lstsq_vjp(a, b, g[:, :2])
    for value, before in zip(shipped, arrays, strict=True):
        np.testing.assert_array_equal(lib.numpy(value), before)
