"""A plugin for pytest that keeps each result as soon as it is there, and leaves out known ones.

    pytest -p benchmarks.gpu.record --record results.jsonl --known results-before.jsonl

The known results are in another file, which does not change while tests are collected: with
pytest-xdist every process has to collect the same tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two files."""
    group = parser.getgroup("record")
    group.addoption("--record", type=Path, help="append the result of each test to this file")
    group.addoption("--known", type=Path, help="do not run the tests with a result in this file")


def pytest_configure(config: pytest.Config) -> None:
    """Record in the process that hears of all tests."""
    if config.option.record is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config.option.record))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what has a result."""
    if config.option.known is None:
        return
    known = set(results(config.option.known))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in known])
    items[:] = [item for item in items if item.nodeid not in known]


class Recorder:
    """Writes a line of JSON a test, and one with the number of tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counted = False
        if path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n"):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")  # the last line was cut when the process was ended

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of this process."""
        self._count(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Count the tests of a process of pytest-xdist: each has the same."""
        self._count(len(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the outcome: of the call, or of what failed or skipped before or after it."""
        if report.when != "call" and report.passed:
            return
        outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
        line = {"test": report.nodeid, "outcome": outcome, "seconds": round(report.duration, 3)}
        if outcome == "failed":
            crash = getattr(report.longrepr, "reprcrash", None)
            text = getattr(crash, "message", None) or report.longreprtext
            line["message"] = " ".join(text.split())[:300]
            line["traceback"] = report.longreprtext[-4000:]
        self._write(**line)

    def _count(self, number: int) -> None:
        if number and not self.counted:
            self.counted = True
            self._write(collected=number)

    def _write(self, **line: Any) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def results(path: Path) -> dict[str, dict[str, Any]]:
    """Return the last result of each test in a file, by the test's id."""
    found = {}
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:  # cut off when the process was ended
                continue
            if "test" in line:
                found[line["test"]] = line
    return found


def collected(path: Path) -> int:
    """Return how many tests there are: those of the last run, and the ones known before it."""
    total = 0
    known: set[str] = set()
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text) if text.endswith("}") else {}
            if "collected" in line:
                total = line["collected"] + len(known)
            elif "test" in line:
                known.add(line["test"])
    return max(total, len(known))
