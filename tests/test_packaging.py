"""What the wheel and the sdist hold, and whether they work where nothing else is installed."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from checkout import ROOT, tracked

import pinvx

pytest.importorskip("hatchling")
PACKAGES = {"pinvx", "pinvx_backends", "pinvx_conformance"}
SOURCES = {
    "pinvx": ROOT / "pinvx",
    "pinvx_backends": ROOT / "backends" / "pinvx_backends",
    "pinvx_conformance": ROOT / "conformance" / "pinvx_conformance",
}


def run(*command, cwd, **environment):
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )


def build(source, target, out):
    done = run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out, cwd=source)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what a fresh clone holds, since a build leaves things behind."""
    copy = tmp_path_factory.mktemp("source") / "clone"
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    return build(source, "sdist", tmp_path_factory.mktemp("sdist"))


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_three_packages_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in names(wheel)}
    assert tops == PACKAGES | {f"pinvx-{pinvx.__version__}.dist-info"}
    assert wheel.name == f"pinvx-{pinvx.__version__}-py3-none-any.whl"


def test_the_wheel_holds_every_module_and_its_data(wheel):
    """Whatever stands beside the modules comes along: templates, lists, `py.typed`."""
    found = names(wheel)
    for package, folder in SOURCES.items():
        files = [path for path in tracked() if path.is_relative_to(folder)]
        expected = {f"{package}/{p.relative_to(folder).as_posix()}" for p in files}
        assert expected <= found, expected - found
        assert {n for n in found if n.startswith(f"{package}/")} == expected
    assert "pinvx/py.typed" in found
    assert "pinvx_backends/py.typed" in found


def test_the_wheel_says_what_it_is(wheel):
    data = metadata(wheel)
    assert data["Name"] == "pinvx"
    assert data["Version"] == pinvx.__version__
    assert data["License-Expression"] == "BSD-3-Clause"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert data["Requires-Python"] == project["requires-python"]
    required = [r for r in data.get_all("Requires-Dist") if "extra ==" not in r]
    assert required == project["dependencies"]
    assert [r.partition(">=")[0] for r in required] == ["array-api-compat"]
    assert {"numpy", "torch", "jax", "cupy", "test", "dev"} <= set(data.get_all("Provides-Extra"))
    assert any(n.endswith("/licenses/LICENSE") for n in names(wheel))


def test_the_sdist_makes_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        # Python 3.11.4 brought the filter, and from 3.12 on its absence warns.
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safe)
    (unpacked,) = tmp_path.iterdir()
    assert unpacked.name == f"pinvx-{pinvx.__version__}"
    tops = {path.name for path in unpacked.iterdir()}
    files = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".gitignore", "PKG-INFO"}
    assert tops - files == {"pinvx", "backends", "conformance"}
    out = tmp_path / "wheel"
    assert names(build(unpacked, "wheel", out)) == names(wheel)


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory):
    """The Python of an environment with the wheel and NumPy."""
    home = tmp_path_factory.mktemp("clean")
    done = run(sys.executable, "-m", "venv", home / "venv", cwd=home)
    assert done.returncode == 0, done.stderr
    python = home / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    # The versions that are tested here, so that pip's cache has them.
    wanted = [f"{name}=={version(name)}" for name in ("numpy", "array-api-compat")]
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = run(*command, "--only-binary", ":all:", wheel, *wanted, cwd=home)
    assert done.returncode == 0, done.stderr
    return python


def test_the_clean_environment_is_clean(clean, tmp_path):
    code = (
        "import importlib.util as u, pinvx;"
        "print(pinvx.__file__);"
        "print([n for n in ('torch', 'jax', 'rich', 'pytest', 'scipy') if u.find_spec(n)])"
    )
    done = run(clean, "-c", code, cwd=tmp_path)
    file, others = done.stdout.splitlines()
    assert Path(file).is_relative_to(clean.parent.parent)
    assert others == "[]"


def test_the_main_job_runs_there(clean, tmp_path):
    done = run(clean, "-W", "error", "-m", "pinvx", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numpy" in done.stdout.lower()
    assert "Traceback" not in done.stderr


def test_both_functions_run_there(clean, tmp_path):
    code = """
import numpy as np, pinvx
a = np.array([[1.0, 2.0], [2.0, 4.0], [0.0, 0.0]])
x, rank = pinvx.pinv(a, return_rank=True)
assert np.allclose(x, a.T / 25), x
assert rank == 1
assert np.allclose(pinvx.lstsq(a, a[:, 0]).residuals, 0)
assert np.isclose(np.vdot(pinvx.pinv_vjp(a, x), a), np.vdot(x, pinvx.pinv_jvp(a, a)))
"""
    done = run(clean, "-W", "error", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_missing_library_is_named(clean, tmp_path):
    """Nothing of what is not installed is listed as if it were."""
    code = "import pinvx; print([b.name for b in pinvx.backends() if b.version is not None])"
    assert run(clean, "-c", code, cwd=tmp_path).stdout.strip() == "['numpy']"
