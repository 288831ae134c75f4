"""Small tensors in host memory, computed by NumPy on the same memory.

A call into PyTorch takes some microseconds, of which there is nothing to see in a product of large
matrices. For small ones the calls are the cost, and NumPy's cost less. But decompositions are
PyTorch's own: where two builds of LAPACK differ, the error of A⁺ by the one can be ten times that
by the other, and nobody shall lose by being small. A call that needs one comes back to PyTorch.

The two libraries have threads of their own. While one's wait, spinning, the other's stand still:
milliseconds for a small matrix. So nothing crosses that NumPy's BLAS would share out to threads.
OpenBLAS does from 8192 entries for a matrix times a vector, and 64³ operations for a product.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from pinvx import Adapter
from pinvx._dispatch import adapter_of

from ._torch_private import dispatch_keys, modes

# From here on (the entries of all inputs together) PyTorch's own kernels win.
SMALL = 1 << 11


class Back(BaseException):  # no error, and nobody takes it for one
    """NumPy would need a decomposition."""


def _back(_: Any) -> Any:
    raise Back


def _inv_lower(invert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function for the inverse of each lower triangular matrix.

    Of more than one tiny one by PyTorch, which knows of the zeros.
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


# Of tensors in host memory that are what they seem: not wrapped by a transformation, not conjugated
# or negated in name alone, not without values.
with torch.inference_mode():
    _INFERENCE = dispatch_keys(torch.empty(0, device="cpu"))
_ORDINARY = frozenset({dispatch_keys(torch.empty(0, device="cpu")), _INFERENCE})


def entries(inputs: tuple[Any, ...]) -> int | None:
    """Count the entries of tensors that are ordinary, and in host memory; None if one is not."""
    total = 0
    for x in inputs:
        if type(x) in _TYPES:
            if dispatch_keys(x) not in _ORDINARY:
                return None
            total += x.numel()
        elif isinstance(x, torch.Tensor):
            return None
    # A mode of the user counts, prints or replaces operations, and must see them.
    return total if modes() == 0 else None


def by_numpy(function: Callable[..., tuple[Any, ...]], static: Any, *inputs: Any) -> Any:
    """Return ``function(lib, static, *inputs)`` for NumPy's adapter and NumPy's arrays.

    Raises
    ------
    Back
        If that needs a decomposition, or there is no NumPy.
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
    except TypeError:  # a scalar of NumPy's is no array
        return torch.as_tensor(x, device="cpu")
