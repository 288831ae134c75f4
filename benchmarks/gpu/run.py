"""Measure one library on a device, in a process of its own: `python -m benchmarks.gpu.run`.

Each cell is written to a file as one line of JSON as soon as it is measured. A process that starts
again leaves out the cells in the file, and a cell in which the process before it died.
"""

from __future__ import annotations

import argparse
import json
import operator
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..contenders import Contender, Match, contender, installed
from . import matrices
from .cell import PATIENCE, GpuCell, foreseen, measure, seconds_of
from .forecast import Forecast
from .grid import Task, tasks
from .operations import product

OVER = 3
"""The exit status when the time was over before the last cell."""
BROKEN = 4
"""The exit status when the device gives no more answers to this process."""


def main() -> int:
    """Measure as much as there is time for."""
    chosen = _options().parse_args()
    end = time.monotonic() + chosen.seconds
    if not installed(chosen.library):
        print(f"{chosen.library} is not installed", file=sys.stderr)
        return 2
    library = contender(chosen.library)
    found = [d for d in library.devices() if d.partition(":")[0] == chosen.device]
    if not found:
        print(f"{chosen.library} finds no device {chosen.device}", file=sys.stderr)
        return 2
    with chosen.file.open("a", encoding="utf-8") as file:
        session = Session(library, found[0], file, small=chosen.small)
        session.resume(chosen.file)
        return session.run(end)


class Session:
    """A library on a device, the file of its cells, and what is known from it."""

    def __init__(self, library: Contender, device: str, file: IO[str], *, small: bool) -> None:
        self.library, self.device, self.file, self.small = library, device, file, small
        self.budget = 0.01 if small else 0.1
        self.forecast = Forecast()
        self.done: set[tuple[str, ...]] = set()
        self.rates: dict[str, float] = {}
        self._made: tuple[tuple[Any, ...], matrices.Factors] | None = None

    def resume(self, path: Path) -> None:
        """Learn from the cells in a file, and close those in which a process died."""
        cells, begun = read(path)
        if path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n"):
            self.file.write("\n")  # the last line was cut when the process was ended
        for cell in cells:
            self.done.add(cell.key)
            for side in ("own", "pinvx"):
                if (seconds := getattr(cell, f"{side}_seconds")) is not None:
                    self.forecast.learn(side, cell, seconds)
        for cell in begun:
            if cell.key not in self.done:
                cell.own_failed = cell.pinvx_failed = "the process ended in this cell"
                self._keep(cell)

    def run(self, end: float) -> int:
        """Measure what is not done yet; return the exit status."""
        self._write(about=self._about())
        over = False
        for task in tasks(small=self.small):
            blank = [m for m in self._matches(task) if self._blank(m, task).key not in self.done]
            wanted = [match for match in blank if self._fits(match, task, end)]
            over = over or len(wanted) < len(blank)
            if time.monotonic() > end:
                break
            if wanted:
                over = self._task(task, wanted, end) or over
        return OVER if over else 0

    def _task(self, task: Task, wanted: list[Match], end: float) -> bool:
        """Measure functions on one matrix; tell whether the time was over before the last."""
        try:
            arguments = self._arguments(task, wanted)
        except Exception as failure:  # out of memory, say
            for match in wanted:
                self._fail(self._blank(match, task), failure)
            return False
        for match in wanted:
            if not self._fits(match, task, end):
                return True
            blank = self._blank(match, task)
            self._write(begun=blank.to_dict())
            try:
                cell = self._cell(match, task, arguments[match.function])
            except Exception as failure:
                self._fail(blank, failure)
            else:
                self._keep(cell)
        return False

    def _arguments(self, task: Task, wanted: list[Match]) -> dict[str, list[Any]]:
        """Return the arrays for each function, and let a library compile for them."""
        library, device = self.library, self.device
        with library.scope(device):
            if task.dtype not in self.rates:
                self.rates[task.dtype] = self._product_rate(task.dtype)
                self._write(rates=self.rates)
            a = matrices.matrix(library, device, self._factors(task), task.dtype)
            b = matrices.right_hand_side(library, device, task, a)
            arguments = {"pinv": [a], "lstsq": [a, b]}
            if library.compiles:
                library.prepare(
                    [
                        (function, arguments[match.function])
                        for match in wanted
                        for function in match.rivals(task.shape, 0.0)[:2]
                    ]
                )
        return arguments

    def _cell(self, match: Match, task: Task, arrays: list[Any]) -> GpuCell:
        library, device = self.library, self.device
        cell = measure(
            library,
            device,
            match,
            task,
            arrays,
            self.forecast,
            budget=self.budget,
            rates=self.rates,
        )
        if match.mode == "forward":
            function = library.product(match.function)
            cell.product_seconds = seconds_of(library, device, function, arrays, self.budget / 4)
        return cell

    def _fail(self, cell: GpuCell, failure: Exception) -> None:
        """Keep a failure, which is a result, too."""
        cell.pinvx_failed = f"{type(failure).__name__}: {failure}".splitlines()[0][:160]
        self._keep(cell)

    def _matches(self, task: Task) -> Iterator[Match]:
        known = [*self.library.matches(), self.library.hermitian()]
        for function, mode in task.functions:
            for match in known:
                if match is not None and (match.function, match.mode) == (function, mode):
                    yield match

    def _blank(self, match: Match, task: Task) -> GpuCell:
        """Return a cell without figures."""
        return GpuCell(
            self.library.name,
            self.device,
            match.function,
            match.mode,
            match.own,
            task.dtype,
            task.kind,
            str(task.shape),
        )

    def _fits(self, match: Match, task: Task, end: float) -> bool:
        """Tell whether there is time for a cell, by its forecast."""
        cell = self._blank(match, task)
        sides = (foreseen(self.library, self.forecast, side, cell) for side in ("own", "pinvx"))
        # A call with too long a forecast is not made.
        expected = sum(seconds for seconds in sides if seconds <= PATIENCE)
        return time.monotonic() + expected <= end

    def _factors(self, task: Task) -> matrices.Factors:
        """Return the factors of a matrix: those of the last one, where only its dtype differs."""
        key = (task.shape, task.kind, "complex" in task.dtype)
        if self._made is None or self._made[0] != key:
            self._made = None  # its memory first
            made = matrices.factors(
                task.shape, task.kind, is_complex=key[2], hermitian=task.hermitian
            )
            self._made = (key, made)
        return self._made[1]

    def _product_rate(self, dtype: str) -> float:
        """Return the operations per second of a product of large matrices."""
        n = 256 if self.small else 4096
        x = matrices.normal([n], (n, n), is_complex="complex" in dtype)
        x = self.library.cast(self.library.array(x, self.device, gradient=False), dtype)
        seconds = seconds_of(self.library, self.device, operator.matmul, [x, x], self.budget)
        return product(n, dtype) / seconds

    def _about(self) -> dict[str, Any]:
        name = self.library.device_name(self.device)
        return {
            "library": self.library.name,
            "device": self.device,
            "name": name,
            "versions": self.library.versions(),
        }

    def _keep(self, cell: GpuCell) -> None:
        self.done.add(cell.key)
        self._write(cell=cell.to_dict())
        ratio = "-" if cell.ratio is None else f"{cell.ratio:.2f}"
        words = (cell.library, cell.shape, cell.dtype, cell.kind, cell.function, ratio)
        print(*words, cell.own_failed, cell.pinvx_failed, flush=True)
        # After such an error every call in this process fails; a new process works.
        if broken(cell.own_failed) or broken(cell.pinvx_failed):
            raise SystemExit(BROKEN)

    def _write(self, **line: Any) -> None:
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.file.flush()


def broken(failure: str) -> bool:
    """Tell whether an error is one of the device, and not of a function or of memory."""
    words = failure.lower().replace("_", " ")
    return ("cuda error" in words or "cudaerror" in words) and "out of memory" not in words


def read(path: Path) -> tuple[list[GpuCell], list[GpuCell]]:
    """Return the cells in a file, and those that were begun."""
    found: dict[str, list[GpuCell]] = {"cell": [], "begun": []}
    for line in lines(path):
        for kind, cells in found.items():
            if kind in line:
                cells.append(GpuCell.from_dict(line[kind]))
    return found["cell"], found["begun"]


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file; the last may have been cut when the process was ended."""
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8").splitlines():
        with suppress(json.JSONDecodeError):
            yield json.loads(text)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.run")
    parser.add_argument("library")
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--small", action="store_true")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
