"""P1 to P19: the quick level of the conformance suite, for pinvx on every library that is here.

A test is a check in one dtype, on all matrices of the level. `-k "torch and P13"` chooses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from backend_table import AVAILABLE, TABLE, jax_in_64_bits
from pinvx_conformance._api import OF_ONE_MATRIX
from pinvx_conformance._check import Case, Check, judge, missing
from pinvx_conformance._run import PARTS, Plan
from pinvx_conformance._targets import Target, introduce, target
from pinvx_conformance.test_properties import DTYPES, judge_drawn

# A matrix is so long that the default cutoff warns; test_cutoff_warning.py judges that.
pytestmark = pytest.mark.filterwarnings("ignore::pinvx.CutoffWarning")

QUICK = Plan("quick")
EXAMPLES = 5  # that Hypothesis draws for each check, the same ones every time
with jax_in_64_bits():
    TARGETS = introduce(target(f"pinvx@{name}") for name in AVAILABLE)


@pytest.fixture(autouse=True)
def _in_64_bits() -> Iterator[None]:
    with jax_in_64_bits():
        yield


def trials() -> Iterator[Any]:
    """Every check of every target, with its cases in the dtypes that go together."""
    for row in TABLE:
        if row.missing is not None and not row.of:
            mark = pytest.mark.skip(reason=row.missing)
            yield pytest.param(None, None, (), id=f"pinvx@{row}", marks=mark)
    for judged in TARGETS:
        for one in QUICK.checks():
            reason = missing(judged, one)
            if reason is not None:
                mark = pytest.mark.skip(reason=reason)
                yield pytest.param(judged, one, (), id=f"{judged.name}-{one.id}", marks=mark)
                continue
            cases = list(QUICK.cases(one, judged))
            for part in PARTS:
                some = [case for case in cases if case.dtype in part]
                if some:
                    yield pytest.param(judged, one, some, id=f"{judged.name}-{one.id}-{part[0]}")


@pytest.mark.parametrize(("judged", "one", "cases"), list(trials()))
def test_promise(judged: Target, one: Check, cases: list[Case]) -> None:
    outcomes = [judge(judged, one, case) for case in cases]
    broken = [outcome.message for outcome in outcomes if outcome.status == "fail"]
    if broken:
        pytest.fail("\n\n".join(broken), pytrace=False)
    if all(outcome.status == "n/a" for outcome in outcomes):
        pytest.skip(outcomes[0].message)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("check", [name for names in OF_ONE_MATRIX.values() for name in names])
@pytest.mark.parametrize("judged", TARGETS, ids=lambda judged: judged.name)
def test_drawn(judged: Target, check: str, dtype: str) -> None:
    judge_drawn(judged, check, dtype, EXAMPLES, derandomize=True)
