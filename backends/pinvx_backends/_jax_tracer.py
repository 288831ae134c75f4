"""How a compiled JAX program chooses between methods, and completes a batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


class JaxTracer:
    """JAX's conditions and loops."""

    @property
    def slow_svd(self) -> bool:
        """Whether the SVD is much slower than matrix products: not so with LAPACK on a CPU."""
        return jax.default_backend() != "cpu"

    def sees(self, a: Any) -> bool:
        """Tell whether the lengths are numbers: in `jax.export` a shape can be symbolic."""
        return all(isinstance(n, int) for n in a.shape)

    def branch(self, condition: Any, taken: Callable[[], Any], refused: Callable[[], Any]) -> Any:
        """Return the result of one of two functions; the program runs only that one."""
        chosen = jnp.all(condition)

        def of_one_type(branch: Callable[[], Any]) -> Callable[[], Any]:
            # Inside `jax.shard_map` each device chooses for itself, and the type of an array says
            # whether it differs between devices. Both branches need the same type, so every output
            # is made to depend on the choice. The compiler drops the select.
            return lambda: jax.tree.map(lambda x: jnp.where(chosen, x, x), branch())

        return jax.lax.cond(chosen, of_one_type(taken), of_one_type(refused))

    def mend(self, p: Any, answer: Any, sound: Any, last: Callable[[Any], Any]) -> Any:
        """Return the answer, with that of `last` for the items that are not sound.

        It loops over parts of the batch and skips the parts that are sound. Devices may hold
        stretches of the batch, so a part takes the matrices at one place of every stretch.
        """
        count = sound.shape[0]
        parts = _parts(count, p.entries)
        width = count // parts
        rest = jnp.reshape(~sound, (parts, width))
        place = jax.lax.broadcasted_iota(jnp.int32, rest.shape, 1)

        def next_after(i: Any) -> Any:
            return jnp.min(jnp.where(rest & (place > i), place, width))

        def columns(x: Any) -> Any:
            return jnp.reshape(x, (parts, width, *x.shape[1:])) if jnp.ndim(x) else x

        def column(x: Any, i: Any) -> Any:
            return jax.lax.dynamic_index_in_dim(x, i, 1, False) if jnp.ndim(x) else x

        def body(carry: Any) -> Any:
            i, y = carry
            found = last(p.with_arrays(*(None if x is None else column(x, i) for x in tables)))
            wrong = column(rest, i)

            def put(old: Any, new: Any) -> Any:
                here = jnp.reshape(wrong, (parts, *(1,) * (new.ndim - 1)))
                new = jnp.where(here, new, column(old, i))
                return jax.lax.dynamic_update_index_in_dim(old, new, i, 1)

            return next_after(i), jax.tree.map(put, y, found)

        tables = tuple(None if x is None else columns(x) for x in (p.a, p.b, p.rtol, p.atol))
        start = next_after(-1)
        # The type of an array says whether it differs between devices, see `branch`.
        y = jax.tree.map(lambda x: columns(jnp.where(start < width, x, x)), answer)
        _, y = jax.lax.while_loop(lambda carry: carry[0] < width, body, (start, y))
        return jax.tree.map(lambda x: jnp.reshape(x, (count, *x.shape[2:])), y)

    def blocks(self, a: Any) -> int:
        """Return a multiple of the number of devices that the rows may be spread over.

        That number divides both the rows and the devices. It is unknown during tracing, but a block
        that lies on one device is decomposed there.
        """
        rows, columns = a.shape[-2:]
        if not isinstance(rows, int) or not isinstance(columns, int):
            return 1
        blocks = math.gcd(rows, jax.device_count())
        return blocks if rows >= blocks * columns else 1


def _parts(count: int, size: int) -> int:
    """Return how many matrices of `size` entries are decomposed together.

    One at a time wastes no work on sound matrices. But a step of the loop costs as much as 1000
    entries on a CPU, and on other devices many matrices cost no more than one.
    """
    wanted = 1024 // size if jax.default_backend() == "cpu" else count
    devices = math.gcd(count, jax.device_count())
    wanted = max(1, min(wanted, count // 16) // devices)
    return devices * max(k for k in range(1, wanted + 1) if count // devices % k == 0)
