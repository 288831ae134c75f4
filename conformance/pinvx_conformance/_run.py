"""Run checks over targets: the one loop that the command line, pytest and the library API share."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context

from pinvx_conformance import _checks  # noqa: F401 — importing registers the checks
from pinvx_conformance._check import CHECKS, PROMISES, Case, Check, Outcome, judge, missing
from pinvx_conformance._targets import Target, introduce, target

LEVELS = ("quick", "full")


@dataclass(frozen=True)
class Plan:
    """Which part of the suite to run; empty means everything."""

    level: str = "full"
    promises: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def checks(self) -> Iterator[Check]:
        """Yield the checks of the wanted promises, P1 first."""
        for one in sorted(CHECKS.values(), key=lambda c: (int(c.promise[1:]), c.name)):
            if one.promise not in self.skipped and one.promise in (self.promises or PROMISES):
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


# What is judged at a time. The truth about a matrix, and what a library compiles for it, belong to
# one dtype: parts of one dtype find them in the process that judged such a part before.
PARTS = (
    ("float64",),
    ("complex128",),
    ("float32", "float16", "bfloat16", "int32", "int64", "uint8", "bool"),
    ("complex64",),
)


def judge_part(name: str, namespace: str | None, plan: Plan) -> tuple[Verdict, Target]:
    """Judge a target in some dtypes, by itself; return its answers for P15, too."""
    from pinvx_conformance._witness import witness

    start = time.perf_counter()
    with _quiet():
        judged = target(name, namespace)
        outcomes = tuple(o for o in run(judged, replace(plan, skipped=("P15",))))
        told = witness(judged, plan)  # P15's questions, if the plan has any
    lib, seconds = judged.library, time.perf_counter() - start
    return Verdict(judged.name, judged.version, lib.name, lib.version, seconds, outcomes), told


def compare_all(witnesses: list[Target], plan: Plan) -> list[tuple[Outcome, ...]]:
    """Compare every target with every other (P15), from what they answered."""
    others = tuple(p for p in PROMISES if p != "P15")
    return [tuple(run(one, replace(plan, skipped=others))) for one in introduce(witnesses)]


def parts_of(plan: Plan) -> list[Plan]:
    """Return the plan dtype by dtype, the longest part first."""
    wanted = [tuple(d for d in part if not plan.dtypes or d in plan.dtypes) for part in PARTS]
    return [replace(plan, dtypes=part) for part in wanted if part]


def run_all(
    names: Iterable[str],
    plan: Plan,
    *,
    namespace: str | None = None,
    jobs: int = 1,
    done: Callable[[str], None] = lambda _: None,
) -> list[Verdict]:
    """Run every target in every dtype, `jobs` at a time, and compare the targets at the end."""
    names, parts = list(names), parts_of(plan)
    # What compiles takes longest, so it starts first.
    order = sorted(names, key=lambda name: "jax" not in name)
    verdicts: dict[str, list[Verdict]] = {name: [] for name in names}
    told: dict[tuple[str, Plan], Target] = {}
    # Fresh processes: JAX and PyTorch do not survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(judge_part, name, namespace, part): (name, part)
            for part in parts
            for name in order
        }
        for future in as_completed(waiting):
            name, part = waiting[future]
            verdict, told[name, part] = future.result()
            verdicts[name].append(verdict)
            done(f"{name}, {part.dtypes[0]}")
        compared = [
            pool.submit(compare_all, [told[n, part] for n in names], part) for part in parts
        ]
        agreement: dict[str, list[Outcome]] = {name: [] for name in names}
        for future_outcomes in compared:
            for name, outcomes in zip(names, future_outcomes.result(), strict=True):
                agreement[name].extend(outcomes)
        done("agreement")
    return [_merged(verdicts[name], agreement[name]) for name in names]


def _merged(parts: list[Verdict], agreement: list[Outcome]) -> Verdict:
    # What is not applicable is said in every part, and once is enough.
    found = dict.fromkeys(o for part in parts for o in part.outcomes)
    every = (*found, *dict.fromkeys(agreement))
    outcomes = sorted(every, key=lambda o: (int(o.promise[1:]), o.check))
    return replace(parts[0], seconds=sum(p.seconds for p in parts), outcomes=tuple(outcomes))


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
