"""array-api-strict: the standard and nothing else, with several devices that do not mix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import array_api_strict as xp
import numpy as np

from pinvx_conformance._libraries._base import Library

_READS = ("__bool__", "__int__", "__float__", "__complex__", "__index__", "__array__")


def works(_name: str) -> bool:
    """Wherever it is installed."""
    return True


def describe(name: str) -> Library:
    """Return array-api-strict as the suite sees it."""
    return Library(
        name=name,
        version=xp.__version__,
        xp=xp,
        device=xp.Device("CPU_DEVICE"),
        other_devices=(xp.Device("device1"),),
        to_numpy=_to_numpy,
        host_reads=_host_reads,
        # NumPy computes behind it, and warns of overflow and of NaN. A function of the standard has
        # no way to switch that off: the standard knows no error states.
        quiet=lambda: np.errstate(all="ignore"),
        lacks={
            "vjp": "array-api-strict has no automatic differentiation",
            "jvp": "array-api-strict has no automatic differentiation",
            "transformations": "array-api-strict has no function transformations",
        },
    )


def _to_numpy(x: Any) -> Any:
    return np.asarray(x.to_device(xp.Device("CPU_DEVICE")))


@contextlib.contextmanager
def _host_reads() -> Iterator[list[str]]:
    """Count the conversions of an array to a Python value."""
    reads: list[str] = []
    array = type(xp.zeros(1))

    def counting(name: str) -> Any:
        original = getattr(array, name)

        def read(self: Any, *args: Any, **kwargs: Any) -> Any:
            reads.append(name)
            return original(self, *args, **kwargs)

        return read

    with contextlib.ExitStack() as stack:
        for name in _READS:
            if hasattr(array, name):
                stack.enter_context(mock.patch.object(array, name, counting(name)))
        yield reads
