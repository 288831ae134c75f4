"""Which tests pytest-xdist runs in one process: those of a target in one dtype.

The truth about a matrix, and what a library compiles for it, are found once then. pytest-xdist has
marks for that, which it writes into the names of tests; since pytest 9.2 names do not change, and
the marks do nothing. So the names tell, as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # has no types

from pinvx_conformance._run import PARTS

_PART_OF = {dtype: part[0] for part in PARTS for dtype in part}
_OURS = re.compile(r"::test_\w+\[(?P<target>.+?)(?:::|-)(?P<promise>P\d+)-(?P<rest>.*)")
_DTYPE = re.compile(rf"-({'|'.join(_PART_OF)})(?=[-@\]])")


def group_of(name: str, targets: Sequence[str]) -> str | None:
    """Return the group of a test, or None if it is not one of this suite's.

    P15 calls every target, so it goes where the one is that compiles.
    """
    ours = _OURS.search(name)
    if ours is None:
        return None
    target = ours["target"]
    if ours["promise"] == "P15":
        target = next((t for t in targets if "jax" in t), target)
    dtype = _DTYPE.search(f"-{ours['rest']}")
    return f"{target} {_PART_OF[dtype[1]] if dtype else 'float64'}"


class Scheduling(LoadGroupScheduling):  # type: ignore[misc]  # a class without types
    """``--dist loadgroup`` by target and dtype."""

    def _split_scope(self, nodeid: str) -> str:
        targets: Any = self.config.getoption("--target")
        scope: str = group_of(nodeid, targets) or super()._split_scope(nodeid)
        return scope
