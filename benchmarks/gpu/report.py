"""The results of all parts, as Markdown and in a few lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import markdown, summary, table
from ..grid import KINDS, Shape
from ..report import Column, Report
from ..table import Table, number, seconds
from . import record, run
from .cell import GpuCell
from .parts import LIBRARIES

SHOWN = 60
"""Failed tests that are listed; the file has them all."""


def write(folder: Path) -> str:
    """Write the report into the folder, as Markdown and in JSON, and return the Markdown."""
    text = "\n".join(_document(folder)) + "\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    found = {
        "machine": _json(folder / "machine.json"),
        "parts": _json(folder / "parts.json"),
        "tests": {name: _counts(folder, name) for name in _tests(folder)},
        "cells": [cell.to_dict() for cell in cells(folder)],
    }
    dump = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "report.json").write_text(dump + "\n", encoding="utf-8")
    return text


def lines(folder: Path) -> Iterator[str]:
    """Yield what a terminal shows: the parts, and where the report is."""
    for name, part in _json(folder / "parts.json").items():
        words = _result(folder, name)
        yield f"{name}: {part['status']} after {part['seconds']:.0f} s{f': {words}' * bool(words)}"
    yield f"report: {folder / 'report.md'}"


def cells(folder: Path) -> list[GpuCell]:
    """Return the cells of all libraries."""
    return [
        cell for library in LIBRARIES for cell in run.read(folder / f"benchmark-{library}.jsonl")[0]
    ]


def _document(folder: Path) -> Iterator[str]:
    machine = _json(folder / "machine.json")
    names = [gpu["name"] for gpu in machine.get("gpus", ())] or _devices(folder)
    yield f"# pinvx on {', '.join(names) or machine.get('cpu', 'a machine')}"
    yield ""
    yield from (f"- {line}" for line in _conditions(machine))
    yield from markdown.section(_parts(folder))
    if (folder / "main.txt").is_file():
        text = (folder / "main.txt").read_text(encoding="utf-8").rstrip()
        yield from ("", "## The main job: `python -m pinvx`", "", "```", text, "```")
    for name in _tests(folder):
        yield from _failed_tests(folder, name)
    for name in ("conformance", "conformance-own"):
        if (folder / f"{name}.md").is_file():
            yield from ("", f"## {name.replace('-own', ' of the libraries’ own functions')}", "")
            yield (folder / f"{name}.md").read_text(encoding="utf-8").strip()
    yield from _benchmark(folder)


def _devices(folder: Path) -> list[str]:
    """Return what the libraries call their device, where the driver's own tool is missing."""
    found = [
        line["about"]["name"]
        for library in LIBRARIES
        for line in run.lines(folder / f"benchmark-{library}.jsonl")
        if "about" in line
    ]
    return list(dict.fromkeys(filter(None, found)))


def _conditions(machine: dict[str, Any]) -> Iterator[str]:
    """Yield where it was done, one thing a line."""
    if not machine:
        return
    yield f"{machine['date']}, commit {machine['commit'] or 'unknown'}"
    for gpu in machine["gpus"]:
        yield f"{gpu['name']}, driver {gpu['driver_version']}, {gpu['memory.total']}"
    yield f"{machine['cpu']}, {machine['cpus']} processors, {machine['system']}"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    for name, value in machine["variables"].items():
        yield f"`{name}={value}`"


def _parts(folder: Path) -> Table:
    rows = [
        (name, part["status"], f"{part['seconds']:.0f} s", _result(folder, name))
        for name, part in _json(folder / "parts.json").items()
    ]
    legend = "stopped: its time was over, and the next run goes on from there."
    return Table("Parts", ("part", "", "took", "result"), rows, 2, legend)


def _result(folder: Path, name: str) -> str:
    """Return what came out of a part, in a few words."""
    if name.startswith("tests"):
        counts = _counts(folder, name)
        words = [f"{counts[kind]} {kind}" for kind in counts if kind != "collected"]
        return ", ".join(words) + f" of {counts['collected']}"
    if name.startswith("conformance"):
        verdicts = _json(folder / f"{name}.json").get("verdicts", ())
        words = []
        for verdict in verdicts:
            failed = sum(outcome["status"] == "failed" for outcome in verdict["outcomes"])
            words.append(f"{verdict['target']} {failed} failed of {len(verdict['outcomes'])}")
        return ", ".join(words)
    if name.startswith("benchmark"):
        found = run.read(folder / f"{name}.jsonl")[0]
        faster = sum((cell.ratio or 0) > 1 for cell in found)
        return f"{len(found)} cells, pinvx faster in {faster}"
    return ""


def _tests(folder: Path) -> list[str]:
    names = ("tests", "tests-jax")
    return [name for name in names if (folder / f"{name}.jsonl").is_file()]


def _counts(folder: Path, name: str) -> dict[str, int]:
    path = folder / f"{name}.jsonl"
    found = Counter(result["outcome"] for result in record.results(path).values())
    return {"passed": 0, "failed": 0, **found, "collected": record.collected(path)}


def _failed_tests(folder: Path, name: str) -> Iterator[str]:
    results = record.results(folder / f"{name}.jsonl")
    failed = [result for result in results.values() if result["outcome"] == "failed"]
    if not failed:
        return
    rows = [(f"`{result['test']}`", result["message"][:120]) for result in failed[:SHOWN]]
    legend = f"The first {SHOWN} of {len(failed)}." if len(failed) > SHOWN else ""
    title = f"Failed {name.replace('-', ' of ')}"
    yield from markdown.section(Table(title, ("test", "why"), rows, 2, legend))


def _benchmark(folder: Path) -> Iterator[str]:
    found = cells(folder)
    if not found:
        return
    every = Report({}, {}, list(found))
    yield from ("", "## Benchmark", "", LEGEND)
    yield from markdown.section(_rates(folder), level=3)
    yield from markdown.section(table.means(every), level=3)
    failed = summary.failures(every)
    if failed:
        yield from ("", "### Without a time", "", *(f"- {line}" for line in failed))
    for dtype in dict.fromkeys(cell.dtype for cell in found):
        yield from markdown.section(table.ratios(every, dtype), level=3)
    yield from ("", "### Cells")
    for column in every.columns():
        yield from markdown.section(_details(found, column), level=4)


LEGEND = (
    "Medians of calls in turns, each waited for: by events of the device in PyTorch and CuPy, by "
    "the host's clock in JAX, whose programs are compiled before. What takes more than half a "
    "second is called once. ratio: own over pinvx, in parentheses where the library's own answer "
    "is wrong. TFLOP/s: of a standard algorithm (Golub & Van Loan: for pinv 8MN² + 20N³, of "
    "Hermitian matrices 11N³, for lstsq 2N²(M − N/3), of complex numbers four times as many), "
    "whatever is done in its place; share: over the rate of a product of 4096×4096 matrices. "
    "products: the time of the matrix products that no algorithm can do without, of AᴴA and of "
    "that with Aᴴ (lstsq: Aᴴb). residual: ‖AXA − A‖/‖A‖, for lstsq ‖Aᴴ(b − Ax)‖/(‖A‖ ‖b‖), in "
    "double precision, the largest of a batch. waits: how often the host waits for the device in "
    "a call, as far as the library tells. The rank of rank-deficient matrices is half of the "
    "short side, exactly. `torch.linalg.lstsq` on CUDA is gels, which assumes full rank: where "
    "matrices lack it, its answer is not the one of minimum norm."
)


def _rates(folder: Path) -> Table:
    rows = []
    for library in LIBRARIES:
        rates: dict[str, float] = {}
        for line in run.lines(folder / f"benchmark-{library}.jsonl"):
            rates |= line.get("rates", {})
        rows += [(library, dtype, teraflops(rate)) for dtype, rate in rates.items()]
    return Table("Product of large matrices", ("library", "dtype", "TFLOP/s"), rows, 2)


def _details(found: list[GpuCell], column: Column) -> Table:
    rows = [
        (
            Shape.parse(cell.shape).label,
            cell.dtype,
            KINDS[cell.kind],
            seconds(cell.own_seconds),
            seconds(cell.pinvx_seconds),
            table.mark(cell),
            seconds(cell.product_seconds),
            teraflops(cell.rate(cell.own_seconds)),
            teraflops(cell.rate(cell.pinvx_seconds)),
            "–" if cell.share is None else f"{100 * cell.share:.2g} %",
            table.error(cell.own_error),
            table.error(cell.pinvx_error),
            f"{_count(cell.own_waits)}, {_count(cell.pinvx_waits)}",
            seconds(cell.first_call),
            "; ".join(filter(None, (cell.remark, cell.own_wrong, cell.own_failed, _failed(cell)))),
        )
        for cell in found
        if Column.of(cell) == column
    ]
    headings = (
        "",
        "dtype",
        "matrices",
        "own",
        "pinvx",
        "ratio",
        "products",
        "own TFLOP/s",
        "pinvx TFLOP/s",
        "share",
        "own residual",
        "pinvx residual",
        "waits: own, pinvx",
        "first call",
        "remark",
    )
    return Table(column.own, headings, rows, 3)


def _failed(cell: GpuCell) -> str:
    return f"pinvx: {cell.pinvx_failed}" if cell.pinvx_failed else ""


def _count(waits: int | None) -> str:
    return "–" if waits is None else str(waits)


def teraflops(rate: float | None) -> str:
    """Return a rate in TFLOP/s, – without one."""
    return "–" if rate is None else number(rate / 1e12) if rate >= 1e10 else f"{rate / 1e12:.1g}"


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:  # cut off when its process was ended
            return {}
    return found
