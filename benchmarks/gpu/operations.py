"""The operations of a standard algorithm, so that times of different shapes can be compared.

Golub & Van Loan, "Matrix Computations", 4th ed. (2013), for M ≥ N (a wide matrix is the adjoint of
a tall one), each addition and each multiplication counted, four times as many for complex numbers:

- `pinv`: U, Σ and V by QR and the SVD of R, 6MN² + 20N³ (fig. 8.6.1), and V Σ⁺ Uᴴ, 2MN²;
- `pinv` of Hermitian matrices: eigenvalues and eigenvectors, 9N³ (§8.3.2), and V Λ⁺ Vᴴ, 2N³;
- `lstsq`: Householder QR, 2N²(M − N/3) (§5.3.2).

They are a measure, not what is done: a method with fewer operations comes out faster.
"""

from __future__ import annotations

from ..grid import Shape


def operations(function: str, mode: str, shape: Shape, dtype: str) -> float:
    """Return the number of operations of one call."""
    m, n = max(shape.m, shape.n), min(shape.m, shape.n)
    if mode == "hermitian":
        count = 11.0 * n**3
    elif function == "pinv":
        count = 8.0 * m * n**2 + 20.0 * n**3
    else:
        count = 2.0 * n**2 * (m - n / 3)
    return count * (shape.batch or 1) * (4 if dtype.startswith("complex") else 1)


def product(n: int, dtype: str) -> float:
    """Return the number of operations of a product of two N×N matrices."""
    return 2.0 * n**3 * (4 if dtype.startswith("complex") else 1)
