"""Every promise, check by check and case by case, of every target named on the command line."""

from __future__ import annotations

import pytest

from pinvx_conformance._check import Case, Check, Outcome, judge
from pinvx_conformance._targets import Target


def test_promise(trial: tuple[Target, Check, Case | None, Outcome | None]) -> None:
    """The target keeps the promise on this case."""
    judged, one, case, skipped = trial
    if skipped is not None or case is None:
        pytest.skip(skipped.message if skipped else "no case")
    outcome = judge(judged, one, case)
    if outcome.status == "n/a":
        pytest.skip(outcome.message)
    if outcome.status == "fail":
        pytest.fail(outcome.message, pytrace=False)
