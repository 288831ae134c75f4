"""PyTorch: `pinv` by the singular value decomposition, `lstsq` by its default driver.

The default driver of `torch.linalg.lstsq` is gelsy (QR with pivots, any rank) on the CPU and gels
(QR, full rank only) on CUDA; there, errors at lower rank show what that means.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

import pinvx

from ..grid import Shape
from ._contender import Contender, Match, Rivals


class TorchContender(Contender):
    """PyTorch's own functions, which have pinvx's cutoff by default."""

    name = "torch"
    distributions = ("torch",)
    arrays = "torch"

    def device_name(self, device: str) -> str | None:
        """Return the name of a CUDA device."""
        return None if device == "cpu" else torch.cuda.get_device_name(device)

    def matches(self) -> Sequence[Match]:
        """Return `pinv` and `lstsq`, each with its gradients, too."""
        return (
            Match("pinv", "forward", "torch.linalg.pinv", _pinv),
            Match("pinv", "backward", "torch.linalg.pinv", _pinv_gradient, _projectors),
            Match("lstsq", "forward", "torch.linalg.lstsq", _lstsq),
            Match("lstsq", "backward", "torch.linalg.lstsq", _lstsq_gradients, _projectors),
        )

    def hermitian(self) -> Match:
        """Return `pinv` by eigenvalues."""
        return Match("pinv", "hermitian", "torch.linalg.pinv hermitian", _pinv_hermitian)

    def array(self, values: Any, device: str, *, gradient: bool) -> Any:
        """Return a tensor in memory of its own."""
        tensor = super().array(values, device, gradient=False)
        return tensor.clone().requires_grad_(gradient)

    def synchronise(self, device: str) -> Callable[[Any], Any] | None:
        """Return what waits for a CUDA device."""
        return None if device == "cpu" else lambda result: torch.cuda.synchronize(device)

    def clock(self, device: str) -> Callable[[], float]:
        """Return the clock of a CUDA device: events, with the time since the first."""
        if device == "cpu":
            return time.perf_counter
        first = torch.cuda.Event(enable_timing=True)
        first.record()

        def now() -> float:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            event.synchronize()
            return float(first.elapsed_time(event)) / 1e3

        return now

    def synchronisations(self, call: Callable[[], Any], device: str) -> int | None:
        """Call, and count what PyTorch's own detector warns of."""
        if device == "cpu":
            return None
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                call()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("called a synchronizing" in str(warning.message) for warning in seen)

    def numbers(self, x: Any) -> Any:
        """Return a tensor as a NumPy array."""
        return x.detach().cpu().resolve_conj().numpy()

    def cast(self, x: Any, dtype: str) -> Any:
        """Return a tensor in another dtype."""
        return x.to(getattr(torch, dtype))

    def stack(self, arrays: Sequence[Any]) -> Any:
        """Return a batch of tensors."""
        return torch.stack(list(arrays))


def _pinv(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(torch.linalg.pinv, pinvx.pinv)


def _pinv_hermitian(shape: Shape, cutoff: float) -> Rivals:
    own, mine = (partial(f, hermitian=True) for f in (torch.linalg.pinv, pinvx.pinv))
    return Rivals(own, mine)


def _pinv_gradient(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(_backward(torch.linalg.pinv), _backward(pinvx.pinv))


def _lstsq(shape: Shape, cutoff: float) -> Rivals:
    return Rivals(torch.linalg.lstsq, pinvx.lstsq)


def _lstsq_gradients(shape: Shape, cutoff: float) -> Rivals:
    own, mine = (partial(_solution, f) for f in (torch.linalg.lstsq, pinvx.lstsq))
    return Rivals(_backward(own), _backward(mine))


def _solution(function: Callable[..., Any], a: Any, b: Any) -> Any:
    return function(a, b)[0]


def _backward(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    def forward_and_backward(*arguments: Any) -> tuple[Any, ...]:
        *inputs, cotangent = arguments
        for x in inputs:
            x.grad = None
        function(*inputs).backward(cotangent)
        return tuple(x.grad for x in inputs)

    return forward_and_backward


def _projectors(shape: Shape, itemsize: int) -> int:
    """Return the bytes of the two M×M matrices that PyTorch's derivative holds where M > N."""
    return 2 * (shape.batch or 1) * shape.m**2 * itemsize if shape.m > shape.n else 0
