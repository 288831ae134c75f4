"""From an array to its library: who is imported, who is asked, and how a stranger joins."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import array_api_compat
import numpy as np
import pytest
from backend_table import HERE
from bounds import VALUE, assert_close, unit
from matrix_cases import fitting, named

import pinvx
from pinvx import _dispatch

EXAMPLE = Path(__file__).parent / "example_backend"
LIBRARIES = ("numpy", "torch", "jax", "cupy", "dask", "scipy", "array_api_strict")


def run(code, *paths):
    """Run Python code in a fresh process, and return what it printed."""
    paths = [*map(str, paths), *(p for p in [os.environ.get("PYTHONPATH")] if p)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# Imports


def test_import_brings_no_array_library():
    code = f"import sys, pinvx; print(*[m for m in {LIBRARIES} if m in sys.modules])"
    assert run(code) == []


def test_nothing_but_the_arrays_own_library_is_imported():
    code = f"""
import sys, numpy, pinvx
pinvx.lstsq(numpy.eye(2), numpy.ones(2))
pinvx.backends()
print(*[m for m in {LIBRARIES} if m in sys.modules])
print(*[m for m in sys.modules if m.startswith('pinvx_backends.')])
"""
    assert run(code) == ["numpy", "pinvx_backends._threads", "pinvx_backends._numpy"]


def test_import_of_a_library_after_pinvx():
    pytest.importorskip("torch")
    code = "import pinvx, torch; print(type(pinvx.pinv(torch.eye(2))).__module__)"
    assert run(code) == ["torch"]


# The public names


def test_all_is_what_there_is():
    public = {name for name in vars(pinvx) if not name.startswith("_")}
    # Submodules become attributes when they are imported; none of them is public.
    assert public == set(pinvx.__all__)
    assert len(pinvx.__all__) == len(set(pinvx.__all__))
    assert sorted(pinvx.__all__) == pinvx.__all__


@pytest.mark.parametrize("name", pinvx.__all__)
def test_every_public_name_is_described(name):
    thing = getattr(pinvx, name)
    assert thing.__doc__
    assert thing.__doc__.strip()
    assert thing.__module__.startswith("pinvx.")


def test_arrays_are_positional_and_options_have_names():
    a = np.eye(2)
    for call in (
        lambda: pinvx.pinv(a=a),
        lambda: pinvx.pinv(a, 1e-3, 1e-3),
        lambda: pinvx.lstsq(a, b=a),
        lambda: pinvx.lstsq(a, a, 1e-3, 1e-3),
        lambda: pinvx.pinv_vjp(a, g=a),
        lambda: pinvx.pinv_jvp(a, a, a),
        lambda: pinvx.pinv(a, tol=1e-3),
    ):
        with pytest.raises(TypeError):
            call()
    assert pinvx.pinverse(input=a, rcond=1e-3).shape == (2, 2)


# A library that nobody has told pinvx about


@pytest.fixture
def strange(monkeypatch):
    """The example library without its adapter."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import example_arrays

    yield example_arrays
    for name in [n for n in sys.modules if n.startswith(("example_arrays", "pinvx_example"))]:
        del sys.modules[name]


@pytest.fixture
def registry():
    """What is registered in a test is forgotten after it."""
    registered = dict(_dispatch._registered)
    yield _dispatch._registered
    _dispatch._registered.clear()
    _dispatch._registered.update(registered)
    _dispatch._by_namespace.clear()
    _dispatch._by_type.clear()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_stranger_needs_no_adapter(strange, registry, dtype):
    for case in fitting(dtype):
        a = strange.asarray(case.a.astype(dtype))
        b = strange.asarray(case.b().astype(dtype))
        tolerance = VALUE * unit(case.a.shape, dtype, case.kappa)
        x, rank = pinvx.pinv(a, return_rank=True)
        assert type(x) is strange.Array
        assert_close(x._values, case.x, tolerance, what=str(case))
        assert int(rank) == case.rank
        fit = pinvx.lstsq(a, b, singular_values=True)
        scale = np.linalg.norm(case.x) * np.linalg.norm(case.b())
        assert_close(fit.x._values, case.x @ case.b(), 4 * tolerance * case.kappa, scale=scale)
        for residual in pinvx.penrose_residuals(a, x):
            assert float(residual) <= tolerance
        # The bound of a derivative is another one; here it is enough that there is a finite one.
        a_bar, b_bar = pinvx.lstsq_vjp(a, b, fit.x, fit.residuals)
        for value in (a_bar, b_bar, pinvx.pinv_vjp(a, x), *pinvx.lstsq_jvp(a, b, a, b)):
            assert np.isfinite(value._values).all()
            assert type(value) is strange.Array
        square = strange.matmul(a, pinvx.pinv(a))
        assert type(pinvx.pinv(square, hermitian=True)) is strange.Array
    assert type(_dispatch.adapter_of(a, "test", "a")) is pinvx.Adapter


def test_a_stranger_has_the_options_and_the_errors_of_everyone(strange, registry):
    a = strange.asarray(np.diag([4.0, 2.0]))
    out = strange.zeros((2, 2))
    assert pinvx.pinv(a, out=out, rtol=0.6) is out
    assert_close(out._values, np.diag([0.25, 0.0]), VALUE * unit((2, 2), "float64", 1.0))
    integers = strange.asarray(np.asarray([[2, 0], [0, 4]]))
    assert pinvx.pinv(integers).dtype == np.float64
    with pytest.raises(TypeError, match=r"example_arrays\.Array.*two array libraries"):
        pinvx.lstsq(np.eye(2), a)
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        pinvx.pinv(a[0, ...])
    bad = strange.asarray(np.asarray([[np.nan, 0.0], [0.0, 1.0]]))
    assert np.isnan(pinvx.pinv(bad)._values).all()


# Adapters


class Counting(pinvx.Adapter):
    """Notes that it was asked."""

    def __init__(self, xp):
        super().__init__(xp)
        self.products = 0

    def matmul(self, x, y):
        self.products += 1
        return x @ y


def test_a_registered_class_is_used(strange, registry):
    pinvx.register_backend("example_arrays", Counting)
    a = strange.asarray(np.ones((3, 2)))
    pinvx.pinv(a, method="svd")
    adapter = _dispatch.adapter_of(a, "test", "a")
    assert type(adapter) is Counting
    assert adapter.products > 0
    assert adapter.xp is strange


def test_registering_again_replaces_what_was_there(strange, registry):
    a = strange.asarray(np.ones((3, 2)))
    made = []

    def factory(xp):
        made.append(xp)
        return Counting(xp)

    pinvx.pinv(a)
    pinvx.register_backend("example_arrays", factory)
    pinvx.pinv(a)
    pinvx.pinv(a)
    assert made == [strange]
    pinvx.register_backend("example_arrays", "pinvx_example.adapter:ExampleAdapter")
    pinvx.pinv(a, method="svd")
    from pinvx_example.adapter import PRODUCTS

    assert PRODUCTS


def test_a_registered_adapter_wins_over_the_built_in_one(registry):
    pinvx.register_backend("numpy", Counting)
    a = np.ones((3, 2))
    pinvx.pinv(a, method="svd")
    assert _dispatch.adapter_of(a, "test", "a").products > 0


def test_backends_lists_what_is_registered_and_imports_nothing(registry):
    found = {b.name: b for b in pinvx.backends()}
    assert {"cupy", "jax", "numpy", "torch"} <= set(found)
    assert list(found) == sorted(found)
    assert found["numpy"].version == np.__version__
    assert found["torch"].version == (version("torch") if find_spec("torch") else None)
    assert found["torch"].adapter == "pinvx_backends._torch:TorchAdapter"
    pinvx.register_backend("no_such_library", "no_such_module:Adapter")
    pinvx.register_backend("numpy", Counting)
    found = {b.name: b for b in pinvx.backends()}
    assert found["no_such_library"] == ("no_such_library", None, "no_such_module:Adapter")
    assert found["numpy"].adapter == f"{__name__}:Counting"


def test_dispatch_is_one_lookup_the_second_time(registry, monkeypatch):
    """The namespace is asked for when a type is new, and never again."""
    calls = []
    ask = array_api_compat.array_namespace

    def counted(*arrays, **options):
        calls.append(arrays)
        return ask(*arrays, **options)

    monkeypatch.setattr(_dispatch.array_api_compat, "array_namespace", counted)
    _dispatch._by_type.clear()
    _dispatch._by_namespace.clear()
    a, b = np.eye(2), np.ones(2)
    first = _dispatch.adapter_of(a, "test", "a")
    assert len(calls) == 1
    for _ in range(3):
        assert _dispatch.adapter_of(a, "test", "a") is first
        assert _dispatch.adapter_of(b, "test", "b") is first
    assert len(calls) == 1
    monkeypatch.setattr(_dispatch, "_load", None)
    monkeypatch.setattr(_dispatch, "_entry_points", None)
    assert _dispatch.adapter_of(a, "test", "a") is first


@pytest.mark.parametrize("row", [row for row in HERE if row.tag in ("numpy", "torch")], ids=str)
def test_entry_points_are_not_read_for_libraries_that_are_known(row, registry, monkeypatch):
    _dispatch._by_type.clear()
    _dispatch._by_namespace.clear()
    monkeypatch.setattr(_dispatch, "_entry_points", None)
    pinvx.pinv(row.array(np.eye(2)))


# A third party's package


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example package, really built and installed."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "example_backend"
    # A copy, since a build leaves things behind.
    source.mkdir()
    for path in EXAMPLE.rglob("*"):
        if path.suffix in (".py", ".toml"):
            copy = source / path.relative_to(EXAMPLE)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_an_installed_adapter_is_found(installed):
    case = named("tall, deficient")
    code = f"""
import numpy, pinvx, example_arrays as ea
import sys
assert "pinvx_example" not in sys.modules
a = numpy.asarray({case.a.tolist()})
x, rank = pinvx.pinv(ea.asarray(a), method="svd", return_rank=True)
from pinvx_example.adapter import PRODUCTS
assert PRODUCTS == ["(4, 4) @ (4, 7)"], PRODUCTS
assert numpy.allclose(x._values, numpy.linalg.pinv(a))
print(type(x) is ea.Array, int(rank))
print(*[(b.version, b.adapter) for b in pinvx.backends() if b.name == "example_arrays"][0])
"""
    expected = ["True", "2", "0.1.0", "pinvx_example.adapter:ExampleAdapter"]
    assert run(code, installed) == expected


def test_an_installed_adapter_does_not_replace_a_registered_one(installed):
    code = """
import pinvx, example_arrays as ea
pinvx.register_backend("example_arrays", pinvx.Adapter)
pinvx.pinv(ea.zeros((2, 2)))
import sys
print("pinvx_example" in sys.modules)
"""
    assert run(code, installed) == ["False"]
