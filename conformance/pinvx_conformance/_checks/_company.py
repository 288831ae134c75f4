"""Every function in every situation: the checks that see a fault which shows only in company.

What is judged is one thing (`_answers`), and where is another (`_situations`): each function in
each situation, under the promise that the situation belongs to.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from pinvx_conformance import _answers, _derivative_answers
from pinvx_conformance import matrices as m
from pinvx_conformance._check import CHECKS, Case, Check, Measurement, worst
from pinvx_conformance._company import AUTOMATIC, FORMS, PLAIN, VALUES, Situation
from pinvx_conformance._recipe import Recipe
from pinvx_conformance._situations import OF_PROMISE, not_finite
from pinvx_conformance._targets import Target

Judge = Callable[[Target, Situation], list[Measurement]]


def _hermitian(target: Target, situation: Situation) -> list[Measurement]:
    return _answers.pinv(target, situation, hermitian=True)


def _singular_values(target: Target, situation: Situation) -> list[Measurement]:
    return _answers.lstsq(target, situation, singular_values=True)


def _closed_form(name: str) -> Judge:
    return lambda target, situation: _derivative_answers.derivative(
        target, situation, name, target.closed_forms
    )


def _automatic(name: str) -> Judge:
    return lambda target, situation: _derivative_answers.derivative(
        target, situation, name, _derivative_answers.automatic_forms(target)
    )


# Name -> (what a target has to claim, the judge).
FUNCTIONS: dict[str, tuple[tuple[str, ...], Judge]] = {
    "pinv": (("pinv",), _answers.pinv),
    "hermitian": (("pinv", "hermitian"), _hermitian),
    "lstsq": (("lstsq",), _answers.lstsq),
    "singular_values": (("lstsq", "singular_values"), _singular_values),
    **{name: ((name,), _closed_form(name)) for name in FORMS},
    "pinv_forward": (("pinv", "jvp"), _automatic("pinv_jvp")),
    "pinv_reverse": (("pinv", "vjp"), _automatic("pinv_vjp")),
    "lstsq_forward": (("lstsq", "residuals", "jvp"), _automatic("lstsq_jvp")),
    "lstsq_reverse": (
        ("lstsq", "residuals", "residuals cotangent", "vjp"),
        _automatic("lstsq_vjp"),
    ),
}


def items_of(name: str, situation: Situation) -> tuple[Recipe, ...]:
    """Return the matrices on which a function is judged in a situation; none if it is not."""
    company = situation.company
    if name not in situation.functions:
        return ()
    if name == "hermitian":
        return company.hermitian
    return company.values if name in VALUES else company.smooth


def claimed(target: Target, name: str, situation: Situation) -> bool:
    """Tell whether a target claims what a situation asks of a function."""
    s, of_b = situation, name in ("lstsq", "singular_values", "lstsq_forward", "lstsq_reverse")
    prefix = "lstsq " if of_b else ""
    each = isinstance(s.rtol, tuple) or isinstance(s.atol, tuple)
    asked = {
        f"{prefix}batches": bool(s.a_batch or s.b_batch),
        f"{prefix}rtol": s.rtol is not None,
        f"{prefix}atol": s.atol is not None,
        f"{prefix}method": s.method != "auto",
        "array tolerances": each,
        "half": s.dtype in target.library.half,
        "integers": s.dtype in target.library.integers,
    }
    return all(target.claims(feature) for feature, needed in asked.items() if needed)


@functools.lru_cache(maxsize=4096)
def copes_with_nan(target: Target) -> bool:
    """Tell whether a target keeps P11 at all; if not, the other promises are judged without NaN."""
    for name in PLAIN:
        needs, judge = FUNCTIONS[name]
        if all(target.claims(need) for need in needs):
            try:
                with target.library.quiet():
                    kept = worst(judge(target, not_finite())).units <= 1
            except Exception:
                kept = False
            if not kept:
                return False
    return True


def _register(promise: str, name: str) -> None:
    situations, (needs, judge) = OF_PROMISE[promise], FUNCTIONS[name]

    def cases(target: Target, level: str) -> Iterator[Case]:
        for one in situations(target, level):
            if promise != "P11" and not copes_with_nan(target):
                one = one.without_nan()
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
        # Automatic differentiation is judged where batches and scales are the subject.
        if _name not in AUTOMATIC or _promise in ("P12", "P17"):
            _register(_promise, _name)


def situation_of(case: Case) -> Any:
    """Return the situation of a case, for whoever looks at it from outside."""
    return case.arguments[0]
