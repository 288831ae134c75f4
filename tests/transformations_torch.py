"""What users of PyTorch do to a function."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformations import DTYPES, SHAPES, Row, Transformation

DEVICES = ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))


def tensors(row: Row, arrays: Any) -> tuple[torch.Tensor, ...]:
    """The arrays of a row, in its dtype (or the real counterpart) and on its device."""
    dtype = getattr(torch, row.dtype)
    return tuple(
        torch.as_tensor(x, device=row.device).to(
            dtype if np.iscomplexobj(x) or not row.is_complex else dtype.to_real()
        )
        for x in arrays
    )


def numpy(results: Any) -> list[Any]:
    """Bring results back, half types as float32."""
    wide = {torch.float16: torch.float32, torch.bfloat16: torch.float32}
    return [x.detach().cpu().to(wide.get(x.dtype, x.dtype)).numpy() for x in results]


def plain(row: Row) -> None:
    """The call itself."""
    row.check(numpy(row.call(*tensors(row, row.arguments))), row.value())


HALF = ("float16", "bfloat16")

TRANSFORMATIONS = (
    Transformation(
        "torch", "none, the call itself", dtypes=DTYPES + HALF, shapes=tuple(SHAPES), run=plain
    ),
)
