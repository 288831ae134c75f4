"""P19: wrong calls are refused at the call, and the message says what arrived."""

# ruff: noqa: D401 — a check's docstring states what must hold
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, NotApplicableError, check, expect
from pinvx_conformance._libraries import available, library
from pinvx_conformance._targets import Target

A = m.integers(4, 3)


def _refused(target: Target, call: Callable[[], Any], arrived: tuple[str, ...], what: str) -> None:
    """The call raises TypeError or ValueError, and its message holds one of `arrived`.

    The wording is judged where the target claims "messages"; of a stranger the type of the error.
    """
    try:
        call()
    except (TypeError, ValueError) as error:
        text = str(error)
        if not target.claims("messages"):
            return
        named = any(word in text for word in arrived)
        expect(named, f"{what}: the message does not say what arrived ({arrived[0]}): {text!r}")
    except Exception as error:
        expect(False, f"{what} raises {type(error).__name__}, not TypeError or ValueError: {error}")
    else:
        expect(False, f"{what} was accepted")


def _one(target: Target, level: str) -> Iterator[Case]:
    del target, level
    yield Case(A)


def _given(target: Target, case: Case) -> tuple[Any, Any, Any]:
    a = target.library.asarray(case.recipe.array("float64"))
    return target.pinv, target.lstsq, a


@check("P19", cases=_one)
def one_dimension(target: Target, case: Case) -> None:
    """A vector is no matrix; the message names its shape."""
    pinv, _, a = _given(target, case)
    _refused(target, lambda: pinv(a[0, :]), ("(3,)", "[3]", "1-d", "ndim=1"), "a vector")


@check("P19", cases=_one)
def unknown_option(target: Target, case: Case) -> None:
    """An option that does not exist is named in a TypeError."""
    pinv, _, a = _given(target, case)
    _refused(target, lambda: pinv(a, tolerance=0.1), ("tolerance",), "an unknown option")


@check("P19", needs=("pinv", "method"), cases=_one)
def unknown_method(target: Target, case: Case) -> None:
    """And so is a method."""
    pinv, _, a = _given(target, case)
    _refused(target, lambda: pinv(a, method="magic"), ("magic",), "method='magic'")


@check("P19", cases=_one)
def not_an_array(target: Target, case: Case) -> None:
    """A string is refused, and its type named."""
    pinv, _, _ = _given(target, case)
    del case
    _refused(target, lambda: pinv("matrix"), ("str", "matrix", "<U6"), "a string")


@check("P19", needs=("lstsq",), cases=_one)
def shapes_that_do_not_fit(target: Target, case: Case) -> None:
    """A right-hand side with too few rows; both shapes are named."""
    _, lstsq, a = _given(target, case)
    b = target.library.asarray(np.ones((5, 2)))
    arrived = ("(5, 2)", "[5, 2]", "4 != 5")
    _refused(target, lambda: lstsq(a, b), arrived, "b of shape (5, 2) for A of shape (4, 3)")


@check("P19", needs=("lstsq", "mixed namespaces"), cases=_one)
def mixed_namespaces(target: Target, case: Case) -> None:
    """A matrix of one library and a right-hand side of another."""
    _, lstsq, a = _given(target, case)
    foreign = _foreign(target)
    arrived = (type(foreign).__module__.partition(".")[0], type(foreign).__name__)
    _refused(target, lambda: lstsq(a, foreign), arrived, f"a {type(foreign).__name__} as b")


def _foreign(target: Target) -> Any:
    others = (name for name in available() if name.partition(":")[0] != target.library.name)
    name = next(others, None)
    if name is None:
        raise NotApplicableError("no second array library is installed")
    return library(name).asarray(np.ones((4, 2)))


@check("P19", needs=("lstsq",), cases=_one)
def mixed_devices(target: Target, case: Case) -> None:
    """A matrix on one device and a right-hand side on another."""
    if not target.library.other_devices:
        raise NotApplicableError(f"{target.library.name} has one device here")
    _, lstsq, a = _given(target, case)
    device = target.library.other_devices[0]
    b = target.library.asarray(np.ones((4, 2)), device=device)
    _refused(target, lambda: lstsq(a, b), ("device",), "b on another device")


@check("P19", needs=("pinv", "rtol", "array tolerances"), cases=_one)
def tolerance_of_a_wrong_shape(target: Target, case: Case) -> None:
    """An rtol that does not broadcast with the batch."""
    pinv, _, a = _given(target, case)
    stack = target.library.xp.stack([a, a])
    rtol = target.library.asarray(np.full(3, 0.1))
    _refused(
        target,
        lambda: pinv(stack, rtol=rtol),
        ("(3,)", "[3]", "size 3", "(3)"),
        "rtol of shape (3,)",
    )
