"""The same checks on recipes that Hypothesis draws, so that nobody can fit to the gallery."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings

from pinvx_conformance import _gallery, strategies
from pinvx_conformance._api import OF_ONE_MATRIX
from pinvx_conformance._bounds import eps_of
from pinvx_conformance._check import CHECKS, Case, judge, missing
from pinvx_conformance._oracle import truth
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._targets import Target
from pinvx_conformance.plugin import plan_of

# Shapes of the gallery: what compiles has met them, and their number is small.
SHAPES = ((2, 2), *_gallery.SHAPES)
DTYPES = ("float32", "float64", "complex64", "complex128")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for names in OF_ONE_MATRIX.values() for name in names])
def test_drawn(judged: Target, name: str, dtype: str, request: pytest.FixtureRequest) -> None:
    """The target keeps the promise on matrices that nobody chose."""
    plan = plan_of(request.config)
    if CHECKS[name] not in plan.checks() or dtype not in (plan.dtypes or judged.library.dtypes):
        pytest.skip("not asked for, or the library has no such dtype")
    option = request.config.getoption
    judge_drawn(judged, name, dtype, option("--max-examples"), derandomize=option("--derandomize"))


def judge_drawn(
    judged: Target, name: str, dtype: str, max_examples: int, *, derandomize: bool
) -> None:
    """Fail the running test if the target breaks the promise of a check on a drawn matrix."""
    one = CHECKS[name]
    reason = missing(judged, one)
    if reason is not None:
        pytest.skip(reason)
    field = "complex" if dtype.startswith("complex") else "real"

    @settings(
        max_examples=max_examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.recipes(field, SHAPES))
    def drawn(recipe: Recipe) -> None:
        known = truth(recipe, dtype)
        small = max(known.a.shape) * eps_of(dtype) * known.kappa <= 1 / 9
        assume(small and not known.ambiguous)
        outcome = judge(judged, one, Case(recipe, dtype))
        if outcome.status == "fail":
            pytest.fail(outcome.message, pytrace=False)

    drawn()
