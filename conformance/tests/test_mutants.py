"""Each wrong implementation is rejected for the right promise, and the right one is not."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import right
from pinvx_conformance import matrices
from pinvx_conformance._check import CHECKS, PROMISES, Case, judge
from pinvx_conformance._run import Plan, run
from pinvx_conformance._targets import Cutoff, introduce
from right_target import right_target
from wrong import WRONG

# Traced code that reads a value is an exception by nature.
RAISES = {"P14"}


def failures(target, promise):
    with warnings.catch_warnings():
        # What wrong code warns of is its own business.
        warnings.simplefilter("ignore")
        outcomes = list(run(target, Plan("quick", (promise,))))
    assert any(o.status != "n/a" for o in outcomes), f"nothing judged {target.name} for {promise}"
    return [o for o in outcomes if o.status == "fail"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_implementation_is_rejected(name):
    promise, check, target = WRONG[name]
    broken = failures(target, promise)
    assert broken, f"{name} was not rejected by {promise}"
    if check is not None:
        broken = [o for o in broken if f"{o.promise}-{o.check}" == check]
    # An exception would be an accident of the mutant, not its fault in the mathematics.
    judged = [o for o in broken if ": raised " not in o.message.splitlines()[1]]
    assert judged or promise in RAISES, f"{name} is rejected by {promise}, but not by {check}"


def test_a_wrong_implementation_fails_by_value_and_not_by_accident():
    promise, _, target = WRONG["normal_equations"]
    broken = [o for o in failures(target, promise) if o.check == "forward_error"]
    assert not [o for o in broken if "raised" in o.message]
    assert any("kappa=100000.0" in o.recipe and o.units > 10 for o in broken)


def test_an_unchecked_gram_matrix_is_right_until_it_is_not():
    _, _, target = WRONG["gram_without_check"]
    for kappa, accepted in ((1e3, True), (1e7, False)):
        recipe = matrices.spectrum(40, 17, kappa=kappa, seed=5)
        outcome = judge(target, CHECKS["P6-forward_error"], Case(recipe))
        assert (outcome.status == "pass") == accepted, outcome.message


def test_the_gradient_through_the_svd_is_nan_at_repeated_values():
    promise, _, target = WRONG["gradient_through_the_svd"]
    broken = [o for o in failures(target, promise) if o.check == "reverse_mode"]
    assert any(o.units == float("inf") for o in broken)


@pytest.fixture(scope="module")
def sound():
    return right_target()


@pytest.mark.parametrize("promise", [p for p in PROMISES if p not in ("P14", "P15")])
def test_the_right_implementation_passes(sound, promise):
    broken = failures(sound, promise)
    assert not broken, broken[0].message


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


def test_every_promise_has_a_mutant():
    covered = {promise for promise, _, _ in WRONG.values()} | {"P15"}
    assert covered == set(PROMISES)
