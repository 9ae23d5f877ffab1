"""The exercises of lesson 11 done right, and the mistakes that people make in them."""

import math

import torch
from torch import Tensor


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    variance = x.var(-1, keepdim=True, correction=0)
    return (x - x.mean(-1, keepdim=True)) / (variance + eps).sqrt() * weight + bias


def gelu_slope(x: Tensor) -> Tensor:
    below = (1 + torch.erf(x / math.sqrt(2))) / 2
    return below + x * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def block(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    x = x + attention(attention_norm(x))
    return x + mlp(mlp_norm(x))


def sample_spread(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Divides by D - 1, as one does for a sample."""
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt() * weight + bias


def eps_beside_the_root(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    spread = x.std(-1, keepdim=True, correction=0)
    return (x - x.mean(-1, keepdim=True)) / (spread + eps) * weight + bias


def slope_of_the_tanh_form(x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        out = torch.nn.functional.gelu(x, approximate="tanh").sum()
    return torch.autograd.grad(out, x)[0]


def normed_stream(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    x = attention_norm(x)
    x = x + attention(x)
    x = mlp_norm(x)
    return x + mlp(x)


def norms_at_the_end(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    """As in the first transformers (2017)."""
    x = attention_norm(x + attention(x))
    return mlp_norm(x + mlp(x))


def side_by_side(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    """As in GPT-J: both read the same."""
    return x + attention(attention_norm(x)) + mlp(mlp_norm(x))


def second_shortcut_from_the_start(x: Tensor, attention_norm, attention, mlp_norm, mlp) -> Tensor:
    return x + mlp(mlp_norm(x + attention(attention_norm(x))))


WRONG = {
    "layer_norm": [
        sample_spread,
        eps_beside_the_root,
        lambda x, weight, bias, eps: layer_norm(x, torch.ones_like(weight), torch.zeros_like(bias), eps),
        lambda x, weight, bias, eps: layer_norm(x, weight, bias * weight, eps),  # the bias first
        lambda x, weight, bias, eps: x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight + bias,
        lambda x, weight, bias, eps: layer_norm(x, weight, bias, 1e-5),
    ],
    "gelu_slope": [
        slope_of_the_tanh_form,
        lambda x: (1 + torch.erf(x / math.sqrt(2))) / 2,  # x was taken for a constant
        lambda x: (x > 0).float(),  # ReLU's
        lambda x: gelu_slope(x) * x,
    ],
    "block": [
        normed_stream,
        norms_at_the_end,
        side_by_side,
        second_shortcut_from_the_start,
        lambda x, attention_norm, attention, mlp_norm, mlp: mlp(mlp_norm(attention(attention_norm(x)))),
    ],
}
