"""The pytest plugin: ``pytest -p pinvx_conformance.plugin --pyargs pinvx_conformance --target …``.

Files that third parties own, given by --skips-file and --xfails-file, hold one id a line, shell
wildcards allowed, and comments after "#". An id is a check ("P11-one_matrix"), or a check and a
case ("P6-forward_error-hilbert-4-4-float32"). An id that matches nothing gives a warning.
"""

from __future__ import annotations

import fnmatch
import warnings
from pathlib import Path
from typing import Any

import pytest

from pinvx_conformance import _run
from pinvx_conformance._check import PROMISES
from pinvx_conformance._run import Plan
from pinvx_conformance._targets import Target, introduce, target

FILES = {"skips": pytest.mark.skip, "xfails": pytest.mark.xfail}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, in the ways of array-api-tests."""
    group = parser.getgroup("pinvx conformance")
    add = group.addoption
    add("--target", action="append", default=[], help="pinvx@torch, numpy, module:function, …")
    add("--namespace", default=None, help="for module:function, the library of its arrays")
    add("--level", choices=_run.LEVELS, default="full", help="how much of the gallery")
    add("--promises", default="", help="for example P5,P6")
    add("--dtypes", default="", help="for example float32,complex128")
    add("--max-examples", type=int, default=30, help="of each Hypothesis test")
    add("--derandomize", action="store_true", help="the same Hypothesis examples every time")
    add("--skips-file", default=None, help="ids to skip")
    add("--xfails-file", default=None, help="ids that are known to fail")


def targets_of(config: pytest.Config) -> list[Target]:
    """Return the targets named on the command line."""
    names = config.getoption("--target")
    if not names:
        raise pytest.UsageError(
            "No target is named.\nHint: pass --target pinvx@numpy, or --target module:pinv "
            "--namespace module."
        )
    return introduce(target(name, config.getoption("--namespace")) for name in names)


def plan_of(config: pytest.Config) -> Plan:
    """Return the part of the suite that the command line asks for."""
    words = {k: config.getoption(f"--{k}") for k in ("promises", "dtypes")}
    promises, dtypes = (tuple(w for w in words[k].split(",") if w) for k in ("promises", "dtypes"))
    unknown = [p for p in promises if p not in PROMISES]
    if unknown:
        raise pytest.UsageError(f"No promise {unknown}.\nHint: P1 to P{len(PROMISES)}.")
    return Plan(config.getoption("--level"), promises, dtypes)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of every check, case and target."""
    if "judged" in metafunc.fixturenames:
        targets = targets_of(metafunc.config)
        metafunc.parametrize("judged", targets, ids=[t.name for t in targets])
        return
    if "trial" not in metafunc.fixturenames:
        return
    plan, trials, ids = plan_of(metafunc.config), [], []
    for judged in targets_of(metafunc.config):
        for one in plan.checks():
            skipped = _run.not_claimed(judged, one)
            cases: list[Any] = [None] if skipped else list(plan.cases(one, judged))
            for case in cases:
                trials.append((judged, one, case, skipped))
                label = f"-{case.label}" if case else ""
                ids.append(f"{judged.name}::{one.id}{label}")
    metafunc.parametrize("trial", trials, ids=ids)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, keep what belongs together in one process."""
    if config.getoption("dist") != "loadgroup":
        return None
    from pinvx_conformance._schedule import Scheduling  # where pytest-xdist is, and nowhere else

    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what the third party's files name, and warn of names that match nothing."""
    for kind, mark in FILES.items():
        path = config.getoption(f"--{kind}-file")
        if path is None:
            continue
        for pattern, reason in read_ids(Path(path)):
            found = [item for item in items if _matches(item, pattern)]
            for item in found:
                item.add_marker(mark(reason=reason or f"in {path}"))
            if not found:
                warnings.warn(f"{pattern!r} in {path} matches no test", stacklevel=1)


def read_ids(path: Path) -> list[tuple[str, str]]:
    """Return the ids of a file with the comments beside them."""
    lines = (line.partition("#") for line in path.read_text().splitlines())
    return [(name.strip(), comment.strip()) for name, _, comment in lines if name.strip()]


def _matches(item: pytest.Item, pattern: str) -> bool:
    if not hasattr(item, "callspec"):
        return False
    name = item.callspec.id.rpartition("::")[2]
    literal = pattern.replace("[", "[[]")
    return fnmatch.fnmatchcase(name, literal) or name.startswith(f"{pattern}-")
