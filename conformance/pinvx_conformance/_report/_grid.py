"""The grid that every report shows: one cell for each promise and target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pinvx_conformance._check import PROMISES, Outcome
from pinvx_conformance._run import Verdict


@dataclass
class Cell:
    """What a target did with a promise."""

    passed: int = 0
    failures: list[Outcome] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    worst: Outcome | None = None

    @property
    def status(self) -> str:
        """One of "fail" (anything failed), "pass" (something passed) and "n/a"."""
        return "fail" if self.failures else "pass" if self.passed else "n/a"

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.status == "n/a":
            if outcome.message not in self.reasons.values():
                known = outcome.check in self.reasons
                name = f"{outcome.check}, {outcome.label}" if known else outcome.check
                self.reasons[name] = outcome.message
            return
        if outcome.status == "fail":
            self.failures.append(outcome)
        else:
            self.passed += 1
        if self.worst is None or outcome.units > self.worst.units:
            self.worst = outcome

    @property
    def text(self) -> str:
        """The cell in few characters: a sign, failures of all cases, the worst error in bounds."""
        if self.status == "n/a":
            return "–"
        if self.failures:
            return f"✗ {len(self.failures)}/{len(self.failures) + self.passed}"
        units = f" {self.worst.units:.2g}" if self.worst and self.worst.units > 0 else ""
        return f"✓{units}"


@dataclass(frozen=True)
class Grid:
    """Promises × targets."""

    promises: Sequence[str]
    verdicts: Sequence[Verdict]
    cells: dict[tuple[str, str], Cell]

    @property
    def failed(self) -> bool:
        """Whether any target broke any promise."""
        return any(cell.failures for cell in self.cells.values())


def grid_of(verdicts: Iterable[Verdict]) -> Grid:
    """Sort outcomes into cells."""
    verdicts = list(verdicts)
    seen = {o.promise for v in verdicts for o in v.outcomes}
    promises = [p for p in PROMISES if p in seen]
    cells = {(p, v.target): Cell() for p in promises for v in verdicts}
    for verdict in verdicts:
        for outcome in verdict.outcomes:
            cells[outcome.promise, verdict.target].add(outcome)
    return Grid(promises, verdicts, cells)
