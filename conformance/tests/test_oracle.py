"""The oracle: exact where it says exact, and right where it has to truncate."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from pinvx_conformance import _calculus, _exact, _penrose, matrices
from pinvx_conformance._moves import moves
from pinvx_conformance._oracle import truth, truth_of
from pinvx_conformance._solution import solution, solution_of

MATRICES = [
    matrices.integers(5, 3),
    matrices.integers(3, 5),
    matrices.low_rank(5, 4, 2),
    matrices.low_rank(4, 4, 1, field="complex"),
    matrices.integers(4, 3, field="complex"),
    matrices.spectrum(5, 4, kappa=1e6),
    matrices.graded(5, 3, decades=20),
    matrices.zeros(3, 2),
]


def dtype_of(recipe):
    return "complex128" if recipe.is_complex else "float64"


@pytest.mark.parametrize("recipe", MATRICES, ids=lambda r: r.label)
def test_the_rational_pseudoinverse_satisfies_penrose_without_a_residual(recipe):
    a = _exact.rational(recipe.array(dtype_of(recipe)))
    x, _ = _exact.pinv(a)
    ax, xa = a * x, x * a
    assert ax * a == a
    assert xa * x == x
    assert ax.transpose() == ax
    assert xa.transpose() == xa


@pytest.mark.parametrize("recipe", MATRICES, ids=lambda r: r.label)
def test_the_truth_agrees_with_numpy(recipe):
    known = truth(recipe, dtype_of(recipe))
    assert known.error(np.linalg.pinv(known.a, rcond=1e-14)) < 1e-8
    assert known.rank == np.linalg.matrix_rank(known.a, rtol=1e-14)


def test_half_of_the_truth_lies_beyond_float64():
    known = truth(matrices.integers(3, 3, seed=4), "float64")
    assert np.any(known.x.lo)
    assert known.error(known.x.value) < 2e-16
    assert known.error(known.x.value * (1 + 1e-15)) > 5e-16


def test_a_nan_is_an_infinite_error():
    known = truth(matrices.integers(2, 2), "float64")
    assert known.error(np.full((2, 2), np.nan)) == np.inf
    assert _penrose.residuals(known.a, np.full((2, 2), np.nan)) == (np.inf,) * 4


def test_the_cutoff_truncates():
    recipe = matrices.of_values(6, 4, (1.0, 0.5, 0.25, 1e-3))
    known = truth(recipe, "float64", 1e-2)
    assert known.rank == 3
    assert known.tail == pytest.approx(1e-3 / np.sqrt(1.3125), rel=1e-5)
    assert known.error(np.linalg.pinv(known.a, rcond=1e-2)) < 1e-14
    assert truth(recipe, "float64", 1e-4).rank == 4
    assert truth(recipe, "float64", atol=0.3).rank == 2


def test_truncation_of_complex_matrices():
    recipe = matrices.of_values(5, 4, (1.0, 0.5, 0.25, 1e-3), field="complex")
    known = truth(recipe, "complex128", 1e-2)
    assert known.rank == 3
    assert known.error(np.linalg.pinv(known.a, rcond=1e-2)) < 1e-14


def test_a_value_at_the_cutoff_is_ambiguous_and_does_not_count():
    known = truth(matrices.diagonal((1.0, 0.5, 0.25)), "float64", 0.25)
    assert known.rank == 2
    assert known.ambiguous


@pytest.mark.parametrize("exponent", [-1000, -40, 900])
def test_scale_changes_the_exponent_and_nothing_else(exponent):
    base = matrices.low_rank(5, 4, 2)
    one, other = truth(base, "float64"), truth(matrices.scaled(base, exponent), "float64")
    assert np.array_equal(one.x.hi, other.x.hi)
    assert other.x.exponent == one.x.exponent - exponent
    assert (other.rank, other.kappa) == (one.rank, one.kappa)


def test_tiles_are_judged_like_the_stack_that_they_are():
    tiled = matrices.tiled(matrices.integers(4, 3, seed=3), 8)
    direct = truth_of(tiled.array("float64"), 2.0**-52)
    known = truth(tiled, "float64")
    assert known.error(direct.x.value) < 1e-15
    assert (known.rank, known.kappa) == (direct.rank, pytest.approx(direct.kappa))


@pytest.mark.parametrize("recipe", MATRICES, ids=lambda r: r.label)
def test_least_squares_is_minimal_and_of_minimum_norm(recipe):
    field = "complex" if recipe.is_complex else "real"
    rhs = matrices.integers(recipe.shape[0], 2, field=field, seed=9)
    known = truth(recipe, dtype_of(recipe))
    exact = solution(recipe, dtype_of(recipe), rhs)
    expected = known.x.value @ rhs.array(dtype_of(recipe))
    assert exact.error(expected) < 1e-12
    r = rhs.array(dtype_of(recipe)) - known.a @ exact.value
    squares = np.sum(np.abs(r) ** 2, axis=0)
    assert exact.residuals == pytest.approx(squares, abs=1e-6)


@pytest.mark.parametrize("exponents", [(0, 0), (-1000, -1000), (900, 1000), (-60, 940)])
def test_the_solution_scales_where_the_pseudoinverse_cannot_be_represented(exponents):
    base, rhs = matrices.low_rank(5, 4, 2), matrices.integers(5, 2, seed=9)
    one = solution(base, "float64", rhs)
    k, j = exponents
    other = solution(matrices.scaled(base, k), "float64", matrices.scaled(rhs, j))
    assert other.error(np.ldexp(one.value, j - k)) == one.error(one.value) < 1e-16
    assert np.array_equal(other.squares, one.squares)


def test_columns_of_a_right_hand_side_are_judged_each_at_its_scale():
    a, rhs = matrices.integers(5, 3), matrices.integers(5, 2, seed=9)
    uneven = matrices.weighted(rhs, (0,), (0, -400))
    exact = solution(a, "float64", uneven)
    x = exact.value
    assert exact.error(x) < 1e-16
    x[:, 1] *= 1 + 1e-6
    assert exact.errors(x)[0] < 1e-16
    assert exact.errors(x)[1] > 1e-9
    right = exact.residuals
    assert np.all(exact.residual_units(right * (1 + 1e-14), 1e-15) < 1)
    assert exact.residual_units(2 * right, 1e-15)[0] > 1e9
    assert np.all(exact.residual_units([np.nan, np.nan], 1e-15) == np.inf)


def test_residuals_are_not_judged_where_they_cannot_be_represented():
    tiny = matrices.scaled(matrices.integers(5, 2, seed=9), -600)
    exact = solution(matrices.integers(5, 3), "float64", tiny)
    units = exact.residual_units(np.zeros(2), 1e-15)
    assert np.all(units == 0)
    assert np.all(exact.residual_units(np.full(2, np.nan), 1e-15) == np.inf)


@pytest.mark.parametrize(("field", "rank"), [("real", 3), ("complex", 2)])
def test_hadamard_products_are_judged_like_the_matrix_that_they_are(field, rank):
    dtype = "complex128" if field == "complex" else "float64"
    base = matrices.low_rank(5, 3, rank, field=field)
    rhs = matrices.integers(5, 2, field=field, seed=9)
    large, columns = matrices.hadamard(base, 4), matrices.multiples(rhs, 4)
    direct = truth_of(large.array(dtype), 2.0**-52)
    known = truth(large, dtype)
    assert known.error(direct.x.value) < 1e-15
    assert (known.rank, known.kappa) == (direct.rank, pytest.approx(direct.kappa))
    expected = solution_of(direct, columns.array(dtype))
    exact = solution(large, dtype, columns)
    assert exact.error(expected.value) < 1e-15
    for name in ("squares", "scales", "moves"):
        scaled = np.ldexp(getattr(exact, name), exact.b_exponents)
        other = np.ldexp(getattr(expected, name), expected.b_exponents)
        assert scaled == pytest.approx(other) or name != "moves"
    assert exact.residuals == pytest.approx(expected.residuals)
    assert exact.scale == pytest.approx(expected.scale)


@pytest.mark.parametrize("rank", [2, 3])
def test_derivatives_of_hadamard_products_are_the_formulas(rank):
    base, rhs = matrices.low_rank(5, 3, rank), matrices.integers(5, 2, seed=9)
    large, columns = matrices.hadamard(base, 4), matrices.multiples(rhs, 4)
    found = moves(large, "float64", columns)
    a, x, _ = _exact.pinv_of(large.array("float64"))
    system = _calculus.system_of(a, x, _exact.rational(columns.array("float64")))
    da, cotangent, g, db = (_exact.rational(found.given[k]) for k in ("da", "G", "g", "db"))
    weights = _exact.rational(np.diag(found.given["weights"]))
    nothing = [_exact.rational(0 * found.given["g"]), _exact.rational(np.zeros((2, 2)))]
    dx, half = _calculus.lstsq_jvp(system, da, db)
    by_x = _calculus.lstsq_vjp(system, g, nothing[1])
    by_r = _calculus.lstsq_vjp(system, nothing[0], weights)
    exact = {
        "dX": _calculus.pinv_jvp(a, x, da), "A by X": _calculus.pinv_vjp(a, x, cotangent),
        "dx": dx, "A by x": by_x[0], "b by x": by_x[1],
        "A by residuals": by_r[0], "b by residuals": by_r[1],
    }  # fmt: skip
    for name, value in exact.items():
        value = _exact.split(value, embedded=False).value
        assert found.values[name] == pytest.approx(value, abs=1e-9), name
        assert found.sizes[name] >= np.linalg.norm(value)
    squares = 2 * np.diag(_exact.split(half, embedded=False).value)
    assert found.values["dresiduals"] == pytest.approx(squares)


H = fmpq(1, 2**30)


def moved(a, left, right, t):
    """(I + tF)·A·(I + tE): a curve of constant rank."""
    m, n = a.nrows(), a.ncols()
    one = [fmpq_mat(k, k, [fmpq(int(i == j)) for i in range(k) for j in range(k)]) for k in (m, n)]
    return (one[0] + left * t) * a * (one[1] + right * t)


@pytest.mark.parametrize("recipe", MATRICES[:5], ids=lambda r: r.label)
def test_the_closed_forms_are_the_derivatives(recipe):
    """Central differences of the exact pseudoinverse, with h so small that h² does not matter."""
    field = "complex" if recipe.is_complex else "real"
    dtype = dtype_of(recipe)
    m, n = recipe.shape
    f, e, g = (
        _exact.rational(matrices.integers(*shape, field=field, seed=k).array(dtype))
        for k, shape in enumerate(((m, m), (n, n), (n, m)))
    )
    a = _exact.rational(recipe.array(dtype))
    da = f * a + a * e
    x, _ = _exact.pinv(a)
    ends = [moved(a, f, e, t) for t in (H, -H)]
    inverses = [_exact.pinv(b)[0] for b in ends]
    half = 1 / (2 * H)
    difference = (inverses[0] - inverses[1]) * half
    assert distance(difference, _calculus.pinv_jvp(a, x, da)) < 1e-12
    bars = [_calculus.pinv_vjp(b, y, g) for b, y in zip(ends, inverses, strict=True)]
    second = (bars[0] - bars[1]) * half
    assert distance(second, _calculus.pinv_vjp_jvp(a, x, g, da)) < 1e-10
    # ⟨Ā, dA⟩ = ⟨G, dX⟩, exactly.
    assert inner(_calculus.pinv_vjp(a, x, g), da) == inner(g, _calculus.pinv_jvp(a, x, da))


def distance(a, b):
    size = max((abs(float(Fraction(int(q.p), int(q.q)))) for q in b.entries()), default=0.0)
    worst = max((abs(float(Fraction(int(q.p), int(q.q)))) for q in (a - b).entries()), default=0.0)
    return worst / (size or 1.0)


def inner(a, b):
    return sum((p * q for p, q in zip(a.entries(), b.entries(), strict=True)), fmpq(0))


def test_least_squares_derivatives_are_adjoint():
    recipe, rhs = matrices.low_rank(5, 4, 2), matrices.integers(5, 2, seed=9)
    system = _calculus.system(recipe, "float64", rhs)
    da, db, g = (
        _exact.rational(matrices.integers(*shape, seed=k).array("float64"))
        for k, shape in enumerate(((5, 4), (5, 2), (4, 2)))
    )
    weights = fmpq_mat(2, 2, [3, 0, 0, -1])
    bar_a, bar_b = _calculus.lstsq_vjp(system, g, weights)
    dx, half = _calculus.lstsq_jvp(system, da, db)
    residuals = 2 * (3 * half[0, 0] - half[1, 1])
    assert inner(bar_a, da) + inner(bar_b, db) == inner(g, dx) + residuals
