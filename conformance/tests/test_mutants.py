"""Each wrong implementation is rejected for the right promise, and the right one is not."""

import importlib
import importlib.util
import warnings
from dataclasses import replace

import numpy as np
import pytest
import right
from pinvx_conformance import _check, matrices
from pinvx_conformance._check import CHECKS, PROMISES, Case, judge, missing
from pinvx_conformance._run import Plan, run
from pinvx_conformance._targets import Cutoff, introduce
from right_target import right_target
from wrong import WRONG

# Wrong implementations that need a library, and register themselves on import.
MODULES = {"torch": "wrong_torch", "array_api_strict": "wrong_strict"}
ABSENT = [name for name in MODULES if importlib.util.find_spec(name) is None]
for _name in MODULES:
    if _name not in ABSENT:
        importlib.import_module(MODULES[_name])

# Traced code that reads a value is an exception by nature.
RAISES = {"P14"}


def failures(target, promise, check=None):
    """Yield the outcomes that reject a target."""
    plan, judged = Plan("quick", (promise,)), 0
    with warnings.catch_warnings():
        # What wrong code warns of is its own business.
        warnings.simplefilter("ignore")
        for one in plan.checks():
            if check in (None, one.id) and missing(target, one) is None:
                for case in plan.cases(one, target):
                    outcome = judge(target, one, case)
                    judged += outcome.status != "n/a"
                    if outcome.status == "fail":
                        yield outcome
    assert judged, f"nothing judged {target.name} for {promise}"


def by_value(outcome):
    """Tell a wrong answer from an exception: that is an accident, and no fault in mathematics."""
    return ": raised " not in outcome.message.splitlines()[1]


@pytest.mark.parametrize("name", [*WRONG, *ABSENT])
def test_a_wrong_implementation_is_rejected(name, monkeypatch):
    if name in ABSENT:
        pytest.skip(f"{name} is not installed")
    promise, check, target = WRONG[name]
    if name == "never_returns":
        monkeypatch.setattr(_check, "PATIENCE", 0.2)
    with np.errstate():  # one of them leaves another state behind
        found = (o for o in failures(target, promise, check) if promise in RAISES or by_value(o))
        assert next(found, None) is not None, f"{name} is not rejected by {check or promise}"


def test_a_wrong_implementation_fails_by_value_and_not_by_accident():
    promise, _, target = WRONG["normal_equations"]
    broken = list(failures(target, promise, "P6-forward_error"))
    assert all(map(by_value, broken))
    assert any("kappa=100000.0" in o.recipe and o.units > 10 for o in broken)


def test_an_unchecked_gram_matrix_is_right_until_it_is_not():
    _, _, target = WRONG["gram_without_check"]
    for kappa, accepted in ((1e3, True), (1e7, False)):
        recipe = matrices.spectrum(40, 17, kappa=kappa, seed=5)
        outcome = judge(target, CHECKS["P6-forward_error"], Case(recipe))
        assert (outcome.status == "pass") == accepted, outcome.message


@pytest.mark.skipif("torch" in ABSENT, reason="needs PyTorch")
def test_the_gradient_through_the_svd_is_nan_at_repeated_values():
    promise, _, target = WRONG["gradient_through_the_svd"]
    assert any(o.units == float("inf") for o in failures(target, promise, "P13-reverse_mode"))


@pytest.fixture(scope="module")
def sound():
    return right_target()


@pytest.mark.parametrize("promise", [p for p in PROMISES if p not in ("P14", "P15")])
def test_the_right_implementation_passes(sound, promise):
    broken = next(failures(sound, promise), None)
    assert broken is None, broken.message


@pytest.fixture
def pair(sound):
    """Return a function that judges P15 of a right and another target, each beside the other."""

    def judge(**changes):
        others = [replace(sound, peers=[]), replace(sound, name="other", peers=[], **changes)]
        introduce(others)
        return [{o.check for o in failures(one, "P15")} for one in others]

    return judge


def test_agreement_rejects_the_one_that_is_wrong(pair):
    def shifted(a, **options):
        x, rank = right.pinv(a, **{**options, "return_rank": True})
        return x * (1 + 1e-4), rank

    assert pair() == [set(), set()]
    assert pair(pinv=shifted) == [set(), {"values"}]


def test_agreement_rejects_another_rank(pair):
    def lower(a, **options):
        x, rank = right.pinv(a, **{**options, "return_rank": True})
        return x, np.maximum(rank - 1, 0)

    assert pair(pinv=lower) == [set(), {"ranks"}]


def test_agreement_rejects_another_solution(pair):
    def shifted(a, b):
        solved = right.lstsq(a, b)
        return solved._replace(x=solved.x * (1 + 1e-4), rank=solved.rank + 1)

    assert pair(lstsq=shifted) == [set(), {"solutions", "lstsq_ranks"}]


def test_a_target_with_another_documented_cutoff_is_compared_where_it_does_not_matter(sound):
    def coarse(a, *, rtol=None, **options):
        return right.pinv(a, rtol=1e-2 if rtol is None else rtol, **options)

    declared = {"pinv": Cutoff("1e-2", long=0.0, fixed=1e-2)}
    first = replace(sound, peers=[])
    second = replace(sound, name="coarse", pinv=coarse, cutoffs=declared, peers=[])
    introduce([first, second])
    outcomes = list(run(second, Plan("quick", ("P15",))))
    assert not [o for o in outcomes if o.status == "fail"]
    compared = {o.recipe for o in outcomes if o.check == "values" and o.status == "pass"}
    assert any("kappa=10.0" in recipe for recipe in compared)
    assert not any("kappa=10000.0" in recipe for recipe in compared)
    left_out = [o.message for o in outcomes if o.check == "left_out" and o.status == "n/a"]
    assert any("pinv with right: " in m and "1e-2 and max(M, N)·eps" in m for m in left_out)
    undeclared = replace(second, cutoffs={}, peers=[first])
    assert {o.check for o in failures(undeclared, "P15")} == {"values", "ranks"}


@pytest.mark.skipif(bool(ABSENT), reason=f"needs {', '.join(ABSENT)}")
def test_every_promise_has_a_mutant():
    covered = {promise for promise, _, _ in WRONG.values()} | {"P15"}
    assert covered == set(PROMISES)
