"""The device, the driver and the versions, without which a result means nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from typing import Any

import pinvx

from .. import machine
from .parts import ROOT, Setting

DISTRIBUTIONS = (
    "numpy",
    "torch",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "jax",
    "jaxlib",
    "jax-cuda13-plugin",
    "jax-cuda12-plugin",
    "array-api-compat",
)
VARIABLES = ("XLA_FLAGS", "CUDA_VISIBLE_DEVICES", "CUPY_TF32", "NVIDIA_TF32_OVERRIDE")


def describe(setting: Setting, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of the machine, without any library that would take the device."""
    versions = {"pinvx": pinvx.__version__, "python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    variables = {**os.environ, **environment}
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": setting.device,
        "gpus": gpus() if setting.cuda else [],
        "commit": setting.commit
        or _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": machine.cpu_name(),
        "cpus": machine.usable_cpus(),
        "versions": versions,
        "variables": {name: variables[name] for name in VARIABLES if name in variables},
    }


def gpus() -> list[dict[str, str]]:
    """Return the name, the driver and the memory of each NVIDIA GPU."""
    fields = ("name", "driver_version", "memory.total")
    text = _output("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader")
    rows = (line.split(", ") for line in (text or "").splitlines())
    return [dict(zip(fields, row, strict=True)) for row in rows if len(row) == len(fields)]


def _output(*command: str) -> str | None:
    """Return what a command prints, None where it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
