"""Run the tests as other processors would: a promise holds on all of them, the last bit on one.

    python tests/processors.py                        # every test: about half an hour for each row
    python tests/processors.py tests/test_methods.py   # what is given goes to pytest

The libraries choose their kernels when they are loaded, and environment variables tell them to
choose those of an older processor. Rows that this machine lacks the instructions for are left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Its kernels of OpenBLAS (NumPy, SciPy, JAX), the instructions that MKL (PyTorch), PyTorch itself
# and XLA (JAX, which needs AVX) may use, and what Linux calls the last of them.
PROCESSORS = {
    "2004": ("Prescott", "SSE4_2", "default", "AVX", "avx"),
    "2008": ("Nehalem", "SSE4_2", "default", "AVX", "avx"),
    "2013": ("Haswell", "AVX2", "avx2", "AVX2", "avx2"),
    "2017, AMD": ("Zen", "AVX2", "avx2", "AVX2", "avx2"),
    "2017, Intel": ("SkylakeX", "AVX512", "avx512", "AVX512", "avx512f"),
}
# MKL obeys that on Intel's processors alone, but can be told everywhere to compute as on the oldest
# one. In the other rows that variable is not set: it keeps MKL's bits from depending on the number
# of threads, which they do for users.
COMPATIBLE = {"2004"}
THREADS = (1, 2)


def environment(processor: str, threads: int) -> dict[str, str]:
    """The variables that make the libraries compute as a processor with so many threads."""
    openblas, mkl, torch, xla, _ = PROCESSORS[processor]
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "OPENBLAS_CORETYPE": openblas,
        "MKL_ENABLE_INSTRUCTIONS": mkl,
        "ATEN_CPU_CAPABILITY": torch,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa={xla}".strip(),
        **dict.fromkeys(names, str(threads)),
        **({"MKL_CBWR": "COMPATIBLE"} if processor in COMPATIBLE else {}),
    }


def main() -> int:
    """Run pytest once for each row, and tell which tests failed where."""
    flags = Path("/proc/cpuinfo")
    known = set(flags.read_text(encoding="utf-8").split()) if flags.exists() else None
    failed = False
    for processor, (*_, instructions) in PROCESSORS.items():
        if known is not None and instructions not in known:
            print(f"{processor}: left out, this machine has no {instructions}")
            continue
        for threads in THREADS:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "--tb=short", *sys.argv[1:]],
                cwd=ROOT,
                env=os.environ | environment(processor, threads),
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            lines = done.stdout.splitlines()
            end = f"ended by signal {-done.returncode}" if done.returncode < 0 else lines[-1]
            print(f"{processor}, threads: {threads}: {end.strip('= ')}", flush=True)
            bad = [line for line in lines if re.match("(FAILED|ERROR) ", line)]
            print(*(f"  {line}" for line in bad), sep="\n", end="\n" if bad else "", flush=True)
            failed = failed or done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
