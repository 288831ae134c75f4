"""What CuPy does differently: `conj` copies a real array, and products may use TF32."""

from __future__ import annotations

import os
from typing import Any

from pinvx import Adapter

# CuPy reads this variable at import. If it is set, products of float32 keep three digits.
_REDUCED = os.environ.get("CUPY_TF32", "0") not in ("", "0")
_WIDE = {"f": "d", "F": "D"}


class CupyAdapter(Adapter):
    """CuPy's verbs."""

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose; a real array is not copied."""
        transposed = x.swapaxes(-2, -1)
        return transposed.conj() if x.dtype.kind == "c" else transposed

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product in full precision."""
        if not _REDUCED or x.dtype.char not in _WIDE:
            return x @ y
        wide = _WIDE[x.dtype.char]
        return (x.astype(wide) @ y.astype(wide)).astype(x.dtype)
