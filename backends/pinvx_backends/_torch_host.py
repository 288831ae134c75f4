"""Small tensors in host memory, computed by NumPy on the same memory.

A call into PyTorch takes some microseconds. For small matrices the calls are the cost, and NumPy's
cost less. But decompositions are always PyTorch's own: the errors of A⁺ from two builds of LAPACK
can differ by a factor of ten, and small matrices must not get the worse one. If NumPy would need a
decomposition, the call goes back to PyTorch.

Each library has threads of its own, and idle threads that spin hold up those of the other:
milliseconds for a small matrix. So NumPy gets nothing that its BLAS would share out to threads.
OpenBLAS does so from 8192 entries for a matrix times a vector, and from 64³ operations for a
product.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from pinvx import Adapter
from pinvx._dispatch import adapter_of

from ._torch_private import dispatch_keys, modes

# From this many entries of all inputs together, PyTorch's own kernels are faster.
CROSSING = 1 << 11


class Back(BaseException):  # no error, so `except Exception` lets it pass
    """NumPy would need a decomposition."""


def _back(_: Any) -> Any:
    raise Back


def _inv_lower(invert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function for the inverse of each lower triangular matrix.

    Only a single tiny matrix is inverted by NumPy; PyTorch uses the zeros.
    """

    def inv_lower(x: Any) -> Any:
        if x.ndim == 2 and x.shape[-1] < 20:
            return invert(x)
        known = torch.from_numpy(x)
        identity = torch.eye(x.shape[-1], dtype=known.dtype, device="cpu")
        return torch.linalg.solve_triangular(known, identity, upper=False).numpy()

    return inv_lower


def _host() -> Adapter:
    """Return NumPy's adapter without decompositions."""
    host = copy.copy(adapter_of(torch.empty(0, device="cpu").numpy(), "pinvx", "a"))
    vars(host).update(svd=_back, eigh=_back, inv_lower=_inv_lower(host.inv))
    return host


try:
    _HOST: Adapter | None = _host()
except (ImportError, RuntimeError):  # no NumPy here, or one that this PyTorch does not know
    _HOST = None

_TYPES = frozenset({torch.Tensor, torch.nn.Parameter})


# The keys of plain tensors in host memory: not wrapped by a transformation, without a conjugate or
# negative bit, with values.
with torch.inference_mode():
    _INFERENCE = dispatch_keys(torch.empty(0, device="cpu"))
_ORDINARY = frozenset({dispatch_keys(torch.empty(0, device="cpu")), _INFERENCE})


def entries(inputs: tuple[Any, ...]) -> int | None:
    """Count the entries of plain tensors in host memory; None if a tensor is another kind."""
    total = 0
    for x in inputs:
        if type(x) in _TYPES:
            if dispatch_keys(x) not in _ORDINARY:
                return None
            total += x.numel()
        elif isinstance(x, torch.Tensor):
            return None
    # A user's mode that counts, prints or replaces operations must see them.
    return total if modes() == 0 else None


def by_numpy(function: Callable[..., tuple[Any, ...]], static: Any, *inputs: Any) -> Any:
    """Return ``function(lib, static, *inputs)`` for NumPy's adapter and NumPy's arrays.

    Raise `Back` if that needs a decomposition, or there is no NumPy.
    """
    if _HOST is None:
        raise Back
    return tuple(map(_tensor, _HOST.run(function, static, *map(_array, inputs))))


def _array(x: Any) -> Any:
    return (x.detach() if x.requires_grad else x).numpy() if type(x) in _TYPES else x


def _tensor(x: Any) -> Any:
    if not hasattr(x, "dtype"):
        return x
    try:
        return torch.from_numpy(x)
    except TypeError:  # a NumPy scalar is not an array
        return torch.as_tensor(x, device="cpu")
