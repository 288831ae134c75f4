"""A target's answers without the target: what one process tells another.

P15 compares every target with every other. A process that judged a target keeps what it answered,
so that nobody has to import, compile and call all libraries in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pinvx_conformance import _evaluate
from pinvx_conformance._check import CHECKS
from pinvx_conformance._libraries import Library
from pinvx_conformance._run import Plan
from pinvx_conformance._targets import Target


def witness(target: Target, plan: Plan) -> Target:
    """Return a target that knows the answers to P15's questions, and can be sent elsewhere."""
    lib = target.library
    return Target(
        name=target.name,
        library=Library(lib.name, lib.version, None, dtypes=lib.dtypes),
        pinv=_far_away if target.pinv else None,
        lstsq=_far_away if target.lstsq else None,
        declared=dict(target.lacks),
        cutoffs=target.cutoffs,
        answers=dict(_answers(target, plan)),
        version=target.version,
    )


def together(parts: list[Target]) -> Target:
    """Return one witness for the parts that a target was judged in."""
    answers = {k: v for part in parts for k, v in (part.answers or {}).items()}
    return replace(parts[0], answers=answers, peers=[])


def _far_away(*_: Any, **__: Any) -> Any:
    raise RuntimeError("P15 called a target that lives in another process")


def _answers(target: Target, plan: Plan) -> Iterator[tuple[Any, Any]]:
    for name, ask in (("values", _pinv), ("solutions", _lstsq)):
        one = CHECKS[f"P15-{name}"]
        if target.claims(one.needs[0]) and one in plan.checks():
            for case in plan.cases(one, target):
                try:
                    given = ask(target, case)
                except Exception as error:
                    given = f"raised {type(error).__name__}: {error}"
                yield (one.needs[0], case.recipe, case.dtype), given


def _pinv(target: Target, case: Any) -> Any:
    return _evaluate.pinv(target, case.recipe, case.dtype)


def _lstsq(target: Target, case: Any) -> Any:
    return _evaluate.lstsq(target, case.recipe, case.dtype, case.rhs)
