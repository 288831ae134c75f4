"""Small tensors in host memory, computed by NumPy on the same memory.

A call into PyTorch takes some microseconds, of which there is nothing to see in a product of large
matrices. For small ones the calls are the cost, and NumPy's cost less. But singular values and
vectors are PyTorch's own: where two builds of LAPACK differ, the error of A⁺ by the one can be ten
times that by the other, and nobody shall lose by being small. What is little more than a
decomposition stays with PyTorch therefore. So do inverses of triangles, which NumPy lacks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch

from pinvx import Adapter, Rule
from pinvx._dispatch import adapter_of

from ._torch_namespace import svd

# From here on (the entries of all inputs together) the library's own threads and kernels win.
SMALL = 1 << 13


def _svd(x: Any, *, full_matrices: bool = False) -> tuple[Any, Any, Any]:
    """Return U, σ and Vᴴ by PyTorch, in double precision, and σ = NaN where that fails."""
    known = torch.from_numpy(x)
    known = known.to(torch.complex128 if known.is_complex() else torch.float64)
    try:
        u, s, vh = svd(known, full_matrices=full_matrices)
    except RuntimeError:  # a matrix with NaN
        u = vh = known
        s = known.real.new_full((1,), float("nan"))
    return u.numpy(), s.numpy(), vh.resolve_conj().numpy()


def _inv_lower(invert: Callable[[Any], Any], x: Any) -> Any:
    """Return the inverse of each lower triangular matrix, of more than one tiny one by PyTorch.

    It knows of the zeros.
    """
    if x.ndim == 2 and x.shape[-1] < 20:
        return invert(x)
    known = torch.from_numpy(x)
    identity = torch.eye(x.shape[-1], dtype=known.dtype, device="cpu")
    return torch.linalg.solve_triangular(known, identity, upper=False).numpy()


def _host() -> Adapter:
    """Return NumPy's adapter with PyTorch's singular value decomposition."""
    host = copy.copy(adapter_of(torch.empty(0, device="cpu").numpy(), "pinvx", "a"))
    linalg = SimpleNamespace(**{**vars(host.xp.linalg), "svd": _svd})
    vars(host).update(
        svd=_svd,
        inv_lower=partial(_inv_lower, host.inv),
        xp=SimpleNamespace(**{**vars(host.xp), "linalg": linalg}),
    )
    return host


try:
    _HOST: Adapter | None = _host()
except (ImportError, RuntimeError):  # no NumPy here, or one that this PyTorch does not know
    _HOST = None

_TYPES = frozenset({torch.Tensor, torch.nn.Parameter})


def _keys(x: torch.Tensor) -> int:
    keys: int = torch._C._dispatch_keys(x).raw_repr()
    return keys


with torch.inference_mode():
    _INFERENCE = _keys(torch.empty(0, device="cpu"))
# Of tensors in host memory that are what they seem: not wrapped by a transformation, not conjugated
# or negated in name alone, not without values.
_ORDINARY = frozenset({_keys(torch.empty(0, device="cpu")), _INFERENCE})


def entries(inputs: tuple[Any, ...]) -> int | None:
    """Count the entries of tensors that are ordinary, and in host memory; None if one is not."""
    total = 0
    for x in inputs:
        if type(x) in _TYPES:
            if torch._C._dispatch_keys(x).raw_repr() not in _ORDINARY:
                return None
            total += x.numel()
        elif type(x) is not float and isinstance(x, torch.Tensor):
            return None
    # A mode of the user counts, prints or replaces operations, and must see them.
    return total if torch._C._len_torch_dispatch_stack() == 0 else None


def suits(total: int | None) -> bool:
    """Tell whether inputs with so many entries are better computed by NumPy."""
    return total is not None and total < SMALL and _HOST is not None


def decomposes(rule: Rule, inputs: tuple[Any, ...]) -> bool:
    """Tell whether NumPy would soon be back here for a decomposition."""
    assert _HOST is not None
    return rule.decomposes(_HOST, *inputs)


def by_numpy(function: Callable[..., tuple[Any, ...]], *arguments: Any) -> tuple[Any, ...]:
    """Return ``function(lib, *arguments)`` for the adapter of NumPy, with tensors for its arrays.

    Tensors may stand in tuples among the arguments; what is no tensor is passed through.
    """
    assert _HOST is not None
    arrays = [_array(x) for x in arguments]
    first = arrays[0][0] if isinstance(arrays[0], tuple) else arrays[0]
    with _HOST.quiet():
        results = function(_HOST, *arrays)
    if first.dtype.char in _SINGLE.values():  # NumPy's decompositions return double precision
        results = tuple(map(_rounded, results))
    return tuple(map(_tensor, results))


def _array(x: Any) -> Any:
    kind = type(x)
    if kind in _TYPES:
        return (x.detach() if x.requires_grad else x).numpy()
    return tuple(map(_array, x)) if kind is tuple else x


_SINGLE = {"d": "f", "D": "F"}  # the characters of NumPy's dtypes


def _rounded(x: Any) -> Any:
    single = _SINGLE.get(x.dtype.char) if hasattr(x, "dtype") else None
    return x if single is None else x.astype(single)


def _tensor(x: Any) -> Any:
    if not hasattr(x, "dtype"):
        return x
    try:
        return torch.from_numpy(x)
    except TypeError:  # a scalar of NumPy's is no array
        return torch.as_tensor(x, device="cpu")
