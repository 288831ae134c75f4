"""The problem of `python -m pinvx` and its exact answer: in fractions, and proved in fractions."""

import math
from fractions import Fraction

import pytest

from pinvx._command._exact import (
    apply,
    dot,
    inverse,
    matmul,
    pinv_of_product,
    relative_difference,
    transpose,
)
from pinvx._command._problem import KAPPA, RANK, bound, cement

P = cement()


def test_the_data():
    assert (len(P.a), len(P.a[0]), len(P.b)) == (13, 6, 13)
    assert all(sum(row[:5]) == 1 == row[5] for row in P.a)
    # The means that Hald's book gives.
    assert [round(float(sum(column)) * 100 / 13, 3) for column in transpose(P.a)[:4]] == [
        7.462,
        48.154,
        11.769,
        30.0,
    ]
    assert round(float(sum(P.b)) / 13, 3) == 95.423


def test_the_pseudoinverse_satisfies_the_penrose_conditions_exactly():
    a, x = P.a, P.pinv
    ax, xa = matmul(a, x), matmul(x, a)
    assert matmul(ax, a) == a
    assert matmul(xa, x) == x
    assert ax == transpose(ax)
    assert xa == transpose(xa)
    assert sum(ax[i][i] for i in range(13)) == RANK


def test_x_is_the_shortest_of_the_minimisers_exactly():
    r = [b - value for b, value in zip(P.b, apply(P.a, P.x), strict=True)]
    assert apply(transpose(P.a), r) == [0] * 6
    null = [1, 1, 1, 1, 1, -1]
    assert apply(P.a, null) == [0] * 13
    assert dot(P.x, null) == 0


def test_the_gradient_along_paths_of_constant_rank():
    # A(t) = (B + t E)(C + t F) keeps rank 5; the central difference errs by O(t²).
    t = Fraction(1, 10**9)
    for seed in range(4):
        e = [[Fraction((7 * i + 3 * j + seed) % 11 - 5, 100) for j in range(5)] for i in range(13)]
        f = [[Fraction((5 * i + 2 * j + seed) % 7 - 3, 10) for j in range(6)] for i in range(5)]
        b = [row[:5] for row in P.a]
        c = [[*(Fraction(i == j) for j in range(5)), Fraction(1)] for i in range(5)]

        def loss(t, b=b, c=c, e=e, f=f):
            return sum(apply(pinv_of_product(_plus(b, t, e), _plus(c, t, f)), P.b))

        slope = (loss(t) - loss(-t)) / (2 * t)
        da = _plus(matmul(e, c), Fraction(1), matmul(b, f))
        found = sum(dot(g, d) for g, d in zip(P.gradient, da, strict=True))
        assert abs(float(found / slope) - 1) < 1e-9


def _plus(a, t, e):
    return [[x + t * y for x, y in zip(p, q, strict=True)] for p, q in zip(a, e, strict=True)]


def test_the_condition_numbers_behind_the_bound():
    np = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    import pinvx

    a = torch.tensor([[float(v) for v in row] for row in P.a], dtype=torch.float64)
    b = torch.tensor([float(v) for v in P.b], dtype=torch.float64)
    s = np.linalg.svd(a.numpy(), compute_uv=False)
    assert s[0] / s[4] == pytest.approx(KAPPA, rel=1e-5)
    rounded = np.linalg.svd(a.numpy().astype("float32").astype("float64"), compute_uv=False)
    assert 5e-9 < rounded[5] / rounded[0] < 7e-9

    def gradient(a):
        return torch.func.grad(lambda a: pinvx.lstsq(a, b).x.sum())(a)

    for function, stated in (
        (pinvx.pinv, 0.95),
        (lambda a: pinvx.lstsq(a, b).x, 1.6),
        (gradient, 4.2),
    ):
        value = function(a)
        jacobian = torch.func.jacrev(function)(a).reshape(value.numel(), -1)
        largest = float(torch.linalg.matrix_norm(jacobian, 2) / torch.linalg.vector_norm(value))
        assert 0.9 * stated < largest * s[0] / KAPPA < stated


def test_the_bound():
    assert bound("float64") == pytest.approx(10 * 13 * 2.0**-52 * KAPPA)
    assert bound("float32") < 2e-3


def test_inverse_exchanges_rows_where_it_must():
    a = [[Fraction(0), Fraction(2)], [Fraction(4), Fraction(1)]]
    assert matmul(inverse(a), a) == [[1, 0], [0, 1]]


def test_relative_difference():
    exact = [Fraction(3), Fraction(4)]
    assert relative_difference([3.0, 4.0], exact) == 0.0
    assert relative_difference([3.0, 4.5], exact) == 0.1
    assert relative_difference([3.0, math.nan], exact) == math.inf
    assert relative_difference([3.0, math.inf], exact) == math.inf
    with pytest.raises(ValueError, match="zip"):
        relative_difference([3.0], exact)
