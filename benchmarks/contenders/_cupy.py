"""CuPy: `pinv` and `lstsq` by the singular value decomposition of cuSOLVER."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import cupy

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals, single_or_loop


class CupyContender(Contender):
    """CuPy's own functions, with pinvx's cutoff."""

    name = "cupy"
    distributions = ("cupy", "cupy-cuda12x", "cupy-cuda13x")

    def devices(self) -> Sequence[str]:
        """Return the CUDA devices."""
        runtime = cupy.cuda.runtime
        try:
            return tuple(f"cuda:{i}" for i in range(runtime.getDeviceCount()))
        except runtime.CUDARuntimeError:  # no driver
            return ()

    def device_name(self, device: str) -> str | None:
        """Return the name of a device."""
        name: bytes = cupy.cuda.runtime.getDeviceProperties(_number(device))["name"]
        return name.decode()

    def matches(self) -> Sequence[Match]:
        """Return `pinv` and `lstsq`."""
        return (
            Match("pinv", "forward", "cupy.linalg.pinv", _pinv),
            Match("lstsq", "forward", "cupy.linalg.lstsq", _lstsq),
        )

    def scope(self, device: str) -> AbstractContextManager[Any]:
        """Return the context of a device."""
        return cupy.cuda.Device(_number(device))  # type: ignore[no-any-return]  # CuPy is `Any`

    def array(self, values: Any, device: str, *, gradient: bool) -> Any:
        """Return an array on the current device."""
        return cupy.asarray(values)

    def synchronise(self, device: str) -> Callable[[Any], Any] | None:
        """Return what waits for the device."""
        return lambda result: cupy.cuda.get_current_stream().synchronize()

    def numbers(self, x: Any) -> Any:
        """Return an array as a NumPy array."""
        return cupy.asnumpy(x)


def _number(device: str) -> int:
    return int(device.removeprefix("cuda:"))


def _pinv(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(partial(cupy.linalg.pinv, rcond=cutoff), pinvx.pinv)


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    return single_or_loop(shape, partial(cupy.linalg.lstsq, rcond=cutoff), pinvx.lstsq)
