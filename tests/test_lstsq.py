"""P9 and P10: least squares of the smallest norm at every rank, and the shapes of its result."""

from __future__ import annotations

import exact
import numpy as np
import pytest
from bounds import VALUE, assert_close, norm, unit
from matrix_cases import CASES, fitting, named

import pinvx

METHODS = ("auto", "svd")


def exact_solution(case, b):
    """x = A⁺b and ‖b − A x‖² in rational arithmetic, rounded once."""
    factors = [exact.rational(f) for f in case.factors]
    rhs = exact.rational(b)
    x = exact.pinv(*factors) * rhs
    a = factors[0] * factors[1]
    r = exact.rounded(rhs - a * x if case.rank else rhs)
    return exact.rounded(x), np.sum(np.abs(r) ** 2, axis=0)


def solution_bound(case, x, b, dtype):
    """Wedin: ‖δx‖ ≤ ‖E‖(2‖A⁺‖‖x‖ + ‖A⁺‖²‖r‖) + ‖A⁺‖‖δb‖, with ‖E‖, ‖δb‖ of p·eps each."""
    x_norm = np.linalg.norm(case.x, 2)
    residual = norm(b - case.a @ x)
    scale = case.kappa * (2 * norm(x) + x_norm * residual) + x_norm * norm(b)
    return VALUE * unit(case.a.shape, dtype, 1.0) * scale


@pytest.mark.parametrize("method", METHODS)
def test_solution_rank_and_residuals(lib, dtype, method):
    for case in lib.some(fitting(dtype)):
        b = case.b()
        x, residuals = exact_solution(case, b)
        fit = pinvx.lstsq(lib.array(case.a, dtype), lib.array(b, dtype), method=method)
        dx = solution_bound(case, x, b, dtype)
        what = f"{case} in {dtype}, {method}"
        assert_close(lib.numpy(fit.x), x, dx, scale=1.0, what=what)
        assert int(fit.rank) == case.rank, what
        # r is orthogonal to the range of A: a wrong x enters ‖r‖² as ‖A δx‖², twice that for the
        # rounding of r itself.
        dr = np.linalg.norm(case.a, 2) * dx + unit(case.a.shape, dtype, 1.0) * norm(b)
        allowed = dr * (2 * norm(np.sqrt(residuals)) + dr)
        assert_close(lib.numpy(fit.residuals), residuals, allowed, scale=1.0, what=what)
        assert fit.s is None


def test_the_smallest_norm(lib, dtype):
    """Of all solutions the one without a part in the null space, which is known exactly."""
    for case in lib.some([c for c in fitting(dtype) if c.rank < c.n]):
        b = case.b()
        x = lib.numpy(pinvx.lstsq(lib.array(case.a, dtype), lib.array(b, dtype)).x)
        c = case.factors[1]
        in_rows = np.linalg.lstsq(c, c @ x, rcond=None)[0] if case.rank else 0 * x
        allowed = solution_bound(case, x, b, dtype)
        assert_close(x, in_rows, allowed, scale=1.0, what=str(case))


def test_it_is_what_pinv_gives(lib, dtype):
    for case in lib.some(fitting(dtype)):
        a, b = lib.array(case.a, dtype), lib.array(case.b(), dtype)
        x, y = lib.numpy(pinvx.lstsq(a, b).x), lib.numpy(pinvx.pinv(a) @ b)
        assert_close(x, y, 2 * solution_bound(case, y, case.b(), dtype), scale=1.0)


# Shapes: A, b, and the x, residuals and rank that they give, whatever the values.
SHAPES = (
    ((5, 3), (5,), (3,), (), ()),
    ((5, 3), (5, 1), (3, 1), (1,), ()),
    ((3, 5), (3, 2), (5, 2), (2,), ()),
    ((5, 3), (5, 0), (3, 0), (0,), ()),
    ((2, 5, 3), (5,), (2, 3), (2,), (2,)),
    ((2, 5, 3), (2, 5, 4), (2, 3, 4), (2, 4), (2,)),
    ((2, 5, 3), (5, 4), (2, 3, 4), (2, 4), (2,)),
    ((5, 3), (2, 5, 4), (2, 3, 4), (2, 4), ()),
    ((1, 5, 3), (2, 5, 4), (2, 3, 4), (2, 4), (1,)),
    ((2, 1, 5, 3), (4, 5, 1), (2, 4, 3, 1), (2, 4, 1), (2, 1)),
    ((4, 5, 3), (2, 1, 5, 1), (2, 4, 3, 1), (2, 4, 1), (4,)),
    ((0, 5, 3), (5,), (0, 3), (0,), (0,)),
    ((0, 5, 3), (1, 5, 2), (0, 3, 2), (0, 2), (0,)),
)


@pytest.mark.parametrize("values", ["ones", "zeros", "random"])
def test_shapes_depend_on_shapes_alone(lib, values):
    rng = np.random.default_rng(0)
    for a_shape, b_shape, x_shape, residuals_shape, rank_shape in lib.some(SHAPES):
        a = rng.integers(-9, 10, a_shape) if values == "random" else getattr(np, values)(a_shape)
        fit = pinvx.lstsq(
            lib.array(np.asarray(a, dtype=float)), lib.array(np.ones(b_shape)), singular_values=True
        )
        assert isinstance(fit, pinvx.LstsqResult)
        assert tuple(fit.x.shape) == x_shape
        assert tuple(fit.residuals.shape) == residuals_shape
        assert tuple(fit.rank.shape) == rank_shape
        assert tuple(fit.s.shape) == (*rank_shape, min(a_shape[-2:]))


def test_batches_broadcast(lib, dtype):
    """Every pair of the broadcast shape is the call on that pair."""
    rng = np.random.default_rng(1)
    a = rng.integers(-3, 4, (2, 1, 5, 3)) + 8.0 * np.eye(5, 3)
    b = rng.integers(-3, 4, (4, 5, 2)).astype(float)
    fit = pinvx.lstsq(lib.array(a, dtype), lib.array(b, dtype))
    kappa = max(np.linalg.cond(a).ravel())
    for i in range(2):
        for j in range(4):
            x = np.linalg.lstsq(a[i, 0], b[j], rcond=None)[0]
            tolerance = 2 * VALUE * unit((5, 3), dtype, kappa**2)
            assert_close(lib.numpy(fit.x)[i, j], x, tolerance)
            r = np.sum((b[j] - a[i, 0] @ x) ** 2, axis=0)
            assert_close(lib.numpy(fit.residuals)[i, j], r, tolerance, scale=norm(b[j]) ** 2)


def test_a_vector_is_a_column(lib, dtype):
    case = named("tall, deficient")
    a, b = lib.array(case.a, dtype), case.b(1)
    vector = pinvx.lstsq(a, lib.array(b[:, 0], dtype))
    column = pinvx.lstsq(a, lib.array(b, dtype))
    bound = solution_bound(case, case.x @ b, b, dtype)
    assert_close(lib.numpy(vector.x), lib.numpy(column.x)[:, 0], bound, scale=1.0)
    assert vector.residuals.ndim == 0


def test_a_vector_goes_with_every_matrix_of_a_batch(lib):
    case = named("tall, deficient")
    a, b = np.stack([case.a, 2 * case.a]), case.b(1)[:, 0]
    fit = pinvx.lstsq(lib.array(a), lib.array(b))
    x = case.x @ b
    bound = solution_bound(case, x[:, None], b[:, None], lib.float)
    assert_close(lib.numpy(fit.x), [x, x / 2], bound, scale=1.0)


@pytest.mark.parametrize("method", METHODS)
def test_singular_values(lib, dtype, method):
    for case in lib.some(fitting(dtype)):
        a, b = lib.array(case.a, dtype), lib.array(case.b(), dtype)
        s = lib.numpy(pinvx.lstsq(a, b, singular_values=True, method=method).s)
        expected = np.linalg.svd(case.a, compute_uv=False)
        # Weyl: a singular value moves by no more than the matrix.
        allowed = VALUE * unit(case.a.shape, dtype, 1.0)
        assert_close(s, expected, allowed, what=f"{case} in {dtype}")
        assert (np.diff(s) <= 0).all()
        assert (s >= 0).all()


def test_a_right_hand_side_that_a_reaches_leaves_nothing(lib, dtype):
    case = named("tall, deficient")
    b = case.a @ np.arange(1.0, case.n + 1)
    fit = pinvx.lstsq(lib.array(case.a, dtype), lib.array(b, dtype))
    r = VALUE * unit(case.a.shape, dtype, case.kappa) * norm(b)
    assert 0.0 <= float(fit.residuals) <= r**2


def test_the_zero_matrix_leaves_everything(lib, dtype):
    b = np.asarray([3.0, 4.0])
    fit = pinvx.lstsq(lib.array(np.zeros((2, 3)), dtype), lib.array(b, dtype))
    assert not lib.numpy(fit.x).any()
    assert_close(lib.numpy(fit.residuals), 25.0, VALUE * unit((2, 3), dtype, 1.0))
    assert int(fit.rank) == 0


def test_the_fields_have_names_and_an_order(lib):
    fit = pinvx.lstsq(lib.array(np.eye(2)), lib.array([1.0, 2.0]))
    assert fit._fields == ("x", "residuals", "rank", "s")
    x, residuals, rank, s = fit
    assert x is fit.x
    assert residuals is fit.residuals
    assert rank is fit.rank
    assert s is None


def test_every_case_has_its_exact_answer():
    """The oracle against its definition: the four Penrose conditions in float64."""
    for case in CASES:
        a, x = case.a, case.x
        allowed = VALUE * unit(a.shape, "float64", case.kappa)
        assert_close(a @ x @ a, a, allowed, scale=max(norm(a), 1.0), what=str(case))
        assert_close(x @ a @ x, x, allowed, scale=max(norm(x), 1.0), what=str(case))
        assert_close(a @ x, (a @ x).conj().T, allowed, scale=max(case.rank, 1), what=str(case))
        assert_close(x @ a, (x @ a).conj().T, allowed, scale=max(case.rank, 1), what=str(case))
