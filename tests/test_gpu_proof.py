"""The proof on a GPU: its order, limits and files, and the whole of it once without a GPU."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.contenders import LOOP, Contender, Match, Rivals, contender
from benchmarks.gpu import cell, grid, matrices, operations, record, report, run
from benchmarks.gpu.__main__ import Run, main
from benchmarks.gpu.cell import GpuCell
from benchmarks.gpu.forecast import Forecast
from benchmarks.gpu.parts import Part, Setting, environment, parts, selected
from benchmarks.gpu.processes import Process, wait
from benchmarks.grid import SHAPES, Shape
from benchmarks.table import mark
from benchmarks.timing import in_turns

ROOT = Path(__file__).parent.parent


# What is measured, and in which order


def test_every_shape_is_in_the_grid():
    wanted = {str(s) for s in SHAPES} | set(f"{grid.LARGE} {grid.LARGE_BATCHES}".split())
    tasks = grid.tasks()
    assert {str(t.shape) for t in tasks} == wanted | {"147000*15x15"}
    assert len(set(tasks)) == len(tasks) == (len(wanted) + 1) * 9
    assert {t.shape for t in tasks if t.hermitian} == {grid.HERMITIAN}


def test_what_matters_comes_first():
    tasks = grid.tasks()
    place = {(str(t.shape), t.dtype, t.kind): i for i, t in enumerate(tasks)}
    assert [t.dtype for t in tasks[:2]] == ["float32", "float64"]
    assert place["1024x1024", "float32", "well"] == 0
    # The small one foresees the large one.
    for small, large in (("1024x1024", "4096x4096"), ("4096x4096", "8192x8192")):
        for dtype, kind in itertools.product(grid.DTYPES, ("well", "deficient", "kappa1e6")):
            assert place[small, dtype, kind] < place[large, dtype, kind]
    assert place["1024x1024", "complex64", "well"] > place["4096x4096", "float32", "well"]


def test_operations_of_complex_numbers_and_of_wide_matrices():
    count = partial(operations.operations, "pinv", "forward")
    tall = count(Shape(200, 10), "float64")
    assert tall == 8 * 200 * 100 + 20 * 1000
    assert count(Shape(10, 200), "float32") == tall
    assert count(Shape(200, 10, 7), "complex64") == 28 * tall
    assert operations.operations("lstsq", "forward", Shape(30, 30), "float32") == 4 / 3 * 30**3
    assert operations.operations("pinv", "hermitian", Shape(10, 10), "float32") == 11000


# Matrices


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("shape", ["16x16", "40x16", "16x40", "7*5x3", "7*4x4"])
def test_singular_values(shape, is_complex):
    shape = Shape.parse(shape)
    hermitian = shape.m == shape.n == 4
    dtype = "complex128" if is_complex else "float64"
    k = min(shape.m, shape.n)
    for kind, kappa, rank in (
        ("well", 10, k),
        ("kappa1e6", 1e6, k),
        ("deficient", 1e2, -(-k // 2)),
    ):
        made = matrices.factors(shape, kind, is_complex=is_complex, hermitian=hermitian)
        a = matrices.matrix(Contender(), "cpu", made, dtype)
        assert (a.shape, str(a.dtype)) == (shape.full, dtype)
        s = np.linalg.svd(a, compute_uv=False)
        assert (np.linalg.matrix_rank(a) == rank).all()
        if kind == "kappa1e6":
            assert np.allclose(s[..., 0] / s[..., -1], kappa, rtol=1e-4)
        else:
            assert (s[..., 0] / s[..., rank - 1] < 10 * kappa).all()
        assert not hermitian or (a == a.conj().mT).all()


def test_matrices_without_full_rank_are_exact_in_every_dtype():
    for shape, hermitian in (("200x100", False), ("64x64", False), ("20*15x15", True)):
        made = matrices.factors(
            Shape.parse(shape), "deficient", is_complex=True, hermitian=hermitian
        )
        single, double = (
            matrices.matrix(Contender(), "cpu", made, dtype)
            for dtype in ("complex64", "complex128")
        )
        assert (single == double).all()


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr(matrices, "BLOCK", 64)
    made = []
    for cpus in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda cpus=cpus: cpus)
        u = matrices.factors(Shape(50, 9), "kappa1e6", is_complex=False)
        made.append((matrices.normal([1], (50, 9), is_complex=False), u.left, u.right))
    for one, many in zip(*made, strict=True):
        assert (one == many).all()
    assert abs(made[0][0].std() - 1) < 0.1


# A cell


class Slow(Contender):
    """NumPy, with a clock that moves as a function says."""

    name = "slow"
    distributions = ()

    def __init__(self, own, own_seconds, *, function="pinv", remark=""):
        self.now, self.calls, self.function = 0.0, [], function
        self._own, self._seconds, self._remark = own, own_seconds, remark

    def clock(self, device):
        return lambda: self.now

    def _rivals(self, shape, cutoff):
        def own(*arrays):
            self.calls.append(arrays[0].shape)
            self.now += self._seconds * (1 if arrays[0].ndim == 2 else len(arrays[0]))
            return self._own(*arrays)

        def mine(*arrays):
            self.now += 1e-3
            x = np.linalg.pinv(arrays[0], rcond=1e-6)
            return x if len(arrays) == 1 else (x @ arrays[1],)

        return Rivals(own, mine, self._remark)

    def measure(self, task, forecast=None):
        made = matrices.factors(task.shape, task.kind, is_complex=False)
        a = matrices.matrix(self, "cpu", made, task.dtype)
        b = matrices.right_hand_side(self, "cpu", task, a)
        return cell.measure(
            self,
            "cpu",
            Match(self.function, "forward", f"slow.{self.function}", self._rivals),
            task,
            [a] if self.function == "pinv" else [a, b],
            forecast or Forecast(),
            budget=0.1,
            rates={task.dtype: 1e9},
        )


def pinv(a):
    return np.linalg.pinv(a, rcond=1e-6)


def elimination(a, b):
    """Least squares that takes full rank for granted."""
    q, r = np.linalg.qr(a)
    return (np.linalg.solve(r + 1e-14 * np.eye(len(r)), q.T @ b),)


def task(shape, kind="well"):
    return grid.Task(Shape.parse(shape), "float64", kind)


def test_a_cell():
    found = Slow(pinv, 2e-3).measure(task("40x16"))
    assert found.ratio == pytest.approx(2.0)
    assert found.pinvx_rounds == found.own_rounds > 10
    assert max(found.own_error, found.pinvx_error) < 1e-13
    assert found.share == pytest.approx(found.operations / 1e-3 / 1e9)
    assert not found.own_wrong + found.own_failed + found.pinvx_failed


def test_a_slow_peer_is_measured_once():
    slow = Slow(pinv, 0.7)
    found = slow.measure(task("40x16"))
    assert found.own_rounds == 1
    assert len(slow.calls) == 2  # it was warmed up
    slow = Slow(pinv, 3.0)
    found = slow.measure(task("40x16"))
    assert (found.own_seconds, len(slow.calls)) == (pytest.approx(3.0), 1)
    assert found.pinvx_rounds > 1


def test_a_part_of_a_batch_tells_what_the_whole_takes():
    slow = Slow(pinv, 0.1)
    found = slow.measure(task("2000*5x3"))
    assert found.own_seconds == pytest.approx(200.0)
    assert slow.calls == [(31, 5, 3)] * 2
    assert "own: 31 of 2000 matrices, scaled" in found.remark
    assert found.own_error < 1e-13
    # What takes little is called with all.
    fast = Slow(pinv, 1e-5)
    assert fast.measure(task("2000*5x3")).own_seconds == pytest.approx(2e-2)
    assert fast.calls[-1] == (2000, 5, 3)


def test_a_loop_is_scaled_sooner():
    def loop(a, b):
        return [(np.linalg.lstsq(*items, rcond=None)[0],) for items in zip(a, b, strict=True)]

    found = Slow(loop, 1e-3, function="lstsq", remark=LOOP).measure(task("1000*5x3"))
    assert found.own_seconds == pytest.approx(1.0)
    assert found.remark.startswith(f"{LOOP}; own: 16 of 1000")
    assert found.length == pytest.approx(1.0)


def test_a_wrong_answer_is_marked():
    found = Slow(elimination, 1e-4, function="lstsq").measure(task("40x16", "deficient"))
    assert found.own_seconds == pytest.approx(1e-4)
    assert "not of minimum norm" in found.own_wrong
    assert mark(found) in ("(0.10)", "(0.10!)")
    assert Slow(elimination, 1e-4, function="lstsq").measure(task("40x16")).own_wrong == ""


def test_a_failure_is_an_answer():
    def failing(a):
        raise np.linalg.LinAlgError("no\nsecond line")

    found = Slow(failing, 1e-3).measure(task("40x16"))
    assert (found.own_failed, found.own_seconds) == ("LinAlgError: no", None)
    assert found.pinvx_seconds == pytest.approx(1e-3)
    assert mark(found) == "–"


class Event:
    """An event of a device whose time is in milliseconds."""

    now = 5000.0

    def __init__(self, enable_timing=False):
        assert enable_timing

    def record(self):
        self.time = Event.now

    def synchronize(self):
        Event.now += 0.5  # to wait takes time that is nobody's

    def elapsed_time(self, end):
        return end.time - self.time


def test_the_clock_of_a_cuda_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "Event", Event)
    clock = contender("torch").clock("cuda:0")
    Event.now += 2000.0
    assert clock() == 2.0
    Event.now += 1.5
    assert clock() == pytest.approx(2.002)


def test_waits_for_a_cuda_device(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def call():
        assert modes == ["warn"]
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
        for _ in range(3):
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)

    assert contender("torch").synchronisations(call, "cuda:0") == 3
    assert modes == ["warn", "default"]
    assert contender("torch").synchronisations(call, "cpu") is None


def test_nan_is_wrong():
    def nothing(a, b):
        return (np.full((a.shape[1],), np.nan),)

    found = Slow(nothing, 1e-3, function="lstsq").measure(task("40x16"))
    assert found.own_wrong == "NaN or infinity"
    assert found.own_error is None


def test_what_would_take_too_long_is_foreseen():
    forecast = Forecast()
    known = Slow(pinv, 1.0).measure(task("10x10"), forecast)
    assert known.own_seconds == pytest.approx(1.0)
    slow = Slow(pinv, 1.0)
    found = slow.measure(task("40x40"), forecast)
    assert found.own_failed == "not called: about 64 s foreseen"
    assert not slow.calls
    assert found.pinvx_seconds is not None


def test_a_forecast_reaches_so_far_and_to_its_like():
    def like(shape, kind="well"):
        return GpuCell("x", "cpu", "pinv", "forward", "x.pinv", "float64", kind, shape)

    forecast = Forecast()
    forecast.learn("own", like("100x10"), 1e-3)
    forecast.learn("own", like("100*5x3"), 1e-3)
    assert forecast.seconds("own", like("200x10")) == pytest.approx(1.86e-3, rel=0.05)
    assert forecast.seconds("own", like("100000x100")) is None
    assert forecast.seconds("own", like("100000*5x3")) == pytest.approx(1.0)  # of the same form
    assert forecast.seconds("own", like("50x10")) is None
    for other in (("pinvx", like("200x10")), ("own", like("200x10", "deficient"))):
        assert forecast.seconds(*other) is None


def test_a_batch_is_tried_and_not_foreseen():
    forecast = Forecast()
    known = Slow(pinv, 1.0).measure(task("100*5x3"), forecast)
    assert known.own_seconds == pytest.approx(100.0)
    for compiles, seconds in ((False, 0.0), (True, pytest.approx(1000.0))):
        library = Slow(pinv, 1.0)
        library.compiles = compiles
        larger = GpuCell("slow", "cpu", "pinv", "forward", "", "float64", "well", "1000*5x3")
        assert cell.foreseen(library, forecast, "own", larger) == seconds


def test_what_does_not_fit_is_left_out_and_the_rest_is_measured(tmp_path):
    file = tmp_path / "cells.jsonl"
    with file.open("a", encoding="utf-8") as lines:
        session = run.Session(contender("numpy"), "cpu", lines, small=True)
        for dtype in grid.DTYPES:
            like = GpuCell("numpy", "cpu", "pinv", "forward", "", dtype, "well", "16x16")
            session.forecast.learn("pinvx", like, 11.0)
        assert session.run(time.monotonic() + 10) == run.OVER
    found = {(c.shape, c.function, c.kind): c for c in run.read(file)[0]}
    assert ("16x16", "pinv", "well") not in found
    assert found["16x16", "lstsq", "well"].ratio
    assert found["16x16", "pinv", "deficient"].ratio
    assert found["40x16", "pinv", "well"].pinvx_failed.startswith("not called: about 1")


def test_two_functions_take_turns_until_one_is_slow():
    clock = Slow(pinv, 0.0)
    calls = []

    def call(name, seconds):
        calls.append(name)
        clock.now += seconds

    fast, slow = in_turns(
        partial(call, "a", 0.02),
        partial(call, "b", 2.0),
        budget=1.0,
        least=4,
        once=0.5,
        clock=clock.clock("cpu"),
    )
    assert (slow.rounds, fast.rounds) == (1, 4)
    assert "".join(calls) == "abaaa"


# The file of a run


def line(**fields):
    return json.dumps(fields) + "\n"


def test_a_run_goes_on_where_one_before_it_ended(tmp_path):
    file = tmp_path / "cells.jsonl"
    command = (sys.executable, "-m", "benchmarks.gpu.run", "numpy", str(file))
    command += ("--device", "cpu", "--small")
    folder = {**os.environ, **environment(Setting("cpu", tmp_path))}

    def go(*more):
        return subprocess.run([*command, *more], cwd=ROOT, env=folder, check=False).returncode

    assert go("--seconds", "0") == run.OVER
    assert run.read(file) == ([], [])
    assert go() == 0
    cells, begun = run.read(file)
    # Without a match for Hermitian matrices.
    assert len(cells) == len({c.key for c in cells}) == len(begun) == 3 * 9 * 2
    assert all(c.ratio for c in cells)
    # The last cell of a process that was ended: begun, and cut off.
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    lost = [text for text in lines if '"cell"' in text][-1]
    file.write_text("".join(lines).replace(lost, lost[:50]), encoding="utf-8")
    assert go() == 0
    again, _ = run.read(file)
    assert [c.key for c in again] == [c.key for c in cells]
    assert again[-1].pinvx_failed == "the process ended in this cell"
    assert again[-1].ratio is None


@pytest.mark.parametrize(
    ("failure", "of_the_device"),
    [
        ("AcceleratorError: CUDA error: an illegal memory access was encountered", True),
        ("CUDARuntimeError: cudaErrorIllegalAddress: an illegal memory access", True),
        ("XlaRuntimeError: INTERNAL: CUDA_ERROR_ILLEGAL_ADDRESS", True),
        ("OutOfMemoryError: CUDA error: out of memory", False),
        ("LinAlgError: linalg.svd: (Batch element 0): The algorithm failed to converge", False),
        ("", False),
    ],
)
def test_an_error_of_the_device_ends_the_process(failure, of_the_device):
    assert run.broken(failure) == of_the_device


# Parts, and their limits


def test_the_parts():
    known = parts(Setting("cuda", Path("out")))
    assert [p.name for p in known] == [
        "main",
        "tests",
        "tests-jax",
        "conformance",
        "conformance-own",
        "benchmark-torch",
        "benchmark-cupy",
        "benchmark-jax",
    ]
    assert all(part.seconds <= 300 for part in known)
    assert [p.name for p in known if p.alone] == [n.name for n in selected(known, ["benchmark"])]
    assert [p.name for p in selected(known, ["tests", "main"])] == ["main", "tests", "tests-jax"]
    tests = " ".join(known[1].command)
    assert "-k (cuda or cupy) and not cupy_double and not test_conformance" in tests
    assert "pinvx@torch:cuda,pinvx@cupy,pinvx@jax" in " ".join(known[3].command)
    assert "cupy" not in " ".join(
        word
        for part in parts(Setting("cuda", Path(), ("torch", "jax")))
        for word in part.command[3:]
    ).replace("cupy_double", "")


def test_xla_is_told_to_compile_quickly_unless_the_user_tells_it_something(monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert "autotune" in parts(Setting("cuda", Path()))[-1].environment["XLA_FLAGS"]
    monkeypatch.setenv("XLA_FLAGS", "")
    assert "XLA_FLAGS" not in parts(Setting("cuda", Path()))[-1].environment


def process(tmp_path, code, seconds):
    return Process(
        (sys.executable, "-c", code),
        log=tmp_path / "log.txt",
        folder=tmp_path,
        environment={"GREETING": "hello"},
        seconds=seconds,
    )


def test_processes_run_side_by_side_each_within_its_time(tmp_path):
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    start = time.monotonic()
    greeting = process(tmp_path, "import os; print(os.environ['GREETING']); exit(5)", 20.0)
    hanging = process(tmp_path, child, 1.0)
    wait([greeting, hanging])
    assert time.monotonic() - start < 15
    assert (greeting.status, greeting.over) == (5, False)
    assert hanging.over
    assert "hello" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def part(name, code, **options):
    return Part(name, 60.0, (sys.executable, "-c", code), **options)


def test_what_is_left_over_is_shared_out(tmp_path, monkeypatch):
    """Times of parts that measure follow from what the ones before have left."""
    limits = []
    code = "import sys; open('ran', 'a').write(sys.argv[-1] + ' ')"
    monkeypatch.setattr(
        Run,
        "_process",
        lambda self, part, command, seconds: (
            limits.append((part.name, seconds)),
            process(tmp_path, "", seconds),
        )[1],
    )
    done = Run(Setting("cpu", tmp_path), {"": 50.0, "benchmark-b": 7.0}, total=100.0)
    done.parts(
        [
            part("main", code),
            part("benchmark-a", code, alone=True, weight=3.0, good=(0,)),
            part("benchmark-b", code, alone=True, good=(0,)),
            part("benchmark-c", code, alone=True, good=(0,)),
        ]
    )
    (_, beside), (_, a), (_, b), (_, c) = limits
    assert beside == pytest.approx(45, abs=2)
    assert a == pytest.approx(50, abs=2)  # its share is 60, its limit 50
    assert b == pytest.approx(7, abs=0.1)
    assert c == pytest.approx(50, abs=2)
    assert {name: entry["status"] for name, entry in done.state.items()} == dict.fromkeys(
        ("main", "benchmark-a", "benchmark-b", "benchmark-c"), "finished"
    )


def test_what_is_finished_is_not_done_again(tmp_path):
    code = "import sys; open('ran', 'a').write('x'); sys.exit({})"
    setting = Setting("cpu", tmp_path)
    known = [part("main", code.format(1)), part("tests", code.format(2))]
    for times in (1, 2):
        again = Run(setting, {}, total=60.0)
        again._process = lambda part, command, seconds: Process(
            command, log=tmp_path / "log", folder=tmp_path, environment={}, seconds=seconds
        )
        again.parts(known)
        assert again.state["main"]["status"] == "finished"
        assert again.state["tests"] | {"seconds": 0} == {
            "status": "failed",
            "exit": 2,
            "seconds": 0,
        }
        assert len((tmp_path / "ran").read_text(encoding="utf-8")) == 1 + times


def test_a_part_whose_time_is_over_is_stopped_and_a_process_that_dies_starts_again(tmp_path):
    code = "import sys, time; open('ran', 'a').write('x'); {}"
    again = Run(Setting("cpu", tmp_path), {}, total=60.0)
    again._process = lambda part, command, seconds: Process(
        command, log=tmp_path / "log", folder=tmp_path, environment={}, seconds=seconds
    )
    over = part("benchmark-a", code.format(f"sys.exit({run.OVER})"), alone=True, good=(0,))
    dies = part("benchmark-b", code.format("sys.exit(9)"), alone=True, good=(0,))
    again.parts([over, dies])
    assert again.state["benchmark-a"]["status"] == "stopped"
    assert again.state["benchmark-b"]["status"] == "failed"
    assert (tmp_path / "ran").read_text(encoding="utf-8") == "x" * 4


# Tests, one by one

TESTS = """
import os, pytest

@pytest.mark.parametrize("i", range(3))
def test_some(i):
    assert i != 1, "one\\nand two"

@pytest.mark.skip
def test_later(): pass

@pytest.mark.xfail
def test_never(): assert False

def test_without(missing): pass

def test_dies():
    if "DIE" in os.environ: os._exit(3)
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_results_are_kept_one_by_one(tmp_path, processes):
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    file, known = tmp_path / "results.jsonl", tmp_path / "known.jsonl"
    command = [sys.executable, "-m", "pytest", "-q", "-n", processes, "-p", "no:cacheprovider"]
    command += ["-p", "benchmarks.gpu.record", "--record", str(file), "--known", str(known)]
    setting = Setting("cpu", tmp_path)

    def go(**more):
        variables = {**os.environ, **environment(setting), **more}
        subprocess.run(
            [*command, "test_it.py"],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return {name.partition("::")[2]: r["outcome"] for name, r in record.results(file).items()}

    expected = {
        "test_some[0]": "passed",
        "test_some[1]": "failed",
        "test_some[2]": "passed",
        "test_later": "skipped",
        "test_never": "xfailed",
        "test_without": "failed",
    }
    found = go(DIE="1")
    assert found.pop("test_dies", "failed") == "failed"  # a process of pytest-xdist tells
    assert found == expected
    known.write_text(file.read_text(encoding="utf-8").replace("test_dies", ""), encoding="utf-8")
    assert go() == expected | {"test_dies": "passed"}
    lines = [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines()]
    assert sum(entry.get("test", "").endswith("test_some[0]") for entry in lines) == 1
    assert record.collected(file) >= 7
    (failed,) = (e for e in lines if e.get("test", "").endswith("test_some[1]"))
    assert failed["message"].startswith("AssertionError: one and two")
    assert "assert i != 1" in failed["traceback"]


# All of it


def test_a_whole_proof_without_a_gpu(tmp_path, capsys):
    """And the second time there is nothing left to do."""
    command = ["--device", "cpu", "--small", "--libraries", "torch", "--commit", "abc"]
    command += ["--out", str(tmp_path), "--markdown", str(tmp_path / "gpu.md")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    for part in ("main", "tests", "conformance", "benchmark-torch"):
        assert f"{part}: finished" in printed
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert text == (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.splitlines()[2].endswith("commit abc")
    bars = [
        list(g) for bar, g in itertools.groupby(text.splitlines(), lambda t: t[:1] == "|") if bar
    ]
    assert all(len({row.count("|") for row in rows}) == 1 for rows in bars)
    for heading in ("Parts", "The main job", "conformance", "Benchmark", "Cells"):
        assert f" {heading}" in text
    kept = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert kept["machine"]["versions"]["torch"]
    counts = kept["tests"]["tests"]
    assert counts["failed"] == 0
    assert counts["passed"] + counts.get("skipped", 0) == counts["collected"] > 40
    assert len(kept["cells"]) == 3 * 3 * (3 * 2 + 1)
    assert not any(c["own_failed"] + c["pinvx_failed"] for c in kept["cells"])
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.txt")}
    start = time.monotonic()
    assert main(command) == 0
    assert time.monotonic() - start < 5
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.txt")} == before


def test_the_report_of_a_gpu(tmp_path):
    machine = {
        "date": "today",
        "device": "cuda",
        "gpus": [{"name": "NVIDIA X", "driver_version": "1.2", "memory.total": "3 MiB"}],
        "commit": None,
        "system": "Linux",
        "cpu": "a processor",
        "cpus": 4,
        "versions": {"torch": "9"},
        "variables": {"XLA_FLAGS": "--a"},
    }
    (tmp_path / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    state = {"tests": {"status": "stopped", "exit": -15, "seconds": 9.0}}
    (tmp_path / "parts.json").write_text(json.dumps(state), encoding="utf-8")
    failed = {"test": "tests/a.py::b[c|d]", "outcome": "failed", "message": "no"}
    (tmp_path / "tests.jsonl").write_text(
        line(collected=5) + line(**failed) + line(test="x", outcome="passed"), encoding="utf-8"
    )
    found = GpuCell(
        "torch", "cuda:0", "pinv", "forward", "torch.linalg.pinv", "float32", "well", "9x3"
    )
    found.own_seconds, found.pinvx_seconds, found.operations = 2.0, 1.0, 3e12
    found.product_rate, found.own_waits, found.pinvx_waits = 6e12, 1, 2
    (tmp_path / "benchmark-torch.jsonl").write_text(
        line(rates={"float32": 6e12}) + line(cell=found.to_dict()), encoding="utf-8"
    )
    text = report.write(tmp_path)
    assert text.startswith("# pinvx on NVIDIA X\n\n- today, commit unknown\n- NVIDIA X, driver 1.2")
    assert "| tests | stopped | 9 s | 1 passed, 1 failed of 5 |" in text
    assert "| `tests/a.py::b[c¦d]` | no |" in text
    assert "| torch | float32 | 6.00 |" in text
    row = next(row for row in text.splitlines() if row.startswith("| 9×3 | float32"))
    assert row.split(" | ")[3:10] == ["2 s", "1 s", "2.00", "–", "1.50", "3.00", "50 %"]
    assert row.split(" | ")[12] == "1, 2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("nothing", "'nothing' is no part. Hint: use main, tests"),
        ("--seconds soon", "'soon' is no time. Hint: pass seconds, such as 60"),
        ("--libraries numpy", "'numpy' is not among torch, cupy, jax."),
    ],
)
def test_what_cannot_be_done_is_said(options, message, capsys):
    with pytest.raises(SystemExit) as refusal:
        main(options.split())
    assert refusal.value.code == 2
    assert message in capsys.readouterr().err
