"""Run checks over targets: the one loop that the command line, pytest and the library API share."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from pinvx_conformance import _checks  # noqa: F401 — importing registers the checks
from pinvx_conformance._check import CHECKS, Case, Check, Outcome, judge, missing
from pinvx_conformance._targets import Target, introduce, target

LEVELS = ("quick", "full")


@dataclass(frozen=True)
class Plan:
    """Which part of the suite to run; empty means everything."""

    level: str = "full"
    promises: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()

    def checks(self) -> Iterator[Check]:
        """Yield the checks of the wanted promises, P1 first."""
        for one in sorted(CHECKS.values(), key=lambda c: (int(c.promise[1:]), c.name)):
            if not self.promises or one.promise in self.promises:
                yield one

    def cases(self, one: Check, judged: Target) -> Iterator[Case]:
        """Yield the cases of one check in the wanted dtypes."""
        for case in one.cases(judged, self.level):
            if not self.dtypes or case.dtype in self.dtypes:
                yield case


def not_claimed(judged: Target, one: Check) -> Outcome | None:
    """Return the "not applicable" outcome of a check that the target does not claim, or None."""
    reason = missing(judged, one)
    if reason is None:
        return None
    return Outcome(judged.name, one.promise, one.name, "n/a", message=reason)


def run(judged: Target, plan: Plan) -> Iterator[Outcome]:
    """Yield the outcome of every check on every case of one target."""
    for one in plan.checks():
        skipped = not_claimed(judged, one)
        if skipped is not None:
            yield skipped
            continue
        for case in plan.cases(one, judged):
            yield judge(judged, one, case)


@dataclass(frozen=True)
class Verdict:
    """Everything that was found out about one target."""

    target: str
    version: str
    library: str
    library_version: str
    seconds: float
    outcomes: tuple[Outcome, ...]


def run_last(names: tuple[str, ...], namespace: str | None, plan: Plan) -> Verdict:
    """Run the last of some targets; P15 compares it with those before it."""
    start = time.perf_counter()
    with _quiet():
        *_, last = introduce(target(name, namespace) for name in names)
        outcomes = tuple(run(last, plan))
    lib, seconds = last.library, time.perf_counter() - start
    return Verdict(last.name, last.version, lib.name, lib.version, seconds, outcomes)


def in_order(names: Iterable[str]) -> list[str]:
    """Put JAX last: comparing with it means compiling, and so only JAX's own process does that."""
    return sorted(names, key=lambda name: "jax" in name)


def tasks(names: Iterable[str]) -> list[tuple[str, ...]]:
    """One task for each target, the slow ones first: itself, after the others of its family."""
    names = in_order(names)
    ours = [n for n in names if n.startswith("pinvx@")]
    groups = [(*ours[:i], name) for i, name in enumerate(ours)]
    groups += [(name,) for name in names if name not in ours]
    return sorted(groups, key=lambda group: "jax" not in group[-1])


def run_all(
    names: Iterable[str],
    plan: Plan,
    *,
    namespace: str | None = None,
    jobs: int = 1,
    done: Callable[[str], None] = lambda _: None,
) -> list[Verdict]:
    """Run every target in a process of its own, `jobs` at a time."""
    names = list(names)
    results: dict[str, Verdict] = {}
    # Fresh processes: JAX and PyTorch do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(run_last, t, namespace, plan): t[-1] for t in tasks(names)}
        for future in as_completed(waiting):
            results[waiting[future]] = future.result()
            done(waiting[future])
    return [results[name] for name in names]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send LAPACK's complaints about NaN, written straight to the file descriptor, nowhere."""
    saved = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nowhere:
        for fd in (1, 2):
            os.dup2(nowhere.fileno(), fd)
        try:
            yield
        finally:
            for fd, old in zip((1, 2), saved, strict=True):
                os.dup2(old, fd)
                os.close(old)
