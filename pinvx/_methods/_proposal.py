"""What a method returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from .._factor import Factor, Solution
from .._problem import Problem


class Proposal(NamedTuple):
    """What a method proposes, and whether its certificate holds."""

    accepted: Any
    """A bool, or an array of them of the batch shape."""
    answer: Callable[[], Factor | Solution]
    """Computes a factor of C, or a solution. Never called where nothing is accepted."""


Method: TypeAlias = Callable[[Problem], Proposal]


def _nothing() -> Factor:
    raise AssertionError("nothing was accepted")


REFUSED = Proposal(False, _nothing)
