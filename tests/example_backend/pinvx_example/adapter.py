"""What `example_arrays` does differently: it likes to be told who multiplies."""

from typing import Any

from pinvx import Adapter

PRODUCTS: list[str] = []
"""Says of each product that it came through the adapter."""


class ExampleAdapter(Adapter):
    """The verbs of `example_arrays`."""

    def matmul(self, x: Any, y: Any) -> Any:
        """Return the product, and note it."""
        PRODUCTS.append(f"{tuple(x.shape)} @ {tuple(y.shape)}")
        return x @ y
