"""`penrose_residuals`: the four conditions, each over its own scale."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import VALUE, assert_close, norm, unit
from matrix_cases import CASES, fitting, named

import pinvx


def test_of_the_pseudoinverse(lib, dtype):
    """Nearly zero, and what the definition says in float64."""
    for case in lib.some(fitting(dtype)):
        a = lib.array(case.a, dtype)
        x = pinvx.pinv(a)
        xn = lib.numpy(x).astype("complex128" if dtype.startswith("complex") else "float64")
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        p, q = case.a @ xn, xn @ case.a
        one = lambda value: max(value, 1e-300)  # noqa: E731 — zero over zero is zero
        definition = (
            norm(p @ case.a - case.a) / one(norm(case.a)),
            norm(q @ xn - xn) / one(norm(xn)),
            norm(p - p.conj().T) / max(1.0, norm(p)),
            norm(q - q.conj().T) / max(1.0, norm(q)),
        )
        for residual, value in zip(pinvx.penrose_residuals(a, x), definition, strict=True):
            assert 0.0 <= float(residual) <= tolerance, case
            assert abs(float(residual) - value) <= tolerance, case


WRONG = {
    "A": lambda case: case.a.conj().T / norm(case.a) ** 2,
    "twice A⁺": lambda case: 2 * case.x,
    "A⁺ with one entry off": lambda case: case.x + np.eye(case.n, case.m) / 7,
    "zero": lambda case: 0 * case.x,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("case", [c for c in CASES if c.rank > 1], ids=str)
def test_of_something_else(case, name):
    """Each residual equals its definition where it is not small, tall and wide, batched too."""
    a, x = case.a, WRONG[name](case)
    p, q = a @ x, x @ a
    expected = (
        norm(p @ a - a) / norm(a),
        norm(q @ x - x) / max(norm(x), 1e-300),
        norm(p - p.conj().T) / max(1.0, norm(p)),
        norm(q - q.conj().T) / max(1.0, norm(q)),
    )
    got = pinvx.penrose_residuals(np.stack([a, a]), np.stack([x, x]))
    for value, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(value, [e, e], rtol=1e-9, atol=1e-9)
    assert max(expected) > 1e-3


def test_they_have_no_scale(lib, dtype):
    case = named("tall, deficient")
    wrong = case.a.T / 1024
    expected = [float(r) for r in pinvx.penrose_residuals(case.a, wrong)]
    info = np.finfo(dtype)
    for k in (info.minexp // 4 * 3, info.minexp // 2, info.maxexp // 2, info.maxexp // 4 * 3):
        x, y = (
            np.asarray(v, dtype) * info.dtype.type(2.0**e) for v, e in ((case.a, k), (wrong, -k))
        )
        got = pinvx.penrose_residuals(lib.array(x, dtype), lib.array(y, dtype))
        allowed = VALUE * unit(case.a.shape, dtype, 1.0)
        for a, b in zip(got, expected, strict=True):
            assert_close(float(a), b, allowed, scale=max(b, 1.0), what=f"2^{k}")


def test_of_a_matrix_that_is_not_finite(lib, dtype):
    case = named("tall, deficient")
    a = np.stack([case.a] * 3)
    a[0, 1, 1], a[1, 2, 0] = np.nan, np.inf
    a = lib.array(a, dtype)
    for residual in map(lib.numpy, pinvx.penrose_residuals(a, pinvx.pinv(a))):
        assert np.isnan(residual[:-1]).all()
        assert residual[-1] <= VALUE * unit(case.a.shape, dtype, case.kappa)
