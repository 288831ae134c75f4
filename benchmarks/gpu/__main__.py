"""The command line: `python -m benchmarks.gpu`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import machine, report
from .parts import LIBRARIES, ROOT, Part, Setting, environment, parts, selected
from .processes import Process, wait
from .run import OVER

LEAST = 5.0
"""No part starts with less than so many seconds."""
BESIDE = 0.45
"""The share of the whole time in which the parts that run side by side have to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, and write what came out; the exit status is 1 if something is wrong."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    setting = Setting(
        chosen.device, chosen.out.resolve(), chosen.libraries, chosen.small, chosen.commit
    )
    known = parts(setting)
    unknown = [n for n in chosen.parts if n != "report" and not selected(known, [n])]
    if unknown:
        names = ", ".join(part.name for part in known)
        parser.error(f"{unknown[0]!r} is no part. Hint: use {names}, or report.")
    wanted = [] if chosen.parts == ["report"] else selected(known, chosen.parts)
    setting.out.mkdir(parents=True, exist_ok=True)
    run = Run(setting, dict(chosen.seconds), chosen.total)
    run.parts(wanted)
    text = report.write(setting.out)
    if chosen.markdown is not None:
        chosen.markdown.write_text(text, encoding="utf-8")
    print("\n".join(report.lines(setting.out)))
    return int(any(run.state.get(part.name, {}).get("status") != "finished" for part in wanted))


class Run:
    """The parts of a proof in their folder, and what became of them."""

    def __init__(self, setting: Setting, limits: Mapping[str, float], total: float) -> None:
        self.setting, self.limits = setting, limits
        self.start = time.monotonic()
        self.end = self.start + total
        self.environment = environment(setting)
        self.path = setting.out / "parts.json"
        self.state: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            self.state = json.loads(self.path.read_text(encoding="utf-8"))

    def parts(self, wanted: Sequence[Part]) -> None:
        """Run what is not finished: first what runs side by side, then the others in turn."""
        waiting = [part for part in wanted if not self._finished(part)]
        if not waiting:
            return
        together = {**self.environment, **waiting[-1].environment}
        about = machine.describe(self.setting, together)
        text = json.dumps(about, indent=1, ensure_ascii=False)
        (self.setting.out / "machine.json").write_text(text + "\n", encoding="utf-8")
        beside = [part for part in waiting if not part.alone]
        alone = [part for part in waiting if part.alone]
        if beside:
            share = BESIDE if alone else 1.0
            left = (self.end - self.start) * share
            self._together([(part, min(self._limit(part), left)) for part in beside])
        while alone:
            part = alone.pop(0)
            # What a part leaves over is for the others.
            share = part.weight / sum(p.weight for p in (part, *alone))
            left = (self.end - time.monotonic()) * share
            self._alone(part, min(self._limit(part), left))

    def _finished(self, part: Part) -> bool:
        return self.state.get(part.name, {}).get("status") == "finished"

    def _limit(self, part: Part) -> float:
        """Return the most that a part may take."""
        found = part.seconds
        for name, seconds in self.limits.items():
            if name in ("", part.name) or part.name.startswith(f"{name}-"):
                found = min(found, seconds)
        return found

    def _together(self, limited: Sequence[tuple[Part, float]]) -> None:
        running = []
        for part, seconds in limited:
            _say(f"{part.name}, at most {seconds:.0f} s")
            results = self.setting.out / f"{part.name}.jsonl"
            if results.is_file():  # of a run before
                shutil.copy(results, self.setting.out / f"{part.name}-known.jsonl")
            running.append((part, self._process(part, part.command, seconds)))
        wait([process for _, process in running])
        for part, process in running:
            self._keep(part, process)

    def _alone(self, part: Part, seconds: float) -> None:
        """Run a benchmark. A process that dies is started again: it leaves out where it died."""
        end = time.monotonic() + seconds
        for _ in range(3):
            left = end - time.monotonic()
            if left < LEAST:
                _say(f"{part.name}: no time is left for it")
                self.state.setdefault(part.name, {"status": "stopped", "seconds": 0.0})
                self._save()
                return
            _say(f"{part.name}, at most {left:.0f} s")
            # It ends by itself, and a call that takes longer than foreseen is ended.
            command = (*part.command, "--seconds", f"{max(1.0, 0.9 * left - 2):.0f}")
            process = self._process(part, command, left)
            wait([process])
            self._keep(part, process)
            if process.over or process.status in (*part.good, OVER, 2):
                return

    def _process(self, part: Part, command: Sequence[str], seconds: float) -> Process:
        return Process(
            command,
            log=self.setting.out / f"{part.name}.txt",
            folder=ROOT,
            environment={**self.environment, **part.environment},
            seconds=seconds,
        )

    def _keep(self, part: Part, process: Process) -> None:
        """Write down how a part has ended."""
        status = "failed"
        if process.over or (process.status == OVER and part.alone):
            status = "stopped"
        elif process.status in part.good:
            status = "finished"
        before = self.state.get(part.name, {}).get("seconds", 0.0)
        seconds = before + (process.seconds or 0.0)
        self.state[part.name] = {
            "status": status,
            "exit": process.status,
            "seconds": round(seconds, 1),
        }
        _say(f"{part.name}: {status} after {process.seconds or 0:.0f} s")
        self._save()

    def _save(self) -> None:
        self.path.write_text(json.dumps(self.state, indent=1) + "\n", encoding="utf-8")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Prove pinvx on an NVIDIA GPU: the main job, the tests and the conformance "
        "suite side by side, then a benchmark of each library. What was done stands in a folder, "
        "and is not done again.",
    )
    add = parser.add_argument
    add(
        "parts",
        nargs="*",
        help="main, tests, tests-jax, conformance, conformance-own, benchmark-torch, "
        "benchmark-cupy, benchmark-jax, or the beginning of some up to the dash; report "
        "alone runs nothing (default: all)",
    )
    add("--device", choices=("cuda", "cpu"), default="cuda", help="default: cuda")
    add(
        "--out",
        type=Path,
        default=Path("build/gpu-proof"),
        metavar="DIR",
        help="the folder of what was done (default: build/gpu-proof)",
    )
    add(
        "--seconds",
        type=_seconds,
        default=[],
        metavar="N",
        help="the most that a part may take, below five minutes in any case; or, for some, "
        "tests=100,benchmark=60",
    )
    add(
        "--total",
        type=float,
        default=float("inf"),
        metavar="N",
        help="the most seconds for all: 45%% for what runs side by side, the rest for times",
    )
    add("--libraries", type=_libraries, default=LIBRARIES, metavar="LIST", help="torch,cupy,jax")
    add("--commit", metavar="NAME", help="what is proved, where git cannot tell")
    add("--small", action="store_true", help="little of everything: a trial of the command itself")
    add("--markdown", type=Path, metavar="FILE", help="write the report there, too")
    return parser


def _seconds(text: str) -> list[tuple[str, float]]:
    try:
        pairs = [part.rpartition("=") for part in text.split(",")]
        return [(name.strip(), float(number)) for name, _, number in pairs]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time. Hint: pass seconds, such as 60 or tests=100,benchmark=60."
        ) from None


def _libraries(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in LIBRARIES:
            raise argparse.ArgumentTypeError(f"{name!r} is not among {', '.join(LIBRARIES)}.")
    return names


if __name__ == "__main__":
    raise SystemExit(main())
