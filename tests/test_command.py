"""`python -m pinvx`: what the table shows, and when the exit status is 0."""

import importlib.util
import math
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

import pinvx
from pinvx.__main__ import main
from pinvx._command import _measure
from pinvx._command._libraries import library
from pinvx._command._measure import measure
from pinvx._command._problem import bound

LIBRARIES = [
    name
    for name in ("numpy", "torch", "jax", "array_api_strict")
    if importlib.util.find_spec(name) is not None
]


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"COLUMNS": "160", "JAX_PLATFORMS": "cpu"} | environment,
        timeout=300,
    )


@pytest.fixture
def numpy_alone(monkeypatch):
    monkeypatch.setattr(_measure, "installed", lambda: ["numpy"])
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture(scope="module")
def whole():
    return python("-m", "pinvx")


def row_of(output, library, dtype):
    (line,) = [
        line
        for line in output.splitlines()
        if line.startswith(f"{library} ") and dtype in line and line.endswith(("yes", "NO"))
    ]
    return line.split()


def test_every_library_holds_in_both_precisions(whole):
    assert whole.returncode == 0, whole.stdout + whole.stderr
    for name in LIBRARIES:
        for dtype in ("float32", "float64"):
            assert row_of(whole.stdout.replace("cuda:0", "cpu"), name, dtype)[-1] == "yes"
    assert "Traceback" not in whole.stderr


def test_two_libraries_disagree_where_pinvx_agrees(whole):
    # NumPy's default cutoff of 1e-15 takes the rounding error of float32 for information.
    *_, own_pinv, own_lstsq, holds = row_of(whole.stdout, "numpy", "float32")
    assert float(own_pinv.removesuffix("!")) > 1e3
    assert own_pinv.endswith("!")
    assert own_lstsq.endswith("!")
    assert holds == "yes"
    assert "numpy's linalg.pinv (cpu, float32) by 2e+06 times the size" in (
        " ".join(whole.stdout.split())
    )
    pytest.importorskip("array_api_strict")
    *_, own_pinv, _, _ = row_of(whole.stdout, "array_api_strict", "float32")
    assert float(own_pinv) < bound("float32")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in LIBRARIES if name != "jax"])
def test_a_row_is_far_within_its_bound(name, dtype):
    # Much below the bound: rows do not hold by luck.
    lib = library(name)
    row = measure(lib, lib.devices()[0], dtype)
    assert row.problem == ""
    assert row.holds
    assert row.rank == 5
    assert max(row.differences) < 0.1 * row.bound


def _raise(*args, **kwargs):
    raise RuntimeError("broken\non purpose")


def _scaled(function, factor):
    def broken(*args, **kwargs):
        result = function(*args, **kwargs)
        if isinstance(result, pinvx.LstsqResult):
            return result._replace(x=result.x * factor)
        if isinstance(result, pinvx.PenroseResiduals):
            return result._replace(xa=result.xa + (factor - 1))
        if isinstance(result, tuple):
            return (result[0] * factor, *result[1:])
        return result * factor

    return broken


def _full_rank(function):
    def broken(*args, **kwargs):
        return function(*args, **kwargs)._replace(rank=6)

    return broken


BROKEN = {
    "pinv slightly wrong": ("pinv", _scaled(pinvx.pinv, 1.01)),
    "pinv NaN": ("pinv", _scaled(pinvx.pinv, math.nan)),
    "pinv raises": ("pinv", _raise),
    "lstsq slightly wrong": ("lstsq", _scaled(pinvx.lstsq, 1.01)),
    "rank": ("lstsq", _full_rank(pinvx.lstsq)),
    "a Penrose condition": ("penrose_residuals", _scaled(pinvx.penrose_residuals, 1.01)),
    "gradient of pinv": ("pinv_vjp", _scaled(pinvx.pinv_vjp, 1.01)),
    "gradient of lstsq": ("lstsq_vjp", _scaled(pinvx.lstsq_vjp, 1.01)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_pinvx_is_seen(case, monkeypatch, numpy_alone, capsys):
    monkeypatch.setattr(pinvx, *BROKEN[case])
    assert main([]) == 1
    output = capsys.readouterr().out
    assert row_of(output, "numpy", "float64")[-1] == "NO"
    assert "pinvx holds in 0 of 2 rows" in output
    if "raises" in case:
        assert "numpy (cpu, float64): pinvx raised RuntimeError: broken on purpose." in output


def test_numpy_alone_holds(numpy_alone, capsys):
    assert main([]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "in all 2 rows: with numpy." in output
    assert "Of the 4 answers of the libraries' own functions 2 are off" in output


def test_a_failing_function_of_the_library_does_not_count(monkeypatch, numpy_alone, capsys):
    monkeypatch.setattr("numpy.linalg.lstsq", _raise)
    assert main([]) == 0
    assert row_of(capsys.readouterr().out, "numpy", "float64")[-2:] == ["inf!", "yes"]


def test_the_plain_table_says_the_same(monkeypatch, numpy_alone, capsys):
    assert main([]) == 0
    with_rich = capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main([]) == 0
    plain = capsys.readouterr().out
    assert "─" in with_rich
    assert plain.isascii()
    words = [w for w in with_rich.split() if set(w) != {"─"}]
    assert [w for w in plain.split() if set(w) != {"-"} or w == "-"] == words


_OWN = ["2e+06!", "6e-10", "NO"]


@pytest.mark.parametrize("rich", [True, False])
@pytest.mark.parametrize("columns", [40, 100, 120, 160])
def test_no_number_is_cut_short_and_100_columns_are_enough(
    columns, rich, monkeypatch, numpy_alone, capsys
):
    row = _measure.Row("array_api_strict", "12.34.56", "cuda:0", "float32", 5, (3e-7,) * 4)
    row = row._replace(pinv=1e-7, lstsq=1e-7, gradient=math.inf, own_pinv=2e6, own_lstsq=6e-10)
    monkeypatch.setattr(_measure, "measure", lambda *_: row)
    monkeypatch.setenv("COLUMNS", str(columns))
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    assert main([]) == 1
    output = capsys.readouterr().out
    assert "…" not in output
    line, again = [line for line in output.splitlines() if line.endswith("NO")]
    assert line == again  # the same row for each dtype
    assert line.split()[-12:] == ["float32", "5", *["3e-07"] * 4, *["1e-07"] * 2, "inf!", *_OWN]
    if columns >= 100:
        assert max(map(len, output.splitlines())) <= columns


def test_a_library_that_cannot_be_imported_is_named(monkeypatch, capsys):
    monkeypatch.setattr(_measure, "installed", lambda: ["numpy", "no_such_library", "json"])
    assert main([]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "no_such_library was left out: ModuleNotFoundError: No module named" in output
    assert "json was left out: ImportError: the module json is no namespace" in output


class NoDriverError(Exception):
    pass


def _no_devices():
    raise NoDriverError("no CUDA-capable device is detected")


def test_cupy_without_a_device_is_named(monkeypatch, capsys):
    # A stand-in: what CuPy does on a machine without a driver.
    runtime = SimpleNamespace(getDeviceCount=_no_devices, CUDARuntimeError=NoDriverError)
    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(runtime=runtime, Device=lambda i: f"device {i}")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert library("cupy").devices() == ()
    monkeypatch.setattr(_measure, "installed", lambda: ["numpy", "cupy"])
    assert main([]) == 0
    assert "was left out: it found no device." in capsys.readouterr().out
    runtime.getDeviceCount = lambda: 2
    found = library("cupy")
    assert [found.label(device) for device in found.devices()] == ["cuda:0", "cuda:1"]
    assert found.scope(1, x64=True) == "device 1"


def test_jax_devices_have_the_names_of_pytorch():
    jax = pytest.importorskip("jax")
    lib = library("jax")
    with lib.scope(jax.devices()[0], x64=True):
        assert str(lib.array([1.0], "float64", jax.devices()[0]).dtype) == "float64"
    places = [SimpleNamespace(platform=name, id=1) for name in ("cpu", "gpu", "tpu")]
    assert [lib.label(place) for place in places] == ["cpu", "cuda:1", "tpu:1"]


def test_nothing_installed_is_status_2(capsys):
    blocked = "import sys; sys.modules |= dict.fromkeys(['numpy', 'torch', 'jax', 'cupy', "
    blocked += "'array_api_strict']); from pinvx.__main__ import main; sys.exit(main([]))"
    done = python("-c", blocked)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'pinvx: no array library is installed. Hint: pip install "pinvx[numpy]".\n'
    )


def test_a_terminal_without_unicode():
    alone = "from pinvx._command import _measure as m; m.installed = lambda: ['numpy']; "
    done = python(
        "-c",
        alone + "from pinvx.__main__ import main; raise SystemExit(main([]))",
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_import_pinvx_leaves_the_command_alone():
    code = "import sys, pinvx; print([m for m in sys.modules if m.startswith('pinvx._command')])"
    assert python("-c", code).stdout == "[]\n"
    code = "import sys, pinvx.__main__; print({'numpy', 'torch', 'jax', 'rich'} & {*sys.modules})"
    assert python("-c", code).stdout == "set()\n"


def test_version_help_and_an_unknown_command(capsys):
    for arguments, status, text in (
        (["--version"], 0, f"pinvx {pinvx.__version__}\n"),
        (["--help"], 0, "python -m pinvx"),
        (["solv"], 2, "Hint: see python -m pinvx --help.\n"),
        (["--nonsense"], 2, "Hint: see python -m pinvx --help.\n"),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == status
        captured = capsys.readouterr()
        assert text in captured.out + captured.err
        assert captured.err.count("\n") == (1 if status else 0)
