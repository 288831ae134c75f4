"""A target: the functions that are judged, the library whose arrays they take, what they claim."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pinvx_conformance._libraries import Library, available, library

Function = Callable[..., Any]

# What pinvx promises and nobody else has to.
OF_PINVX = {
    "rcond": "another name for rtol is pinvx's own habit",
    "positional rtol": "where an option may stand is pinvx's own habit",
    "any number": "NumPy scalars and huge integers as tolerances are pinvx's own promise",
    "messages": "the wording of messages is judged for pinvx alone",
    "cutoff warning": "this warning is pinvx's own",
    "quiet": "that no value makes a noise is pinvx's own promise",
}


class Solved(NamedTuple):
    """The four things that every least-squares function is asked for."""

    x: Any
    residuals: Any
    rank: Any
    s: Any


@dataclass(frozen=True)
class Cutoff:
    """A documented default: σ counts above (fixed + eps·short + p·eps·long)·σ₁, p = max(M, N)."""

    words: str = "max(M, N)·eps"
    long: float = 1.0
    short: float = 0.0
    fixed: float = 0.0

    def of(self, p: int, eps: float) -> float:
        """Return the cutoff relative to σ₁."""
        return self.fixed + eps * self.short + p * eps * self.long


@dataclass(frozen=True, eq=False)
class Target:
    """Functions on trial.

    ``pinv(a, **options)`` takes the canonical options rtol, atol, hermitian and return_rank, as far
    as the target claims them; ``lstsq(a, b, **options)`` takes the tolerances and returns a
    `Solved`.

    Attributes
    ----------
    name : str
        As it appears in every report.
    library : Library
        Whose arrays the functions take.
    pinv, lstsq : callable or None
    svd : callable or None
        The SVD that P6 compares with; None for the one in the library's namespace.
    closed_forms : mapping of str to callable
        ``pinv_jvp``, ``pinv_vjp``, ``lstsq_jvp``, ``lstsq_vjp``, where there are such functions.
    lacks : mapping of str to str
        A feature that is not claimed, and why: the checks that need it are "not applicable".
    cutoffs : mapping of str to Cutoff
        The documented defaults of "pinv" and "lstsq" where they are not the contract's: P15
        compares two targets where neither default decides what counts.
    peers : list of Target
        The others of this run: P15 compares with them.
    answers : mapping, optional
        What the functions gave in another process: then nothing is called (`_witness`).
    version : str
    """

    name: str
    library: Library
    pinv: Function | None = None
    lstsq: Function | None = None
    svd: Function | None = None
    closed_forms: Mapping[str, Function] = field(default_factory=dict)
    declared: Mapping[str, str] = field(default_factory=dict)
    cutoffs: Mapping[str, Cutoff] = field(default_factory=dict)
    peers: list[Target] = field(default_factory=list)
    answers: Mapping[Any, Any] | None = None
    version: str = ""

    @functools.cached_property
    def lacks(self) -> Mapping[str, str]:
        """Every feature that is not claimed: by the target, its library, or its absence."""
        found = {**self.library.lacks, **self.declared}
        for name, function in (("pinv", self.pinv), ("lstsq", self.lstsq)):
            if function is None:
                found[name] = f"{self.name} has no {name}"
        for name in ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp"):
            if name not in self.closed_forms:
                found.setdefault(name, f"{self.name} has no closed form {name}")
        if not self.library.half:
            found.setdefault("half", f"{self.library.name} has no half precision")
        if not self.library.writeable:
            found.setdefault("out", f"arrays of {self.library.name} cannot be written to")
        else:
            found.setdefault("immutable out", f"arrays of {self.library.name} can be written to")
        if self.library.host_reads is None:
            found.setdefault("host reads", f"{self.library.name} does not count reads")
        return found

    def reason(self, feature: str) -> str | None:
        """Return why a feature is not claimed, or None."""
        if feature == "peers":
            return None if self.peers else "it is the only target of this run"
        return self.lacks.get(feature)

    def claims(self, feature: str) -> bool:
        """Whether the target claims a feature."""
        return self.reason(feature) is None


def _pinvx(name: str) -> Target:
    import pinvx  # the one target that may import it

    lib = library(name)

    def lstsq(a: Any, b: Any, *rtol: Any, **options: Any) -> Solved:
        return Solved(*pinvx.lstsq(a, b, *rtol, **options))

    return Target(
        name=f"pinvx@{name}",
        library=lib,
        pinv=pinvx.pinv,
        lstsq=lstsq,
        closed_forms={
            f: getattr(pinvx, f) for f in ("pinv_jvp", "pinv_vjp", "lstsq_jvp", "lstsq_vjp")
        },
        version=str(getattr(pinvx, "__version__", "unknown")),
    )


@functools.cache
def target(name: str, namespace: str | None = None) -> Target:
    """Return the target of that name.

    Parameters
    ----------
    name : str
        ``pinvx@LIBRARY``; a library's name (its own functions); or ``module:function``.
    namespace : str, optional
        For ``module:function``: the library whose arrays the function takes.
    """
    from pinvx_conformance import _own

    if name.startswith("pinvx@"):
        return _pinvx(name.removeprefix("pinvx@"))
    if name in _own.OWN:
        return _own.own(name)
    if ":" in name:
        return _of_function(name, namespace)
    raise ValueError(
        f"No target {name!r}.\n"
        f"Hint: pinvx@LIBRARY, one of {', '.join(_own.OWN)}, or module:function with --namespace."
    )


def _of_function(name: str, namespace: str | None) -> Target:
    module, _, attribute = name.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    kind = "lstsq" if "lstsq" in attribute else "pinv"
    return stranger(function, namespace or module.partition(".")[0], name=name, kind=kind)


def stranger(function: Function, namespace: str, *, name: str = "", kind: str = "pinv") -> Target:
    """Return a target for somebody's function, its claims read from its signature."""
    try:
        known = set(inspect.signature(function).parameters)
    except ValueError:  # some compiled functions show no signature
        known = set()
    wanted = ("rtol", "atol", "hermitian", "return_rank", "out", "method")
    lacks = {o: f"its signature has no {o}" for o in wanted if o not in known}
    if "out" in lacks:
        lacks["immutable out"] = lacks["out"]
    lacks |= OF_PINVX
    lacks |= dict.fromkeys(("array tolerances", "half", "integers"), "a signature does not tell")
    lib = library(namespace)
    bare = function.func if isinstance(function, functools.partial) else function
    title = name or getattr(bare, "__qualname__", type(bare).__name__)
    if kind == "pinv":
        return Target(title, lib, pinv=function, declared=lacks)
    lacks["singular_values"] = "a signature does not tell"
    lacks |= {f"lstsq {o}": lacks[o] for o in ("rtol", "atol", "method") if o in lacks}
    return Target(
        title,
        lib,
        lstsq=lambda a, b, **o: Solved(*function(a, b, **o)),
        declared=lacks,
    )


def every_target() -> list[str]:
    """Return the names of the targets that can run on this machine."""
    from pinvx_conformance import _own

    libraries = list(available())
    names = [f"pinvx@{name}" for name in libraries] if importlib.util.find_spec("pinvx") else []
    return names + [n for n in _own.OWN if _own.present(n, libraries)]


def introduce(targets: Iterable[Target]) -> list[Target]:
    """Tell each target about the others."""
    known = list(targets)
    for one in known:
        one.peers[:] = [t for t in known if t is not one]
    return known
