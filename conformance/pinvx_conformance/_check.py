"""What a check is: a promise, the cases it is tried on, and a judgement in units of a bound."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pinvx_conformance._recipe import Recipe

if TYPE_CHECKING:
    from pinvx_conformance._targets import Target

PROMISES = {
    "P1": "same in, same out",
    "P2": "dtypes",
    "P3": "shapes",
    "P4": "cutoff",
    "P5": "Penrose equations",
    "P6": "accuracy",
    "P7": "rank",
    "P8": "Hermitian",
    "P9": "least squares",
    "P10": "result shape",
    "P11": "non-finite",
    "P12": "scale",
    "P13": "derivatives",
    "P14": "transformations",
    "P15": "agreement",
    "P16": "identities",
    "P17": "one in a batch",
    "P18": "repeatable",
    "P19": "errors",
    "P20": "quiet",
}


@dataclass(frozen=True)
class Case:
    """One input of a check: a recipe in a dtype, and what the check varies beside it."""

    recipe: Recipe
    dtype: str = "float64"
    variant: str = ""
    arguments: tuple[Any, ...] = ()
    rhs: Recipe | None = None

    @property
    def label(self) -> str:
        """A short name without spaces, for test ids."""
        parts = [self.recipe.label, self.dtype, self.variant.replace(" ", "_")]
        return "-".join(p for p in parts if p)

    @property
    def code(self) -> str:
        """Code that makes the input again."""
        remark = f"  # {self.variant}" if self.variant else ""
        lines = [f"a = {self.recipe!r}.array({self.dtype!r}){remark}"]
        if self.rhs is not None:
            lines.append(f"b = {self.rhs!r}.array({self.dtype!r})")
        return "\n".join(lines)


@dataclass(frozen=True)
class Measurement:
    """A measured figure beside its bound, and what a reader needs to judge it."""

    value: float
    bound: float
    kappa: float = 1.0
    rank: int | None = None
    what: str = ""

    @property
    def units(self) -> float:
        """The figure in units of its bound; infinite where it is not a number."""
        if self.value == 0:
            return 0.0
        ratio = self.value / self.bound if self.bound > 0 else float("inf")
        return ratio if ratio == ratio else float("inf")


def worst(measurements: Iterable[Measurement]) -> Measurement:
    """Return the measurement nearest to (or farthest beyond) its bound."""
    return max(measurements, key=lambda m: m.units)


class ViolationError(AssertionError):
    """A broken promise. The message names promise, target, recipe, figures and bound.

    `promise` is named where it is not the one whose check found this.
    """

    def __init__(
        self, message: str, measurement: Measurement | None = None, promise: str | None = None
    ) -> None:
        super().__init__(message)
        self.measurement, self.promise = measurement, promise


class NotApplicableError(Exception):
    """The target declares that it does not claim what is checked here."""


def expect(condition: object, message: str, promise: str | None = None) -> None:
    """Raise `ViolationError` unless the condition holds."""
    if not condition:
        raise ViolationError(message, promise=promise)


@dataclass(frozen=True)
class Check:
    """A promise made executable."""

    promise: str
    name: str
    needs: tuple[str, ...]
    cases: Callable[[Target, str], Iterable[Case]]
    run: Callable[[Target, Case], Measurement | None]

    @property
    def id(self) -> str:
        """Promise and name, as the reports and the xfail files write it."""
        return f"{self.promise}-{self.name}"


@dataclass(frozen=True)
class Outcome:
    """What came of one check on one case."""

    target: str
    promise: str
    check: str
    status: str  # "pass", "fail", "n/a"
    label: str = ""
    recipe: str = ""
    dtype: str = ""
    units: float = 0.0
    value: float = 0.0
    kappa: float = 1.0
    message: str = ""
    seconds: float = field(default=0.0, compare=False)


CHECKS: dict[str, Check] = {}
PATIENCE = 20.0  # seconds for a call that may never return


def check(
    promise: str, *, needs: tuple[str, ...] = ("pinv",), cases: Any
) -> Callable[[Callable[[Target, Case], Measurement | None]], Check]:
    """Register a function as a check of `promise`; its name becomes the check's name."""

    def register(run: Callable[[Target, Case], Measurement | None]) -> Check:
        one = Check(promise, run.__name__, needs, cases, run)
        if one.id in CHECKS:
            raise ValueError(f"Two checks are named {one.id}.\nHint: rename one of the functions.")
        CHECKS[one.id] = one
        return one

    return register


def judge(target: Target, one: Check, case: Case) -> Outcome:
    """Run one check on one case and say what came of it."""
    start = time.perf_counter()
    common: dict[str, Any] = {"target": target.name, "promise": one.promise, "check": one.name}
    common |= {"label": case.label, "recipe": case.code, "dtype": case.dtype}

    def outcome(status: str, message: str = "", m: Measurement | None = None) -> Outcome:
        figures: dict[str, Any] = {}
        if m is not None:
            figures = {"units": m.units, "value": m.value, "kappa": m.kappa}
        seconds = time.perf_counter() - start
        return Outcome(**common, **figures, status=status, message=message, seconds=seconds)

    try:
        with target.library.quiet(), warnings.catch_warnings():
            # Of a long matrix's cutoff P20 judges what is said, and nobody else.
            warnings.filterwarnings("ignore", "[^\n]*default (rtol|cutoff)")
            measurement = one.run(target, case)
        if measurement is not None and measurement.units > 1:
            raise ViolationError(measurement.what, measurement)
    except NotApplicableError as reason:
        return outcome("n/a", str(reason))
    except ViolationError as violation:
        one = replace(one, promise=violation.promise or one.promise)
        common["promise"] = one.promise
        text = explain(target, one, case, str(violation), violation.measurement)
        return outcome("fail", text, violation.measurement)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"raised {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        return outcome("fail", explain(target, one, case, what, None))
    return outcome("pass", m=measurement)


def in_time(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or raise if it does not within `PATIENCE`."""
    found: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def put() -> None:
        try:
            found.put((call(), None))
        except Exception as error:
            found.put((None, error))

    # A daemon: Python does not wait for it in the end.
    threading.Thread(target=contextvars.copy_context().run, args=(put,), daemon=True).start()
    try:
        result, error = found.get(timeout=PATIENCE)
    except queue.Empty:
        raise ViolationError(f"no answer within {PATIENCE:g} s") from None
    if error is not None:
        raise error
    return result


def explain(
    target: Target, one: Check, case: Case, what: str, measurement: Measurement | None
) -> str:
    """Compose the message of a failure: what was asked, what came, how to see it again."""
    lines = [
        f"{one.promise} ({PROMISES[one.promise]}) is broken by {target.name}",
        f"  check     {one.name}: {what}",
        f"  recipe    {case.recipe!r}, {case.dtype}" + (f", {case.variant}" * bool(case.variant)),
    ]
    if measurement is not None:
        rank = "" if measurement.rank is None else f", rank {measurement.rank}"
        lines += [
            f"  matrix    κ = {measurement.kappa:.3g}{rank}",
            f"  residual  {measurement.value:.3g}, bound {measurement.bound:.3g}: "
            f"{measurement.units:.3g} times what is allowed",
        ]
    lines += ["  Hint: the input again:", "    from pinvx_conformance import matrices"]
    return "\n".join([*lines, *(f"    {line}" for line in case.code.splitlines())])


def missing(target: Target, one: Check) -> str | None:
    """Return why the target does not claim what the check needs, or None."""
    for need in one.needs:
        reason = target.reason(need)
        if reason is not None:
            return f"{need}: {reason}"
    return None
