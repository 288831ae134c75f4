"""What CuPy does differently: nothing but the copy in `conj` of a real array."""

from __future__ import annotations

from typing import Any

from pinvx import Adapter


class CupyAdapter(Adapter):
    """CuPy's verbs."""

    def adjoint(self, x: Any) -> Any:
        """Return the conjugate transpose; a real array is not copied."""
        transposed = x.swapaxes(-2, -1)
        return transposed.conj() if x.dtype.kind == "c" else transposed
