"""The parts that every family shares.

Shapes: B batch, T time, S seen, D model width, H heads, K head width.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.cache import LayerCache
from groundup.model.config import ModelConfig, RopeScaling
from groundup.model.visible import Sight

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class RMSNorm(nn.Module):
    """Divides each vector by its root mean square, then scales it. Source: Zhang and Sennrich 2019."""

    def __init__(self, width: int, eps: float, offset: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), 1.0 - offset))
        self.eps, self.offset = eps, offset

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        unit = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return (unit * (self.offset + self.weight.float())).type_as(x)


def make_norm(config: ModelConfig, width: int | None = None) -> nn.Module:
    """The normalisation that the configuration asks for, over vectors of `width` (by default d_model)."""
    width = config.d_model if width is None else width
    if config.norm == "layer":
        return nn.LayerNorm(width, eps=config.norm_eps)
    return RMSNorm(width, config.norm_eps, offset=1.0 if config.norm == "rms_plus_one" else 0.0)


def rope_table(
    positions: Tensor, head_width: int, base: float, scaling: RopeScaling | None = None
) -> tuple[Tensor, Tensor]:
    """cos and sin of every (position, frequency), for all heads alike. Source: Su et al. 2021.

    (T,) positions -> (T, K) each, halves as in Llama; (B, T) -> (B, 1, T, K).
    """
    # Written as transformers writes it: at position 30,000 another rounding turns by a visible angle.
    frequencies = 1 / base ** (torch.arange(0, head_width, 2, device=positions.device).float() / head_width)
    if scaling is not None:
        frequencies = slowed(frequencies, scaling)
    if positions.ndim == 2:
        positions = positions[:, None]  # (B, 1, T): the same for all heads
    angles = positions.float()[..., None] * frequencies  # (..., T, K/2)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def slowed(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Angles per position, (K/2,), divided as the scaling says; written as in transformers, see above."""
    if scaling.original_context is None:
        return frequencies / scaling.factor
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    turns = scaling.original_context / (2 * math.pi / frequencies)  # in the original context
    kept = ((turns - low) / (high - low)).clamp(0, 1)  # 1: left alone, 0: divided
    return (1 - kept) * frequencies / scaling.factor + kept * frequencies


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (j, j + K/2) of x (B, H, T, K) by the angle of its position."""
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat((-second, first), dim=-1) * sin).type_as(x)


class Attention(nn.Module):
    """Each position gathers values from those whose keys fit its query. Source: Vaswani et al. 2017."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        query_width, kv_width = config.n_heads * config.head_width, config.kv_heads * config.head_width
        self.query = nn.Linear(config.d_model, query_width, bias=config.qkv_bias)
        self.key = nn.Linear(config.d_model, kv_width, bias=config.qkv_bias)
        self.value = nn.Linear(config.d_model, kv_width, bias=config.qkv_bias)
        self.output = nn.Linear(query_width, config.d_model, bias=config.out_bias)
        self.query_norm = make_norm(config, config.head_width) if config.qk_norm else nn.Identity()
        self.key_norm = make_norm(config, config.head_width) if config.qk_norm else nn.Identity()

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, sight: Sight, cache: LayerCache | None = None
    ) -> Tensor:
        c, (n_rows, time, _) = self.config, x.shape
        query = self.query_norm(self.query(x).view(n_rows, time, c.n_heads, c.head_width)).transpose(1, 2)
        key = self.key_norm(self.key(x).view(n_rows, time, c.kv_heads, c.head_width)).transpose(1, 2)
        value = self.value(x).view(n_rows, time, c.kv_heads, c.head_width).transpose(1, 2)  # (B, H, T, K)
        if rope is not None:
            query, key = rotate(query, *rope), rotate(key, *rope)
        if cache is not None:
            key, value = cache.append(key, value)  # (B, H, S, K)
        gathered = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=sight.mask,
            is_causal=sight.is_causal,
            dropout_p=c.dropout if self.training else 0.0,
            scale=c.attention_scale,
            enable_gqa=c.kv_heads != c.n_heads,
        )
        return self.output(gathered.transpose(1, 2).reshape(n_rows, time, -1))


class FeedForward(nn.Module):
    """The same small network at each position; gated (one half opens the other) or plain."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.up = nn.Linear(config.d_model, config.hidden_width, bias=config.mlp_bias)
        self.gate = (
            nn.Linear(config.d_model, config.hidden_width, bias=config.mlp_bias)
            if config.mlp == "gated"
            else None
        )
        self.down = nn.Linear(config.hidden_width, config.d_model, bias=config.mlp_bias)
        self.activate = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(self.activate(self.up(x)))
        return self.down(self.activate(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """Attention, then feed-forward; each reads a normalised copy and adds its result to the stream.

    In the first transformers and in BERT the norms come after the sums instead, on the stream itself.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.attention_norm, self.attention = make_norm(config), Attention(config)
        self.mlp_norm, self.mlp = make_norm(config), FeedForward(config)
        self.drop = nn.Dropout(config.dropout)
        self.norms_after = config.norm_position == "post"

    def forward(
        self, x: Tensor, rope: tuple[Tensor, Tensor] | None, sight: Sight, cache: LayerCache | None = None
    ) -> Tensor:
        if self.norms_after:
            x = self.attention_norm(x + self.drop(self.attention(x, rope, sight, cache)))
            return self.mlp_norm(x + self.drop(self.mlp(x)))
        x = x + self.drop(self.attention(self.attention_norm(x), rope, sight, cache))  # (B, T, D)
        return x + self.drop(self.mlp(self.mlp_norm(x)))
