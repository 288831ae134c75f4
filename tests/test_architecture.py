"""Who may import whom, what the documents say, and that their examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, tracked

import pinvx
from pinvx import _dispatch

MODULES = sorted(m.name for m in pkgutil.walk_packages(pinvx.__path__, "pinvx."))


def test_import_contracts():
    pytest.importorskip("importlinter")
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "KEPT" in done.stdout
    assert "BROKEN" not in done.stdout


def imports(path):
    """The root modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def test_the_core_imports_one_library():
    """`rich` is the table of the command, and may be missing."""
    for path in (ROOT / "pinvx").rglob("*.py"):
        allowed = {"pinvx", "array_api_compat", *sys.stdlib_module_names}
        if path.parent.name == "_command":
            allowed |= {"rich"}
        assert set(imports(path)) <= allowed, path


def test_nothing_imports_the_tests():
    for folder in ("pinvx", "backends", "conformance/pinvx_conformance"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "tests" not in set(imports(path)), path


def test_an_adapter_imports_its_own_library():
    """And what pinvx is made of; NumPy only where the library is built on it."""
    for path in (ROOT / "backends" / "pinvx_backends").glob("_[a-z]*.py"):
        own = path.stem.removeprefix("_").partition("_")[0]
        allowed = {"pinvx", "array_api_compat", own, *sys.stdlib_module_names}
        allowed |= {"numpy"} if own == "jax" else set()
        assert set(imports(path)) <= allowed, path


@pytest.mark.parametrize("path", sorted((ROOT / "backends" / "pinvx_backends").glob("_[a-z]*.py")))
def test_an_adapter_needs_only_what_is_public(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pinvx"):
            if (path.stem, node.module) == ("_torch_operators", "pinvx._derivative"):
                continue  # operators have to be there before the first rule arrives
            if (path.stem, node.module) == ("_torch_host", "pinvx._dispatch"):
                continue  # an adapter knows no other one, and asks for that of NumPy's arrays
            assert node.module == "pinvx"
            assert {alias.name for alias in node.names} <= set(pinvx.__all__)


# Names of places on somebody's machine, in any file that is shipped or read.
MACHINE = re.compile(
    r"(?<![\w.])/(work|home|root|Users|tmp|mnt|private)/[\w.]|[A-Z]:\\\\|\.\./shared"
)
TEXT = {".py", ".md", ".toml", ".txt", ".cfg", ".yaml", ".yml", ".html", ".json", ".csv"}


def test_no_file_names_a_machine():
    found = []
    for path in tracked():
        if path.suffix not in TEXT and path.parent.name != ".ci":
            continue
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("place", ["home", "root", "tmp", "work", "Users"])
def test_a_machine_would_be_seen(place):
    for line in (f"see /{place}/me", f"open('/{place}/a')", f"cd /{place}/x/y"):
        assert MACHINE.search(line), line
    for line in (f"https://example.org/{place}/x", f"a/{place}/x", f"a / {place} / b"):
        assert not MACHINE.search(line), line


# Examples


@pytest.fixture
def registry():
    """An example registers a backend."""
    registered = dict(_dispatch._registered)
    yield
    _dispatch._registered.clear()
    _dispatch._registered.update(registered)
    _dispatch._by_namespace.clear()
    _dispatch._by_type.clear()


def run_examples(examples):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report = []
    for example in examples:
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
    return runner.tries


@pytest.mark.parametrize("module", ["pinvx", *(m for m in MODULES if not m.endswith("__main__"))])
def test_examples_run(module, registry):
    found = importlib.import_module(module)
    run_examples(doctest.DocTestFinder().find(found, found.__name__, module=found))


FUNCTIONS = [name for name in pinvx.__all__ if not isinstance(getattr(pinvx, name), type)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_has_an_example_that_runs(name, registry):
    function = getattr(pinvx, name)
    examples = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert run_examples(examples) > 0
    assert "Parameters\n" in function.__doc__ or name == "backends"
    assert "Examples\n" in function.__doc__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described(name):
    function = getattr(pinvx, name)
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for parameter in parameters:
        assert re.search(
            rf"^\s*(.*, )?{parameter}(,.*)?( :.*)?$", function.__doc__, re.MULTILINE
        ), parameter


@pytest.mark.parametrize("a", [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[[1.0, 2.0]], [[3.0, 4.0]]]])
def test_the_svd_is_three_files_away_from_pinv(a):
    strict = pytest.importorskip("array_api_strict")
    a, found = strict.asarray(a), []

    def watch(frame, event, _):
        if event == "call" and frame.f_code is strict.linalg.svd.__wrapped__.__code__:
            while frame is not None:
                found.append(Path(frame.f_code.co_filename))
                frame = frame.f_back

    sys.setprofile(watch)
    try:
        pinvx.pinv(a, method="svd")
    finally:
        sys.setprofile(None)
    core = Path(pinvx.__file__).parent
    files = dict.fromkeys(f.name for f in reversed(found) if f.is_relative_to(core))
    files.pop("_adapter.py")  # the verbs
    assert list(files) == ["_linalg.py", "_derivative.py", "_svd.py"]


def test_private_names_of_torch_stand_in_one_file():
    private = re.compile(r"\b(torch|forward_ad)(\.\w+)*\._\w+")
    users = {
        path.name
        for path in (ROOT / "backends" / "pinvx_backends").glob("_torch*.py")
        if private.search(path.read_text(encoding="utf-8"))
    }
    assert users == {"_torch_private.py"}
