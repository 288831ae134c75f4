"""The adapter for CuPy on a double of CuPy, where there is no GPU, and what the double is like.

The double takes CuPy's place in processes of its own, in which the row "cupy" of the table of
libraries is there. What it proves is the logic of the adapter, and nothing about CuPy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cupy_double import cupy as double

ROOT = Path(__file__).parent.parent
FILES = ("arrays", "conformance", "cutoff", "hermitian", "methods", "nonfinite", "scale")


def run(*command):
    """Run a command in which the double is CuPy, and return what it printed."""
    folders = [
        ROOT / "tests" / "cupy_double",
        *(ROOT / name for name in ("", "backends", "conformance", "tests")),
    ]
    known = filter(None, [os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, folders), *known])}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout[-4000:] + done.stderr[-2000:]
    if done.returncode > 1:  # nothing was tested
        raise RuntimeError(said)
    assert done.returncode == 0, said
    return done.stdout


def passed(rows, *names):
    """Run the tests of some rows, and return how many have passed."""
    files = [f"tests/test_{name}.py" for name in names]
    printed = run("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", rows, *files)
    return int(printed.rpartition(" passed")[0].split()[-1])


def test_values():
    assert passed("cupy", *FILES) > 300


def test_the_benchmark(tmp_path):
    """Events tell the time, and copies to the host are counted."""
    file = tmp_path / "cells.jsonl"
    run("benchmarks.gpu.run", "cupy", file, "--device", "cuda", "--small", "--seconds", "100")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["about"]["name"] == "a double of CuPy's device"
    cells = [line["cell"] for line in lines if "cell" in line]
    assert len(cells) == 3 * 3 * (3 * 2 + 1)
    for cell in cells:
        assert not cell["own_failed"] + cell["pinvx_failed"] + cell["own_wrong"], cell
        assert cell["own_seconds"] > 0
        assert cell["pinvx_seconds"] > 0
        eps = float(np.finfo(cell["dtype"]).eps)
        if cell["kind"] != "kappa1e6":
            assert max(cell["own_error"], cell["pinvx_error"]) < 100 * eps, cell
    assert max(cell["pinvx_waits"] for cell in cells) > 0


# What the double is like


def array(values, dtype="float64"):
    return double.asarray(np.asarray(values, dtype))


def test_it_is_not_numpy():
    x = array([[1.0, 2.0], [3.0, 4.0]])
    for read in (
        np.asarray,
        np.linalg.norm,
        lambda x: np.ones((2, 2)) + x,
        lambda x: x @ np.eye(2),
    ):
        with pytest.raises(TypeError):
            read(x)
    with pytest.raises(TypeError):
        x[0] = np.zeros(2)


def test_nothing_but_get_reads(monkeypatch):
    reads = []
    monkeypatch.setattr(double._core.syncdetect, "_declare_synchronize", lambda: reads.append(None))
    x = array([3.0, 4.0])
    y = np.float64(2.0) * x[x > 3.0].sum() + x.max()
    assert isinstance(y, double.ndarray)
    assert y.shape == ()
    assert not reads
    assert (float(y), bool(y > 11.0), y.item()) == (12.0, True, 12.0)
    assert len(reads) == 3


def test_errors_of_lapack_are_not_reported():
    nan, zero = array([[np.nan, 1.0], [1.0, 1.0]]), array(np.zeros((2, 2)))
    for decompose in (double.linalg.svd, double.linalg.eigh, double.linalg.qr):
        for part in decompose(nan):
            assert np.isnan(part.get()).all()
    batch = double.stack([nan, array(np.eye(2))])
    assert np.isfinite(double.linalg.svd(batch)[1].get()).tolist() == [[False] * 2, [True] * 2]
    assert not np.isfinite(double.linalg.solve(zero, zero).get()).any()
    assert not np.isfinite(double.linalg.inv(zero).get()).any()
    # A routine for batches writes nothing, and what it leaves may look like an answer.
    assert np.isfinite(double.linalg.inv(zero[None]).get()).all()


def test_cholesky_stops_on_the_way():
    r = double.linalg.cholesky(array(np.diag([4.0, -1.0, 9.0]))).get()
    assert r.tolist() == np.diag([2.0, -1.0, 9.0]).tolist()
    a = np.asarray([[4.0, 2.0j], [-2.0j, 5.0]])
    r = double.linalg.cholesky(double.asarray(a)).get()
    assert np.allclose(r @ r.conj().T, a)


def test_subnormal_numbers_of_single_precision():
    small = array([2.0**-127, -(2.0**-120)], "float32")
    assert small.get().tolist() == [2.0**-127, -(2.0**-120)]
    assert small.copy().get().tolist() == small.get().tolist()  # copies keep them
    assert (small * 2).get().tolist() == [0.0, -(2.0**-119)]
    assert (small * 2.0**-8).get().tolist() == [0.0, 0.0]
    assert (small == 0).get().tolist() == [True, False]
    assert small.astype("float64").get().tolist() == [0.0, -(2.0**-120)]
    assert (small @ array([[2.0], [0.0]], "float32")).get().tolist() == [2.0**-126]  # cuBLAS
    assert (array([2.0**-127]) * 2).get().tolist() == [2.0**-126]  # double precision
