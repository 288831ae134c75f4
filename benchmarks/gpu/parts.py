"""The parts of the proof: what each runs, for how long, and what may run beside it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = ("torch", "cupy", "jax")

# XLA tries many kernels for each product, which takes it longer than all that is measured here. So
# it takes the one that cuBLAS recommends, as the other libraries do.
XLA_FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"

# PyTorch warns of itself: of what it compiles its derivatives with, and when its thread for
# gradients is the first to use cuBLAS.
HARMLESS = (
    "ignore:`torch.jit:DeprecationWarning",
    "ignore:Attempting to run cuBLAS, but there was no current CUDA context:UserWarning",
)


@dataclass(frozen=True)
class Setting:
    """On what, where, and how much."""

    device: str
    out: Path
    libraries: tuple[str, ...] = LIBRARIES
    small: bool = False
    commit: str | None = None
    """What is proved; None where git can tell."""

    @property
    def cuda(self) -> bool:
        """Whether there is a GPU to prove anything on."""
        return self.device == "cuda"


@dataclass(frozen=True)
class Part:
    """A process of the proof."""

    name: str
    seconds: float
    """The most that it may take."""
    command: tuple[str, ...]
    alone: bool = False
    """Whether nothing may run beside it, since it measures time."""
    weight: float = 1.0
    """Its share of the time that is left to those that run alone."""
    environment: Mapping[str, str] = field(default_factory=dict)
    good: tuple[int, ...] = (0, 1)
    """What it ends with when it has done all its work, found faults or not."""


def parts(setting: Setting) -> list[Part]:
    """Return all parts, in the order in which they run."""
    side_by_side = [main_job(setting), *tests(setting), *conformance(setting)]
    return [*side_by_side, *(benchmark(setting, name) for name in setting.libraries)]


def main_job(setting: Setting) -> Part:
    """`python -m pinvx`: one real problem, on every library and device here."""
    return Part("main", 120, (sys.executable, "-m", "pinvx"))


def tests(setting: Setting) -> list[Part]:
    """Return the tests of the rows that are on the device."""
    rows = {"torch": "cuda", "cupy": "cupy"} if setting.cuda else {"torch": "torch and not cuda"}
    found = []
    wanted = [row for name, row in rows.items() if name in setting.libraries]
    if wanted:
        found.append(_pytest(setting, "tests", " or ".join(wanted), "worksteal", share=0.5))
    if "jax" in setting.libraries and not setting.small:
        # A file in one process: what is compiled is used again.
        found.append(_pytest(setting, "tests-jax", "jax", "loadfile", share=0.3))
    return found


def _pytest(setting: Setting, name: str, rows: str, distribution: str, *, share: float) -> Part:
    before, after = (setting.out / f"{name}{end}.jsonl" for end in ("-known", ""))
    options = ["-q", "-n", str(_processes(share)), "--dist", distribution, "--tb=short"]
    # Where pytest-benchmark is installed, it warns beside pytest-xdist, and warnings are errors.
    options += ["-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "benchmarks.gpu.record"]
    options += ["--record", str(after), "--known", str(before)]
    options += [word for warning in HARMLESS for word in ("-W", warning)]
    # The double stands in for CuPy where there is no GPU, and the suite is a part of its own.
    rows = f"({rows}) and not cupy_double and not test_conformance"
    if importlib.util.find_spec("pytest_timeout"):
        options += ["--timeout", "100"]
    files = ["tests/test_backends.py", "tests/test_arrays.py"] if setting.small else ["tests"]
    command = (sys.executable, "-m", "pytest", *options, "-k", rows, *files)
    return Part(name, 280, command, environment=_beside(setting))


def conformance(setting: Setting) -> list[Part]:
    """Return the conformance suite on pinvx, and on the libraries' own functions."""
    device = ":cuda" if setting.cuda else ""
    names = {"torch": f"torch{device}", "cupy": "cupy", "jax": "jax"}
    here = [names[name] for name in setting.libraries if setting.cuda or name != "cupy"]
    if setting.small:
        here = here[:1]
    targets = {"conformance": [f"pinvx@{name}" for name in here], "conformance-own": here}
    shares = {"conformance": 0.4, "conformance-own": 0.2}
    found = []
    for name, judged in targets.items():
        options = ["--targets", ",".join(judged), "--level", "quick"]
        options += ["--jobs", str(_processes(shares[name]))]
        options += ["--json", str(setting.out / f"{name}.json")]
        options += ["--markdown", str(setting.out / f"{name}.md")]
        if setting.small:
            options += ["--promises", "P3", "--dtypes", "float64"]
        command = (sys.executable, "-m", "pinvx_conformance", *options)
        found.append(Part(name, 280, command, environment=_beside(setting)))
    return found[:1] if setting.small else found


def benchmark(setting: Setting, library: str) -> Part:
    """Return the benchmark of one library, whose process ends by itself before its limit."""
    file = str(setting.out / f"benchmark-{library}.jsonl")
    command = [sys.executable, "-m", "benchmarks.gpu.run", library, file]
    command += ["--device", setting.device, *(["--small"] if setting.small else [])]
    return Part(
        f"benchmark-{library}",
        290,
        tuple(command),
        alone=True,
        weight={"torch": 4.0, "cupy": 3.0, "jax": 3.0}.get(library, 1.0),
        environment=_xla(setting),
        good=(0,),
    )


def environment(setting: Setting) -> dict[str, str]:
    """Return what all parts have in common.

    The packages are found in the checkout, installed or not. Several processes share the GPU, of
    which JAX takes three quarters at its start otherwise. What is compiled is kept.
    """
    folders = [ROOT, ROOT / "backends", ROOT / "conformance", ROOT / "tests"]
    known = os.environ.get("PYTHONPATH")
    cache = setting.out / "cache"
    found = {
        "PYTHONPATH": os.pathsep.join([*map(str, folders), *([known] if known else [])]),
        "PYTHONUNBUFFERED": "1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "CUPY_CACHE_DIR": str(cache / "cupy"),
    }
    return {k: v for k, v in found.items() if k == "PYTHONPATH" or k not in os.environ}


def _xla(setting: Setting) -> dict[str, str]:
    return {"XLA_FLAGS": XLA_FLAGS} if setting.cuda and "XLA_FLAGS" not in os.environ else {}


def _beside(setting: Setting) -> dict[str, str]:
    """Return what suits many processes: threads of each would wait for those of the others."""
    return {**_xla(setting), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _processes(share: float) -> int:
    """Return a share of the processors: what runs side by side shares them."""
    return max(1, int(share * (os.cpu_count() or 1)))


def selected(known: Sequence[Part], names: Sequence[str]) -> list[Part]:
    """Return the parts of these names, or with names that start so; all without any."""
    return [
        part
        for part in known
        if not names or any(part.name == n or part.name.startswith(f"{n}-") for n in names)
    ]
