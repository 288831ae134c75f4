"""The fixtures `lib`, `dtype`, `single` and `half`, over those of `backend_table.TABLE` here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from backend_table import AVAILABLE, HERE, TABLE, Backend

# Warnings of the libraries about themselves; all others are errors.
OTHERS = (
    # PyTorch compiles the rules of its forward mode with `torch.jit.script`, and its compiler
    # imports, where there is a GPU, what uses `torch.jit.script_method`. It deprecates both.
    "ignore:.torch.jit.script:DeprecationWarning",
    # The first product in the thread of PyTorch's that computes gradients on a GPU.
    "ignore:Attempting to run cuBLAS, but there was no current CUDA context:UserWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in OTHERS:
        config.addinivalue_line("filterwarnings", line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    if "lib" not in names:
        return
    if "dtype" in names:  # pairs, since the modes of a library differ in what they have
        pairs = [(lib, d) for lib in HERE for d in lib.dtypes if d not in lib.elsewhere]
        metafunc.parametrize(("lib", "dtype"), pairs, indirect=["lib"], ids=str)
    elif "single" in names:
        pairs = [(lib, d) for lib in HERE for d in ("float32", "complex64") if d in lib.dtypes]
        pairs = [(lib, d) for lib, d in pairs if d not in lib.elsewhere]
        metafunc.parametrize(("lib", "single"), pairs, indirect=["lib"], ids=str)
    elif "half" in names:
        pairs = [(lib, half) for lib in HERE for half in lib.half]
        metafunc.parametrize(("lib", "half"), pairs, indirect=["lib"], ids=str)
    else:
        metafunc.parametrize("lib", HERE, indirect=True, ids=str)


@pytest.fixture
def lib(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with request.param.scope():
        yield request.param


def pytest_report_header() -> list[str]:
    return [f"arrays of: {', '.join(map(str, HERE))}"] + [
        f"not tested here: {lib} ({lib.missing})" for lib in TABLE if lib.missing is not None
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, a file is in one process; the suite's, each library in each dtype.

    What is compiled, and the truth about a matrix, are found once then.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from pinvx_conformance._schedule import group_of  # where pytest-xdist is, and nowhere else
    from xdist.scheduler import LoadFileScheduling

    targets = [f"pinvx@{name}" for name in AVAILABLE]

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            if not file.endswith("test_conformance.py"):
                return file
            return f"{file} {group_of(nodeid, targets)}"

    return ByFile(config, log)
