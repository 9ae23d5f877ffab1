"""The architecture as data: one frozen dataclass that checks itself. The defaults are GPT-2's."""

from dataclasses import dataclass
from typing import Literal

from groundup.errors import UserError


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
    # Attention.
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
    # Both ends.
    tie_embeddings: bool = True
    scale_embeddings: bool = False  # multiply embeddings by sqrt(d_model)
    dropout: float = 0.0

    def __post_init__(self) -> None:
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
