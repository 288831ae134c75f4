"""Where the benchmark ran, without which its figures mean little."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import pinvx

from .contenders import Contender

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def describe(contenders: Sequence[Contender]) -> dict[str, Any]:
    """Return versions, processors, threads, BLAS, date and load, for JSON."""
    versions = {"pinvx": pinvx.__version__, "python": platform.python_version()}
    devices = {}
    for contender in contenders:
        versions |= contender.versions()
        for device in contender.devices():
            name = contender.device_name(device)
            if name is not None:
                devices[device] = name
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpus": usable_cpus(),
        "devices": devices,
        "threads": threads(),
        "blas": blas(),
        "versions": versions,
        "load_at_start": load(),
        "load_at_end": None,
    }


def cpu_name() -> str:
    """Return what the maker calls the processor, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # no Linux
        pass
    return platform.processor() or "unknown"


def usable_cpus() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> dict[str, Any]:
    """Return what limits the number of threads: the variables that are set, and PyTorch's count."""
    found: dict[str, Any] = {k: os.environ[k] for k in THREAD_VARIABLES if k in os.environ}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    return found


def blas() -> str:
    """Return the name and the version of NumPy's BLAS."""
    built: Any = np.show_config(mode="dicts")
    found = built.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip()


def load() -> float | None:
    """Return how many processes wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
