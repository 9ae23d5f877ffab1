"""The architecture as data: one frozen dataclass that checks itself. The defaults are GPT-2's."""

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Literal

from groundup.errors import UserError


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotary angles are slowed down, so that a model reads further than it learned to at first.

    "linear" divides every angle by `factor`. Source: Chen et al. 2023. "llama3" leaves the fast ones alone
    and divides the slow ones, with a gentle passage between; the fields below `factor` are for it alone.
    Source: Llama Team 2024.
    """

    kind: Literal["linear", "llama3"]
    factor: float
    original_context: int | None = None  # how many positions the model learned with at first
    low_frequency_factor: float = 1.0  # what turns less often than this in the original context is divided
    high_frequency_factor: float = 4.0  # what turns more often than this is left alone

    def __post_init__(self) -> None:
        check_choices(self)
        if not self.factor >= 1:
            raise UserError(f"rope_scaling.factor={self.factor} is too small. It must be at least 1.")
        if self.kind == "linear":
            for field in dataclasses.fields(self)[2:]:
                if getattr(self, field.name) != field.default:
                    raise UserError(f"rope_scaling.{field.name} is for kind='llama3' only. Leave it out.")
            return
        if self.original_context is None or self.original_context < 1:
            raise UserError(
                f"rope_scaling.original_context={self.original_context} does not fit. Set it to how many "
                f"positions the model learned with at first."
            )
        if not 0 < self.low_frequency_factor < self.high_frequency_factor:
            raise UserError(
                f"rope_scaling.low_frequency_factor={self.low_frequency_factor} does not fit. "
                f"It must be above 0 and below high_frequency_factor={self.high_frequency_factor}."
            )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides what a model computes. Nothing else in groundup looks at a model's name."""

    # Sizes, in numbers of things.
    vocab_size: int
    context_length: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int | None = None  # None: as many as query heads
    d_head: int | None = None  # None: d_model / n_heads
    d_ff: int | None = None  # None: 4 * d_model, or 8/3 * d_model rounded up to 32 with a gated MLP
    # Positions.
    position: Literal["learned", "rope"] = "learned"
    rope_base: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    # Attention.
    causal: bool = True  # each position sees only those before it; False: all see all, as in BERT
    window: int | None = None  # how many positions a local layer sees, its own included
    layer_pattern: str = "G"  # tiled over the layers: G global, L local
    qkv_bias: bool = True
    out_bias: bool = True
    qk_norm: bool = False
    attention_scale: float | None = None  # None: 1 / sqrt(d_head)
    # Feed-forward.
    mlp: Literal["plain", "gated"] = "plain"
    activation: Literal["gelu", "gelu_tanh", "silu"] = "gelu_tanh"
    mlp_bias: bool = True
    # Normalisation.
    norm: Literal["layer", "rms", "rms_plus_one"] = "layer"
    norm_eps: float = 1e-5
    norm_position: Literal["pre", "post"] = "pre"  # before each part of a block, or after its sum, as in BERT
    # Both ends.
    tie_embeddings: bool = True
    scale_embeddings: bool = False  # multiply embeddings by sqrt(d_model)
    n_segments: int = 0  # kinds of text that a token can belong to, as the two sentences of BERT
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_choices(self)
        sizes = ("vocab_size", "context_length", "d_model", "n_layers", "n_heads")
        for name in (*sizes, "n_kv_heads", "d_head", "d_ff"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name}={value} is too small. It must be at least 1.")
        for name in ("rope_base", "attention_scale", "norm_eps"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name}={value} is too small. It must be above 0.")
        if self.d_head is None and self.d_model % self.n_heads:
            raise UserError(
                f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}. "
                f"Change one, or set d_head."
            )
        if self.n_heads % self.kv_heads:
            raise UserError(
                f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.kv_heads}. "
                f"Each key-value head serves the same number of query heads: choose a divisor."
            )
        if self.position == "rope" and self.head_width % 2:
            raise UserError(
                f"d_head={self.head_width} is odd. Rotary positions turn pairs: choose an even width."
            )
        if self.position != "rope" and self.rope_scaling is not None:
            raise UserError(
                f"rope_scaling is set, but position={self.position!r}. "
                f"Leave it out, or choose position='rope'."
            )
        if self.n_segments < 0:
            raise UserError(f"n_segments={self.n_segments} is too small. It must be at least 0.")
        if not self.layer_pattern or set(self.layer_pattern) - set("GL"):
            raise UserError(
                f"layer_pattern={self.layer_pattern!r} is unknown. Use the letters G (global) and L (local)."
            )
        if "L" in self.layer_pattern and (self.window is None or self.window < 1):
            raise UserError(
                f"layer_pattern={self.layer_pattern!r} has local layers. Set window to 1 or more."
            )
        if not 0.0 <= self.dropout < 1.0:
            raise UserError(f"dropout={self.dropout} is no share. Choose a number from 0 to below 1.")

    @property
    def kv_heads(self) -> int:
        """The number of key-value heads."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def head_width(self) -> int:
        """The width of one head, K in the shapes."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head

    @property
    def hidden_width(self) -> int:
        """The width inside the feed-forward part."""
        if self.d_ff is not None:
            return self.d_ff
        return 4 * self.d_model if self.mlp == "plain" else -(-8 * self.d_model // 96) * 32

    def window_of(self, layer: int) -> int | None:
        """How many positions this layer sees; None when it sees all."""
        return self.window if self.layer_pattern[layer % len(self.layer_pattern)] == "L" else None


def check_choices(value: Any) -> None:
    """UserError if a field of this dataclass has none of the words that its type lists."""
    for name, hint in typing.get_type_hints(type(value)).items():
        given, known = getattr(value, name), typing.get_args(hint)
        if typing.get_origin(hint) is Literal and given not in known:
            raise UserError(f"{name}={given!r} is unknown. Known: {', '.join(known)}.")
