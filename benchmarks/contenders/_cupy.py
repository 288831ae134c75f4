"""CuPy: `pinv` and `lstsq` by the singular value decomposition of cuSOLVER."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cupy
from cupy._core import syncdetect

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals, single_or_loop


class CupyContender(Contender):
    """CuPy's own functions, with pinvx's cutoff."""

    name = "cupy"
    distributions = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
    arrays = "cupy"

    def device_name(self, device: str) -> str | None:
        """Return the name of a device."""
        name: bytes = cupy.cuda.runtime.getDeviceProperties(self._devices[device])["name"]
        return name.decode()

    def matches(self) -> Sequence[Match]:
        """Return `pinv` and `lstsq`."""
        return (
            Match("pinv", "forward", "cupy.linalg.pinv", _pinv),
            Match("lstsq", "forward", "cupy.linalg.lstsq", _lstsq),
        )

    def hermitian(self) -> Match:
        """Return `pinv` by singular values: there is none by eigenvalues."""
        return Match("pinv", "hermitian", "cupy.linalg.pinv general", _pinv_hermitian)

    def synchronise(self, device: str) -> Callable[[Any], Any] | None:
        """Return what waits for the device."""
        return lambda result: cupy.cuda.get_current_stream().synchronize()

    def clock(self, device: str) -> Callable[[], float]:
        """Return the clock of the device: events, with the time since the first."""
        first = cupy.cuda.Event()
        first.record()

        def now() -> float:
            event = cupy.cuda.Event()
            event.record()
            event.synchronize()
            return float(cupy.cuda.get_elapsed_time(first, event)) / 1e3

        return now

    def synchronisations(self, call: Callable[[], Any], device: str) -> int | None:
        """Call, and count the copies to the host, each of which CuPy declares.

        What waits inside cuSOLVER is not seen.
        """
        count, declare = 0, syncdetect._declare_synchronize

        def counted() -> None:
            nonlocal count
            count += 1
            declare()

        syncdetect._declare_synchronize = counted
        try:
            call()
        finally:
            syncdetect._declare_synchronize = declare
        return count

    def numbers(self, x: Any) -> Any:
        """Return an array as a NumPy array."""
        return cupy.asnumpy(x)

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return a batch of arrays."""
        return cupy.stack(arrays)


def _pinv(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(partial(cupy.linalg.pinv, rcond=cutoff), pinvx.pinv)


def _pinv_hermitian(shape: Shape, cutoff: float) -> Rivals:
    own = partial(cupy.linalg.pinv, rcond=cutoff)
    return Rivals(own, partial(pinvx.pinv, hermitian=True))


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    return single_or_loop(shape, partial(cupy.linalg.lstsq, rcond=cutoff), pinvx.lstsq)
