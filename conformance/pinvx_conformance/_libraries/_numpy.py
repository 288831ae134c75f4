"""NumPy."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from pinvx_conformance._libraries._base import Library

NO_AUTODIFF = {
    "vjp": "NumPy arrays have no automatic differentiation",
    "jvp": "NumPy arrays have no automatic differentiation",
    "transformations": "NumPy has no function transformations",
    "host reads": "the host is where NumPy arrays live",
}


def works(_name: str) -> bool:
    """NumPy is a requirement of this suite."""
    return True


def describe(name: str) -> Library:
    """Return NumPy as the suite sees it."""
    return Library(
        name=name,
        version=np.__version__,
        xp=xp,
        half=("float16",),
        layouts=_layouts,
        global_state=_state,
        lacks=NO_AUTODIFF,
    )


def _layouts(_library: Library, a: Any) -> dict[str, Any]:
    if a.ndim == 0:
        return dict.fromkeys(("read-only", "Fortran order", "strided", "negative strides"), a)
    frozen = a.copy()
    frozen.flags.writeable = False
    inner = min(a.ndim, 2)
    skips = (..., *(slice(None, None, 2),) * inner)
    backwards = (..., *(slice(None, None, -1),) * inner)
    big = np.zeros((*a.shape[:-inner], *(2 * n for n in a.shape[-inner:])), dtype=a.dtype)
    big[skips] = a
    return {
        "read-only": frozen,
        "Fortran order": np.asfortranarray(a),
        "strided": big[skips],
        "negative strides": a[backwards].copy()[backwards],
        "broadcast": np.broadcast_to(a, (3, *a.shape)),
    }


def _state() -> Any:
    random = repr(np.random.get_state())  # noqa: NPY002 — the global state is the point
    return np.geterr(), random
