"""Wrong implementations that need PyTorch: derivatives and transformations."""

import torch
from wrong import wrong

NO_OPTIONS = ("rtol", "atol", "hermitian", "return_rank", "out", "half", "integers", "host reads")


class MissingTerm(torch.autograd.Function):
    """The Golub–Pereyra gradient without the term that a deficient column space needs."""

    @staticmethod
    def forward(ctx, a):
        x = torch.linalg.pinv(a)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx, g):
        a, x = ctx.saved_tensors
        xh, gh = x.mH, g.mH
        return -xh @ g @ xh + (gh - a @ (x @ gh)) @ x @ xh


@wrong(
    "P13", namespace="torch", lacks=(*NO_OPTIONS, "jvp", "second order"), check="P13-reverse_mode"
)
def gradient_without_the_third_term(a):
    return MissingTerm.apply(a)


@wrong("P13", namespace="torch", lacks=(*NO_OPTIONS, "jvp"), check="P13-reverse_mode")
def gradient_through_the_svd(a):
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    keep = s > max(a.shape[-2:]) * torch.finfo(a.dtype).eps * s[..., :1]
    inverse = torch.where(keep, 1 / torch.where(keep, s, 1), 0)
    return (vh.mH * inverse[..., None, :]) @ u.mH


@wrong(
    "P13",
    namespace="torch",
    lacks=(*NO_OPTIONS, "jvp", "second order"),
    check="P13-no_long_projector",
)
def a_long_projector(a):
    return torch.linalg.pinv(a)


@wrong("P14", namespace="torch", lacks=NO_OPTIONS)
def leaves_the_graph(a):
    return torch.linalg.pinv(a) if a.sum().item() != 0 else torch.zeros_like(a.mT)
