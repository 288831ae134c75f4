"""Every function in every situation: the checks that see a fault which shows only in company.

What is judged is one thing (`_answers`), and where is another (`_situations`): each function in
each situation, under the promise that the situation belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pinvx_conformance import _answers, _derivative_answers
from pinvx_conformance import matrices as m
from pinvx_conformance._check import CHECKS, Case, Check, Measurement, worst
from pinvx_conformance._company import FORMS, Situation
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._situations import OF_PROMISE
from pinvx_conformance._targets import Target

Judge = Callable[[Target, Situation], list[Measurement]]


def _hermitian(target: Target, situation: Situation) -> list[Measurement]:
    return _answers.pinv(target, situation, hermitian=True)


def _singular_values(target: Target, situation: Situation) -> list[Measurement]:
    return _answers.lstsq(target, situation, singular_values=True)


def _closed_form(name: str) -> Judge:
    return lambda target, situation: _derivative_answers.closed_form(target, situation, name)


# Name -> (what a target has to claim, the judge).
FUNCTIONS: dict[str, tuple[tuple[str, ...], Judge]] = {
    "pinv": (("pinv",), _answers.pinv),
    "hermitian": (("pinv", "hermitian"), _hermitian),
    "lstsq": (("lstsq",), _answers.lstsq),
    "singular_values": (("lstsq", "singular_values"), _singular_values),
    **{name: ((name,), _closed_form(name)) for name in FORMS},
}


def items_of(name: str, situation: Situation) -> tuple[Recipe, ...]:
    """Return the matrices on which a function is judged in a situation; none if it is not."""
    company = situation.company
    if name not in situation.functions:
        return ()
    if name == "hermitian":
        return company.hermitian
    if name not in FORMS:
        return company.values
    # A cotangent of A sums over the columns of b, and is NaN if one of them is not finite.
    return company.smooth if all(b.name != "poisoned" for b in situation.rhs) else ()


def claimed(target: Target, name: str, situation: Situation) -> bool:
    """Tell whether a target claims batches where a situation has one."""
    batch = situation.a_batch or situation.b_batch
    one = "batches" if name in ("pinv", "hermitian") else "lstsq batches"
    return not batch or target.claims(one)


def _register(promise: str, name: str) -> None:
    situations, (needs, judge) = OF_PROMISE[promise], FUNCTIONS[name]

    def cases(target: Target, level: str) -> Iterator[Case]:
        for one in situations(target, level):
            items = items_of(name, one)
            if items and claimed(target, name, one):
                yield Case(m.batch(*dict.fromkeys(items)), one.dtype, one.name, (one,))

    def run(target: Target, case: Case) -> Measurement | None:
        (situation,) = case.arguments
        return worst(judge(target, situation))

    one = Check(promise, f"{name}_in_company", needs, cases, run)
    CHECKS[one.id] = one


for _promise in OF_PROMISE:
    for _name in FUNCTIONS:
        _register(_promise, _name)


def situation_of(case: Case) -> Any:
    """Return the situation of a case, for whoever looks at it from outside."""
    return case.arguments[0]
