"""How many processors the libraries may use. This has to happen before they are imported."""

from __future__ import annotations

import os


def limit(number: int) -> None:
    """Let this process use at most so many processors.

    BLAS and OpenMP read the variables; JAX has none, and counts the processors of the process.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(number)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:number])
