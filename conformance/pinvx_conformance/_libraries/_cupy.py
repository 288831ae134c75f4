"""CuPy."""

from __future__ import annotations

from typing import Any

import array_api_compat.cupy as xp
import cupy

from pinvx_conformance._libraries._base import Library


def works(_name: str) -> bool:
    """Where a CUDA device answers."""
    try:
        return int(cupy.cuda.runtime.getDeviceCount()) > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


def describe(name: str) -> Library:
    """Return CuPy on its current device as the suite sees it."""
    return Library(
        name=name,
        version=cupy.__version__,
        xp=xp,
        half=("float16",),
        to_numpy=cupy.asnumpy,
        layouts=_layouts,
        synchronize=lambda _: cupy.cuda.get_current_stream().synchronize(),
        lacks={
            "vjp": "CuPy arrays have no automatic differentiation",
            "jvp": "CuPy arrays have no automatic differentiation",
            "transformations": "CuPy has no function transformations",
            "subnormals": "its kernels flush float32 subnormals",
            "host reads": "CuPy does not count what is read back",
            "errors across devices": "there is one device",
        },
    )


def _layouts(library: Library, a: Any) -> dict[str, Any]:
    x, inner = library.asarray(a), min(a.ndim, 2)
    skips = (..., *(slice(None, None, 2),) * inner)
    backwards = (..., *(slice(None, None, -1),) * inner)
    big = cupy.zeros((*a.shape[: a.ndim - inner], *(2 * n for n in a.shape[-inner:])), x.dtype)
    big[skips] = x
    return {
        "Fortran order": cupy.asfortranarray(x),
        "strided": big[skips],
        "negative strides": x[backwards].copy()[backwards],
        "broadcast": cupy.broadcast_to(x, (3, *x.shape)),
    }
