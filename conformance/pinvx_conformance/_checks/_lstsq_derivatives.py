"""P13 for least squares: x and the residuals, in both modes and by the closed forms."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pinvx_conformance import _bounds, _calculus, _exact, _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, Measurement, check, worst
from pinvx_conformance._checks._derivatives import (
    FIRST,
    SECOND,
    direction,
    distance,
    rank_keeping,
)
from pinvx_conformance._checks._lstsq import rhs_of
from pinvx_conformance._oracle import truth
from pinvx_conformance._solution import solution
from pinvx_conformance._targets import Target

WEIGHTS = np.asarray([2.0, -1.0, 3.0])


def _cases(target: Target, level: str) -> Iterator[Case]:
    for dtype in _gallery.dtypes(target, level):
        field = "complex" if dtype.startswith("complex") else "real"
        shapes = FIRST[level].get(dtype, ())
        for shape in shapes:
            yield Case(m.spectrum(*shape, kappa=10.0, field=field, seed=4), dtype)
            yield Case(m.low_rank(*shape, 3, field=field), dtype)
        for shape in shapes[:1]:
            yield Case(m.diagonal((2.0, 2.0, 0.0, 0.0, 1.0), *shape), dtype)
            yield Case(m.diagonal((1.0,) * 5, *shape), dtype)
            yield Case(m.zeros(*shape), dtype)


class Problem:
    """The arrays of one case, as NumPy has them and as the target has them."""

    def __init__(self, target: Target, case: Case) -> None:
        self.case, self.target, self.rhs = case, target, rhs_of(case)
        rows, columns = case.recipe.shape
        recipes = {
            "a": case.recipe,
            "b": self.rhs,
            "g": direction(case, (columns, 3), seed=36),
            "da": direction(case),
            "db": direction(case, (rows, 3), seed=37),
        }
        self.host = {k: r.array(case.dtype) for k, r in recipes.items()}
        self.arrays = {k: target.library.asarray(v, case.dtype) for k, v in self.host.items()}
        real = case.dtype.replace("complex64", "float32").replace("complex128", "float64")
        self.weights = target.library.asarray(WEIGHTS.astype(real))

    def exact(self, name: str) -> Any:
        """A host array as rationals."""
        return _exact.rational(self.host[name])

    def vjp(self, *, residuals: bool) -> tuple[_exact.Split, _exact.Split]:
        """Ā and b̄ of x alone, or with the residuals weighted by WEIGHTS."""
        embedded = self.host["a"].dtype.kind == "c"
        weights = np.diag(WEIGHTS * residuals).astype(self.host["a"].dtype)
        system = _calculus.system(self.case.recipe, self.case.dtype, self.rhs)
        pair = _calculus.lstsq_vjp(system, self.exact("g"), _exact.rational(weights))
        first, second = (_exact.split(v, embedded=embedded) for v in pair)
        return first, second

    def jvp(self) -> tuple[_exact.Split, Any]:
        """Dx and d‖r‖²."""
        embedded = self.host["a"].dtype.kind == "c"
        system = _calculus.system(self.case.recipe, self.case.dtype, self.rhs)
        dx, half = _calculus.lstsq_jvp(system, self.exact("da"), self.exact("db"))
        residual = _exact.split(half, embedded=embedded).value
        return _exact.split(dx, embedded=embedded), 2 * np.real(np.diag(residual))

    def measure(self, found: Any, exact: Any, size: float, what: str) -> Measurement:
        """Compare in units of c·p·eps·κ·size."""
        known = truth(self.case.recipe, self.case.dtype)
        unit = _bounds.unit(known.a.shape, self.case.dtype, known.kappa)
        value = distance(self.target.library.to_numpy(found), exact)
        bound = _bounds.FIRST_ORDER * unit * size
        return Measurement(value, bound, known.kappa, known.rank, what)

    def sizes(self) -> dict[str, float]:
        """The natural scale of each derivative (`_bounds`)."""
        norm = np.linalg.norm
        known = truth(self.case.recipe, self.case.dtype)
        exact = solution(self.case.recipe, self.case.dtype, self.rhs)
        pinv = float(norm(known.x.value, 2)) or 1.0
        x, r = float(norm(exact.value)), float(np.sqrt(np.sum(exact.residuals)))
        a = float(norm(self.host["a"], 2))
        g, da, db = (float(norm(self.host[k])) for k in ("g", "da", "db"))
        b = a * x + r
        core = (pinv * x + pinv**2 * r) or pinv * b
        return {
            "x by a": core * g,
            "x by b": pinv * g,
            "residuals by a": 2 * float(np.max(np.abs(WEIGHTS))) * b * (x + pinv * r),
            "residuals by b": 2 * float(np.max(np.abs(WEIGHTS))) * b,
            "dx": core * da + pinv * db,
            "dresiduals": 2 * b * (db + da * (x + pinv * b)),
        }

    def second_sizes(self) -> dict[str, float]:
        """The natural scale of the second derivatives: one more ‖A⁺‖ for each change of A."""
        norm = np.linalg.norm
        known = truth(self.case.recipe, self.case.dtype)
        pinv = float(norm(known.x.value, 2)) or 1.0
        g, da, b, db = (float(norm(self.host[k])) for k in ("g", "da", "b", "db"))
        return {"a": pinv**2 * g * (pinv * b * da + db), "b": pinv**2 * g * da}


def _judge_vjp(problem: Problem, found: Any, *, residuals: bool) -> Measurement:
    sizes = problem.sizes()
    rows = []
    for value, exact, name in zip(found, problem.vjp(residuals=residuals), "ab", strict=True):
        size = sizes[f"x by {name}"] + sizes[f"residuals by {name}"] * residuals
        rows.append(problem.measure(value, exact, size, f"the cotangent of {name}"))
    return worst(rows)


@check("P13", needs=("lstsq", "vjp"), cases=_cases)
def lstsq_reverse_mode(target: Target, case: Case) -> Measurement:
    """Ā and b̄ of x by the library's reverse mode."""
    problem, lstsq, vjp = Problem(target, case), target.lstsq, target.library.vjp
    assert lstsq is not None  # the check needs it
    assert vjp is not None  # the check needs it
    a, b, g = (problem.arrays[k] for k in "abg")
    return _judge_vjp(problem, vjp(lambda a, b: lstsq(a, b).x, (a, b), g), residuals=False)


@check("P13", needs=("lstsq", "vjp", "residuals", "residuals cotangent"), cases=_cases)
def residuals_reverse_mode(target: Target, case: Case) -> Measurement:
    """Ā and b̄ of Σ wⱼ‖rⱼ‖² by the library's reverse mode."""
    problem, lstsq, vjp = Problem(target, case), target.lstsq, target.library.vjp
    assert lstsq is not None  # the check needs it
    assert vjp is not None  # the check needs it
    a, b = (problem.arrays[k] for k in "ab")
    found = vjp(lambda a, b: lstsq(a, b).residuals, (a, b), problem.weights)
    problem.host["g"] = np.zeros_like(problem.host["g"])
    return _judge_vjp(problem, found, residuals=True)


@check("P13", needs=("lstsq", "jvp"), cases=_cases)
def lstsq_forward_mode(target: Target, case: Case) -> Measurement:
    """Dx by the library's forward mode, in A and b together."""
    problem, lstsq, jvp = Problem(target, case), target.lstsq, target.library.jvp
    assert lstsq is not None  # the check needs it
    assert jvp is not None  # the check needs it
    a, b, da, db = (problem.arrays[k] for k in ("a", "b", "da", "db"))
    found = jvp(lambda a, b: lstsq(a, b).x, (a, b), (da, db))
    return problem.measure(found, problem.jvp()[0], problem.sizes()["dx"], "dx")


def _second(target: Target, level: str) -> Iterator[Case]:
    for case in _cases(target, level):
        shapes = SECOND[level].get(case.dtype, ())[:1]
        if case.recipe.shape in shapes and case.recipe.name != "zeros":
            yield case


@check("P13", needs=("lstsq", "vjp", "jvp", "second order"), cases=_second)
def lstsq_forward_over_reverse(target: Target, case: Case) -> Measurement:
    """The forward derivatives of Ā and b̄, entry by entry, in a direction that keeps the rank."""
    problem, lstsq = Problem(target, case), target.lstsq
    vjp, jvp = target.library.vjp, target.library.jvp
    assert lstsq is not None  # the check needs it
    assert vjp is not None  # the check needs it
    assert jvp is not None  # the check needs it
    known = truth(case.recipe, case.dtype)
    problem.host["da"] = rank_keeping(known.a, case, 33)
    along = target.library.asarray(problem.host["da"], case.dtype)
    a, b, g, db = (problem.arrays[k] for k in ("a", "b", "g", "db"))
    system = _calculus.system(case.recipe, case.dtype, problem.rhs)
    moved = _calculus.lstsq_vjp_jvp(system, *(problem.exact(k) for k in ("g", "da", "db")))
    sizes, rows = problem.second_sizes(), []
    for i, (name, exact) in enumerate(zip("ab", moved, strict=True)):
        gradient = lambda a, b, i=i: vjp(lambda a, b: lstsq(a, b).x, (a, b), g)[i]  # noqa: E731
        found = jvp(gradient, (a, b), (along, db))
        value = _exact.split(exact, embedded=known.embedded)
        what = f"the change of the cotangent of {name}"
        one = problem.measure(found, value, sizes[name], what)
        rows.append(replace(one, bound=one.bound * _bounds.SECOND_ORDER / _bounds.FIRST_ORDER))
    return worst(rows)


@check("P13", needs=("lstsq_vjp",), cases=_cases)
def closed_form_lstsq_vjp(target: Target, case: Case) -> Measurement:
    """lstsq_vjp(a, b, g), with and without a cotangent of the residuals."""
    problem = Problem(target, case)
    a, b, g = (problem.arrays[k] for k in "abg")
    function = target.closed_forms["lstsq_vjp"]
    without = _judge_vjp(problem, function(a, b, g), residuals=False)
    both = _judge_vjp(problem, function(a, b, g, problem.weights), residuals=True)
    return worst([without, both])


@check("P13", needs=("lstsq_jvp",), cases=_cases)
def closed_form_lstsq_jvp(target: Target, case: Case) -> Measurement:
    """lstsq_jvp(a, b, da, db) gives dx and d‖r‖²."""
    problem = Problem(target, case)
    arrays = (problem.arrays[k] for k in ("a", "b", "da", "db"))
    dx, dresiduals = target.closed_forms["lstsq_jvp"](*arrays)
    exact_x, exact_r = problem.jvp()
    sizes = problem.sizes()
    # A NumPy array as a `Split` of exponent 0: both comparisons go one way.
    residuals = _exact.Split(exact_r, np.zeros_like(exact_r), 0)
    return worst(
        [
            problem.measure(dx, exact_x, sizes["dx"], "dx"),
            problem.measure(dresiduals, residuals, sizes["dresiduals"], "the change of ‖r‖²"),
        ]
    )
