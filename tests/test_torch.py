"""P13 and P14 on PyTorch: both modes, every order, `torch.func`, and what users do to tensors.

Deficient matrices are products B·Cᵀ of well-conditioned factors: their rank stays as it is when
`gradcheck` moves an entry. (Cᵀ and not Cᴴ: batched forward mode of PyTorch fails for B·Cᴴ alone.)
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from bounds import FIRST, VALUE, assert_close, unit
from matrix_cases import CASES, named

import pinvx

torch = pytest.importorskip("torch")
from torch.autograd import gradcheck, gradgradcheck  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

DOUBLE = (torch.float64, torch.complex128)
DEVICES = ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))

# m, n, rank, batch
SHAPES = {
    "tall": (5, 3, 3, ()),
    "wide": (3, 5, 3, ()),
    "square": (3, 3, 3, ()),
    "tall, deficient": (5, 3, 2, ()),
    "wide, deficient": (3, 4, 2, ()),
    "square, deficient": (4, 4, 2, ()),
    "batch": (4, 2, 2, (2,)),
    "batch, deficient": (3, 4, 2, (2,)),
}

pytestmark = pytest.mark.parametrize("device", DEVICES)
dtypes = pytest.mark.parametrize("dtype", DOUBLE, ids=lambda d: str(d).partition(".")[2])
shapes = pytest.mark.parametrize("shape", SHAPES)


def factors(shape, dtype, device):
    """B and C whose Gram matrices are near the identity, so that κ is small and constant."""
    m, n, r, batch = SHAPES[shape]
    generator = torch.Generator().manual_seed(0)

    def near_isometry(rows):
        x = torch.randn(*batch, rows, r, dtype=dtype, generator=generator)
        q = torch.linalg.qr(x)[0] + 0.1 * x
        return q.to(device).requires_grad_()

    return near_isometry(m), near_isometry(n)


def right_hand_side(shape, dtype, device, columns=2):
    m, _, _, batch = SHAPES[shape]
    generator = torch.Generator().manual_seed(1)
    b = torch.randn(*batch, m, columns, dtype=dtype, generator=generator)
    return b.to(device).requires_grad_()


def pinv(b, c):
    return pinvx.pinv(b @ c.mT, rtol=1e-8)


def fit(b, c, y):
    return pinvx.lstsq(b @ c.mT, y, rtol=1e-8)[:2]


FIRST_ORDER = {
    "check_forward_ad": True,
    "check_batched_grad": True,
    "check_batched_forward_grad": True,
}
SECOND_ORDER = {"check_fwd_over_rev": True, "check_rev_over_rev": True}


@dtypes
@shapes
def test_pinv_first_order(shape, dtype, device):
    assert gradcheck(pinv, factors(shape, dtype, device), **FIRST_ORDER)


@dtypes
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ("square", "batch")])
def test_pinv_second_order(shape, dtype, device):
    assert gradgradcheck(pinv, factors(shape, dtype, device), **SECOND_ORDER)


@dtypes
@shapes
def test_lstsq_first_order(shape, dtype, device):
    arguments = (*factors(shape, dtype, device), right_hand_side(shape, dtype, device))
    assert gradcheck(fit, arguments, **FIRST_ORDER)


@dtypes
@pytest.mark.parametrize("shape", ["tall", "wide, deficient"])
def test_lstsq_second_order(shape, dtype, device):
    arguments = (*factors(shape, dtype, device), right_hand_side(shape, dtype, device, 1))
    assert gradgradcheck(fit, arguments, **SECOND_ORDER)


@dtypes
def test_lstsq_with_a_vector_and_with_broadcast_batches(dtype, device):
    def solve(a, b):
        return pinvx.lstsq(a, b)[:2]

    generator = torch.Generator().manual_seed(2)
    for a_shape, b_shape in (((2, 1, 4, 2), (4,)), ((4, 2), (3, 4, 1)), ((1, 4, 2), (2, 4, 1))):
        a, b = (
            torch.randn(s, dtype=dtype, generator=generator).to(device).requires_grad_()
            for s in (a_shape, b_shape)
        )
        assert gradcheck(solve, (a, b), check_forward_ad=True)


@dtypes
def test_all_singular_values_equal(dtype, device):
    a = torch.eye(3, dtype=dtype, device=device, requires_grad=True)
    assert gradcheck(pinvx.pinv, (a,), **FIRST_ORDER)
    assert gradgradcheck(pinvx.pinv, (a,), **SECOND_ORDER)


@dtypes
def test_hermitian(dtype, device):
    def f(h):
        return pinvx.pinv(h, hermitian=True)

    generator = torch.Generator().manual_seed(3)
    h = torch.randn(2, 3, 3, dtype=dtype, generator=generator)
    # Definite, indefinite, and with an upper triangle that nobody reads.
    h = h + torch.diag(torch.tensor([6.0, -7.0, 8.0], dtype=dtype))
    h = h.to(device).requires_grad_()
    assert gradcheck(f, (h,), **FIRST_ORDER)
    assert gradgradcheck(f, (h,), **SECOND_ORDER)
    (h_bar,) = torch.autograd.grad(f(h).abs().sum(), h)
    assert not h_bar.triu(1).any()


@dtypes
def test_hermitian_deficient(dtype, device):
    (b, _) = factors("square, deficient", dtype, device)

    def f(b):
        return pinvx.pinv(b @ b.mT.conj(), hermitian=True, rtol=1e-8)

    assert gradcheck(f, (b,), check_forward_ad=True)
    assert gradgradcheck(f, (b,))


@pytest.mark.parametrize("hermitian", [False, True])
def test_the_zero_matrix(device, hermitian):
    """Rank zero is constant only along the zero direction: the derivative is zero, not NaN."""
    z = torch.zeros(3, 3, dtype=torch.float64, device=device, requires_grad=True)

    def f(z):
        return pinvx.pinv(z, hermitian=hermitian)

    (g,) = torch.autograd.grad(f(z).sum(), z, create_graph=True)
    assert not g.any()
    (gg,) = torch.autograd.grad(g.sum(), z)
    assert not gg.any()
    b = torch.ones(3, dtype=torch.float64, device=device, requires_grad=True)
    x, residuals, *_ = pinvx.lstsq(z, b)
    (x.sum() + residuals).backward()
    assert torch.equal(b.grad, 2 * torch.ones_like(b))
    assert not z.grad.any()


def test_there_is_no_nan_in_a_gradient(device):
    """Where `torch.linalg.svd` would divide by zero: equal, zero and single singular values."""
    for case in CASES:
        a = torch.as_tensor(case.a, device=device).requires_grad_()
        pinvx.pinv(a).abs().sum().backward()
        assert a.grad.isfinite().all(), case
        x, residuals, *_ = pinvx.lstsq(a, torch.as_tensor(case.b(), device=device))
        (g,) = torch.autograd.grad(x.abs().sum() + residuals.sum(), a)
        assert g.isfinite().all(), case


def test_the_same_as_the_closed_form(device):
    for case in CASES:
        a = torch.as_tensor(case.a, device=device)
        g = torch.ones(case.n, case.m, dtype=a.dtype, device=device)
        x, pullback = vjp(lambda a: pinvx.pinv(a), a)
        dx = jvp(lambda a: pinvx.pinv(a), (a,), (a,))[1]
        tolerance = FIRST * unit(case.a.shape, "float64", case.kappa)
        size = np.linalg.norm(case.x, 2) ** 2
        pairs = (
            (pullback(g)[0], pinvx.pinv_vjp(a, g), size * g.norm().item()),
            (dx, pinvx.pinv_jvp(a, a), size * a.norm().item()),
        )
        for got, expected, scale in pairs:
            got, expected = (v.resolve_conj().cpu() for v in (got, expected))
            assert_close(got, expected, tolerance, scale=scale, what=str(case))
        assert x.dtype == a.dtype


# Transformations


def batch(device, m=4, n=2, count=3):
    generator = torch.Generator().manual_seed(4)
    a = torch.randn(count, m, n, dtype=torch.float64, generator=generator)
    return (a + 3 * torch.eye(m, n, dtype=a.dtype)).to(device)


def close(x, y, order=1):
    # κ < 3 here, and every further derivative multiplies by a norm of X below 1.
    torch.testing.assert_close(x, y, rtol=0, atol=FIRST**order * 4 * 3 * 2.0**-52)


def test_vmap(device):
    a = batch(device)
    expected = pinvx.pinv(a)
    close(vmap(pinvx.pinv)(a), expected)
    close(vmap(pinvx.pinv, in_dims=1)(a.movedim(0, 1)), expected)
    close(vmap(pinvx.pinv, in_dims=2, out_dims=2)(a.movedim(0, 2)), expected.movedim(0, 2))
    close(vmap(vmap(pinvx.pinv))(torch.stack([a, a])), torch.stack([expected, expected]))
    x, rank = vmap(lambda a: pinvx.pinv(a, return_rank=True))(a)
    close(x, expected)
    assert rank.tolist() == [2, 2, 2]
    rank = vmap(lambda r: pinvx.pinv(a[0], rtol=r, return_rank=True)[1])(
        torch.tensor([0.0, 2.0], device=device)
    )
    assert rank.tolist() == [2, 0]


def test_vmap_of_lstsq(device):
    a, b = batch(device), batch(device, n=1)[..., 0]

    def solve(a, b):
        return tuple(pinvx.lstsq(a, b)[:3])

    expected = [solve(a[i], b[i]) for i in range(3)]
    for i, x in enumerate(zip(*vmap(solve)(a, b), strict=True)):
        for got, one in zip(x, expected[i], strict=True):
            close(got, one)
    close(vmap(solve, in_dims=(0, None))(a, b[0])[0], solve(a, b[0])[0])
    for i, x in enumerate(vmap(solve, in_dims=(None, 0))(a[0], b)[0]):
        close(x, solve(a[0], b[i])[0])
    close(vmap(solve, in_dims=(0, 1))(a, b.mT)[0], vmap(solve)(a, b)[0])


def test_jacobians(device):
    a = batch(device)[0]
    expected = torch.autograd.functional.jacobian(pinvx.pinv, a)
    for jacobian in (jacrev(pinvx.pinv)(a), jacfwd(pinvx.pinv)(a)):
        close(jacobian, expected)
    both = batch(device)
    jacobians = vmap(jacrev(pinvx.pinv))(both)
    close(vmap(jacfwd(pinvx.pinv))(both), jacobians)
    close(jacobians[0], expected)
    basis = torch.zeros_like(a)
    basis[1, 0] = 1.0
    close(expected[..., 1, 0], pinvx.pinv_jvp(a, basis))


def test_second_derivatives_in_every_order_of_modes(device):
    """Among them forward over forward, where a careless custom function is silently zero."""
    a = batch(device)[0]

    def f(a):
        return pinvx.pinv(a).sin().sum()

    step = 1e-5
    e = torch.zeros_like(a)
    e[1, 0] = step
    column = (grad(f)(a + e) - grad(f)(a - e)) / (2 * step)
    scale = column.abs().max()
    assert scale > 1e-3
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            h = outer(inner(f))(a)
            close(h, hessian(f)(a), order=2)
            # step² for the truncation, eps/step for the rounding
            assert (h[1, 0] - column).abs().max() < 1e-8 * max(1.0, scale.item())


def test_second_derivatives_of_lstsq_in_every_order_of_modes(device):
    a, b = batch(device)[0], batch(device, n=1)[0, :, 0]

    def f(a, b):
        x, residuals, *_ = pinvx.lstsq(a, b)
        return x.sin().sum() + residuals.exp().sum()

    expected = hessian(f, argnums=(0, 1))(a, b)
    assert all(h.abs().max() > 1e-3 for row in expected for h in row)
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            got = outer(inner(f, argnums=(0, 1)), argnums=(0, 1))(a, b)
            for row, expected_row in zip(got, expected, strict=True):
                for h, e in zip(row, expected_row, strict=True):
                    torch.testing.assert_close(h, e, rtol=1e-9, atol=1e-9)


def test_third_derivatives(device):
    """d³(1/a) = −6/a⁴, through every mixture of modes."""
    a = torch.tensor([[2.0]], dtype=torch.float64, device=device)

    def f(t):
        return pinvx.pinv(a * t)[0, 0]

    t = torch.tensor(1.0, dtype=torch.float64, device=device)
    for one in (jacfwd, jacrev):
        for two in (jacfwd, jacrev):
            for three in (jacfwd, jacrev):
                assert abs(one(two(three(f)))(t).item() + 6 / 2) < 1e-12


def test_gradients_of_a_batch(device):
    a, b = batch(device), batch(device, n=1)[..., 0]

    def f(a, b):
        return sum(t.sum() for t in pinvx.lstsq(a, b)[:2])

    a_bar, b_bar = vmap(grad(f, argnums=(0, 1)))(a, b)
    for i in range(3):
        one = grad(f, argnums=(0, 1))(a[i], b[i])
        close(a_bar[i], one[0], order=2)
        close(b_bar[i], one[1], order=2)


# What users do


def test_a_parameter_learns(device):
    a = torch.nn.Parameter(batch(device)[0])
    optimizer = torch.optim.SGD([a], lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = pinvx.pinv(a).square().sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]


def test_requires_grad_just_works(device):
    a = batch(device).requires_grad_()
    x, rank = pinvx.pinv(a, return_rank=True)
    assert x.requires_grad
    assert not rank.requires_grad
    fit = pinvx.lstsq(a, torch.ones(4, dtype=a.dtype, device=device), singular_values=True)
    assert fit.x.requires_grad
    assert fit.residuals.requires_grad
    assert not fit.rank.requires_grad
    assert not fit.s.requires_grad
    with torch.no_grad():
        assert not pinvx.pinv(a).requires_grad
    assert not pinvx.pinv(a.detach()).requires_grad
    only_b = torch.ones(4, dtype=a.dtype, device=device, requires_grad=True)
    (b_bar,) = torch.autograd.grad(pinvx.lstsq(a.detach(), only_b).x.sum(), only_b)
    close(b_bar, pinvx.pinv(a.detach()).sum(dim=(0, 1)))


def test_gradients_reach_integers_and_half_types_as_far_as_they_can(device):
    half = torch.eye(3, dtype=torch.bfloat16, device=device, requires_grad=True)
    pinvx.pinv(half).sum().backward()
    assert half.grad.dtype == torch.bfloat16
    assert torch.equal(half.grad, -torch.ones_like(half))
    single = torch.eye(3, device=device, requires_grad=True)
    b = torch.ones(3, dtype=torch.float64, device=device)
    pinvx.lstsq(single, b).x.sum().backward()
    assert single.grad.dtype == torch.float32


def test_no_gradient_of_what_is_not_differentiable(device):
    a = batch(device).requires_grad_()
    with pytest.raises(RuntimeError, match="does not require grad"):
        pinvx.pinv(a, return_rank=True)[1].double().sum().backward()
    tolerance = torch.tensor(1e-8, dtype=a.dtype, device=device, requires_grad=True)
    x = pinvx.pinv(a[0], rtol=tolerance)
    x.sum().backward()
    assert tolerance.grad is None


def test_a_bad_matrix_has_a_bad_gradient_and_its_neighbour_a_good_one(device):
    a = batch(device)
    a[0, 1, 1] = float("nan")
    a.requires_grad_()
    pinvx.pinv(a)[1:].sum().backward()
    assert a.grad[1:].isfinite().all()
    expected = pinvx.pinv_vjp(a.detach()[1:], torch.ones_like(a.detach()[1:].mT))
    close(a.grad[1:], expected)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_does_not_reach_the_products(device, half):
    case = named("tall, deficient")
    a = torch.as_tensor(case.a, dtype=torch.float32, device=device).requires_grad_()
    b = torch.as_tensor(case.b(), dtype=torch.float32, device=device)
    with torch.autocast(torch.device(device).type, dtype=half):
        x, fit = pinvx.pinv(a), pinvx.lstsq(a, b)
        x.sum().backward()
    tolerance = VALUE * unit(case.a.shape, "float32", case.kappa)
    assert x.dtype == torch.float32
    assert_close(x.detach().cpu(), case.x, tolerance)
    expected = case.x @ case.b()
    assert_close(fit.x.detach().cpu(), expected, 4 * tolerance * case.kappa)
    g = pinvx.pinv_vjp(case.a, np.ones((case.n, case.m)))
    scale = np.linalg.norm(case.x, 2) ** 2 * np.sqrt(case.m * case.n)
    bound = FIRST * unit(case.a.shape, "float32", case.kappa)
    assert_close(a.grad.cpu(), g, bound, scale=scale)


@pytest.mark.parametrize("precision", ["medium", "high"])
def test_reduced_precision_does_not_reach_the_products(device, precision):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(300, 200, generator=generator).to(device)
    exact = pinvx.pinv(a.double()).cpu()
    kappa = torch.linalg.cond(a.double()).item()
    torch.set_float32_matmul_precision(precision)
    try:
        x = pinvx.pinv(a)
        # The switch is read, and left as it is.
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")
    assert_close(x.cpu(), exact, VALUE * unit((300, 200), "float32", kappa))


def test_nothing_warns(device):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = batch(device).requires_grad_()
        pinvx.lstsq(a, torch.ones(4, dtype=a.dtype, device=device)).x.sum().backward()


def test_out_takes_no_part_in_differentiation(device):
    a = batch(device)[0].requires_grad_()
    out = torch.empty(2, 4, dtype=a.dtype, device=device)
    with torch.no_grad():
        assert pinvx.pinv(a, out=out) is out
    close(out, pinvx.pinv(a).detach())


@pytest.mark.parametrize("shape", [(3, 5), (40, 60)])  # decomposed, and in a faster way
def test_results_carry_no_conjugate_bit(device, shape):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(*shape, dtype=torch.complex128, generator=generator).to(device)
    x = pinvx.pinv(a)
    for result in (x, pinvx.pinv_vjp(a, x), pinvx.pinv_jvp(a, a), pinvx.lstsq(a, a).x):
        assert not result.is_conj()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 5, 3)], ids=str)
def test_small_tensors_are_decomposed_by_pytorch(shape, dtype, device, monkeypatch):
    """Whoever else makes the products: another build of LAPACK has other errors."""
    decomposed = []
    svd = torch.linalg.svd

    def recorded(x, **options):
        decomposed.append(tuple(x.shape))
        return svd(x, **options)

    monkeypatch.setattr(torch.linalg, "svd", recorded)
    a = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0)).to(device)
    x = pinvx.pinv(a)
    assert decomposed == [shape]
    assert x.dtype == dtype
    tolerance = (
        2 * VALUE * unit(shape, str(dtype).partition(".")[2], torch.linalg.cond(a).max().item())
    )
    assert_close(x.cpu(), torch.linalg.pinv(a).cpu(), tolerance)


WIDE = {torch.float32: torch.float64, torch.complex64: torch.complex128}


@pytest.mark.parametrize("dtype", WIDE, ids=str)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("function", ["pinv", "lstsq"])
def test_second_derivatives_keep_single_precision(function, shape, dtype, device):
    """`torch.func.jvp` of a number added to a tensor of no dimension has double precision."""
    generator = torch.Generator().manual_seed(0)
    a, da = (torch.randn(*shape, dtype=dtype, generator=generator).to(device) for _ in range(2))
    b = torch.randn(shape[0], dtype=dtype, generator=generator).to(device)

    def second(dtype):
        def loss(a):
            if function == "pinv":
                return pinvx.pinv(a).abs().square().sum()
            fit = pinvx.lstsq(a, b.to(dtype))
            return fit.x.abs().square().sum() + fit.residuals.sum()

        return torch.func.jvp(torch.func.grad(loss), (a.to(dtype),), (da.to(dtype),))[1]

    found, expected = second(dtype), second(WIDE[dtype])
    assert found.dtype == dtype
    # A product of up to five factors X, each of which loses max(M, N)·eps·κ.
    relative = 5 * max(shape) * torch.finfo(dtype).eps * torch.linalg.cond(a)
    assert torch.linalg.norm(found - expected) <= relative * torch.linalg.norm(expected)
