"""One device, whose clock is the host's."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from .device import Device

__all__ = ["Device", "Event", "get_current_stream", "get_elapsed_time", "runtime"]


class Event:
    def record(self) -> None:
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        pass


def get_elapsed_time(start: Event, end: Event) -> float:
    return (end.time - start.time) * 1e3


def get_current_stream() -> Any:
    return SimpleNamespace(synchronize=lambda: None)


class CUDARuntimeError(RuntimeError):
    pass


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda number: {"name": b"a double of CuPy's device"},
)
