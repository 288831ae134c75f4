"""P20: nothing warns, raises or prints because of values; one warning depends on the shape."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pinvx_conformance import _gallery
from pinvx_conformance import matrices as m
from pinvx_conformance._check import Case, check, expect
from pinvx_conformance._targets import Target

# The first length at which max(M, N)·eps of float32 is above 0.01.
LONG = 83_887


def _values(target: Target, level: str) -> Iterator[Case]:
    del level
    every = (("float64", 1000), ("float32", 120))
    for dtype, far in every[: 1 if target.library.compiles else 2]:
        if dtype not in target.library.dtypes:
            continue
        full, low = m.integers(*_gallery.TALL, seed=6), m.low_rank(*_gallery.TALL, 3)
        for recipe in (
            full,
            low,
            m.zeros(*_gallery.TALL),
            m.scaled(full, far),
            m.scaled(low, -far),
            m.graded(*_gallery.TALL, by="rows", decades=20),
            m.poisoned(full, "nan", 1, 1),
            m.poisoned(full, "inf", 0, 0),
        ):
            yield Case(recipe, dtype)


@check("P20", needs=("pinv", "lstsq", "quiet"), cases=_values)
def no_value_makes_a_noise(target: Target, case: Case) -> None:
    """No warning, no floating-point error of NumPy, and nothing printed, by Python or by LAPACK."""
    pinv, lstsq, lib = target.pinv, target.lstsq, target.library
    assert pinv is not None  # the check needs both
    assert lstsq is not None
    a = lib.asarray(case.recipe.array(case.dtype), case.dtype)
    b = lib.asarray(m.integers(case.recipe.shape[0], 3, seed=8).array(case.dtype), case.dtype)
    calls: dict[str, Callable[[], Any]] = {
        "pinv": lambda: pinv(a),
        "lstsq": lambda: lstsq(a, b),
    }
    if not lib.compiles:
        calls["lstsq without a column"] = lambda: lstsq(a, b[:, :0])
    if target.claims("method") and not lib.compiles:
        calls['pinv, method="svd"'] = lambda: pinv(a, method="svd")
    if target.claims("singular_values") and not lib.compiles:
        calls["singular_values"] = lambda: lstsq(a, b, singular_values=True)
    for name, call in calls.items():
        with _printed() as said, warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            try:
                call()
            except (Warning, ArithmeticError) as noise:
                expect(False, f"{name}: {type(noise).__name__}: {noise}")
        expect(not said, f"{name} printed {said}")


@contextlib.contextmanager
def _printed() -> Iterator[list[str]]:
    """Collect what is written to the standard streams, below Python, too."""
    said: list[str] = []
    saved = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            for fd in (1, 2):
                os.dup2(file.fileno(), fd)
            yield said
        finally:
            for fd, old in zip((1, 2), saved, strict=True):
                os.dup2(old, fd)
                os.close(old)
        file.seek(0)
        said.extend(file.read().decode(errors="replace").split("\n")[:-1])


def _lengths(target: Target, level: str) -> Iterator[Case]:
    del level
    column = m.tiled(m.integers(1, 1, seed=6), LONG)
    yield Case(column, "float32", "pinv")
    if not target.library.compiles:
        yield Case(column, "float32", "lstsq")
    for name in ("jax.jit", "torch.compile"):
        if name in target.library.transformations:
            yield Case(column, "float32", name, (name,))
    if not target.library.compiles:
        yield Case(m.adjoint(column), "float32", "pinv")


@check("P20", needs=("pinv", "lstsq", "rtol", "lstsq rtol", "cutoff warning"), cases=_lengths)
def cutoff_warning(target: Target, case: Case) -> None:
    """CutoffWarning where max(M, N)·eps > 0.01 and no tolerance is given, and only there."""
    given = target.library.asarray(case.recipe.array("float32"))
    function = target.lstsq if case.variant == "lstsq" else target.pinv
    assert function is not None  # the check needs both

    def warned(a: Any, **options: Any) -> list[str]:
        def call(a: Any) -> Any:
            return function(a, *((a[:, :1],) if case.variant == "lstsq" else ()), **options)

        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            if case.arguments:
                target.library.transformations[case.arguments[0]](call, a)
            else:
                call(a)
        return [str(w.message) for w in found if w.category.__name__ == "CutoffWarning"]

    texts = warned(given)
    expect(len(texts) == 1, f"{len(texts)} warnings for the shape {tuple(given.shape)}, not one")
    expect("Hint:" in texts[0], f"the warning does not say what to pass: {texts[0]!r}")
    if case.arguments:
        return
    expect(not warned(given, rtol=1e-6), "a warning though rtol=1e-6 is given")
    if not target.library.compiles:
        shorter = given[1:, :] if given.shape[0] == LONG else given[:, 1:]
        expect(not warned(shorter), "a warning for one entry less")
        double = target.library.xp.astype(given, target.library.dtype("float64"))
        expect(not warned(double), "a warning for float64")
