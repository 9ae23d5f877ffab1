"""The decoder-only language model: every family of the zoo from one configuration.

Shapes: B batch, T time, D model width, V vocabulary.
"""

import math

import torch
from torch import Tensor, nn

from groundup.errors import UserError
from groundup.model.cache import KVCache
from groundup.model.config import ModelConfig
from groundup.model.layers import Block, make_norm, rope_table
from groundup.model.visible import Visible, sight


class Decoder(nn.Module):
    """Reads token ids and says, at each position, how likely each next token is."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        if not config.causal or config.norm_position != "pre" or config.n_segments:
            raise UserError(
                f"A decoder cannot have causal={config.causal}, norm_position={config.norm_position!r} and "
                f"n_segments={config.n_segments}: it wants True, 'pre' and 0. Take an Encoder for a BERT."
            )
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        learned = config.position == "learned"
        self.positions = nn.Embedding(config.context_length, config.d_model) if learned else None
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.final_norm = make_norm(config)
        self.unembed = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.tie()
        self.initialise()

    def tie(self) -> None:
        """Make both ends one matrix where the configuration says so; `to_empty` parts them."""
        if self.config.tie_embeddings:
            self.unembed.weight = self.tokens.weight

    def initialise(self, generator: torch.Generator | None = None) -> "Decoder":
        """GPT-2's start: normal with 0.02, and less for the matrices of each block that write to the stream.

        2 * n_layers matrices add to the stream; dividing their spread by the root of that number keeps its
        size independent of depth. Source: Radford et al. 2019.
        """
        residual = 0.02 / math.sqrt(2 * self.config.n_layers)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                writes = name.endswith(("attention.output", "mlp.down"))
                nn.init.normal_(module.weight, std=residual if writes else 0.02, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        return self

    def hidden(
        self,
        ids: Tensor,
        *,
        positions: Tensor | None = None,
        visible: Visible | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """(B, T) ids -> (B, T, D) final hidden states, normalised and ready for `unembed`.

        positions: (T,) or (B, T) where the ids stand; by default they follow what the cache has read of each
        row.
        """
        config, time = self.config, ids.shape[1]
        end = time if cache is None else cache.length + time
        if end > config.context_length:
            raise UserError(
                f"{end} tokens do not fit the model's context of {config.context_length}. "
                f"Shorten the text, or choose a model with a longer context."
            )
        places = torch.arange(end, device=ids.device)  # (S,) all places that the longest row sees
        asking = places if cache is None else cache.places(time)  # (T,), or (B, T) if rows differ in length
        at = asking if positions is None else positions
        x = self.tokens(ids)  # (B, T, D)
        if config.scale_embeddings:
            x = x * torch.tensor(config.d_model**0.5, dtype=x.dtype)
        rope = None
        if self.positions is not None:
            x = x + self.positions(at)
        else:
            rope = rope_table(at, config.head_width, config.rope_base, config.rope_scaling)
        x = self.drop(x)
        if visible is not None and visible.documents is None:
            # Padding on the right is in nobody's past: time hides it already, and the fused kernel stays.
            visible = None
        windows = {config.window_of(i) for i in range(config.n_layers)}
        sights = {window: sight(asking, places, window, visible) for window in windows}
        for i, block in enumerate(self.blocks):
            past = None if cache is None else cache.layer(i, asking, end)
            x = block(x, rope, sights[config.window_of(i)], past)
        if cache is not None:
            cache.advance(time)
        return self.final_norm(x)

    def forward(
        self,
        ids: Tensor,
        *,
        positions: Tensor | None = None,
        visible: Visible | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """(B, T) ids -> (B, T, V) logits. UserError if the text is longer than the context."""
        return self.unembed(self.hidden(ids, positions=positions, visible=visible, cache=cache))

    def n_parameters(self, *, embeddings: bool = True) -> int:
        """How many numbers are learned; tied ones count once. Without embeddings: blocks and norms only."""
        ends = {id(self.tokens.weight), id(self.unembed.weight)}
        if self.positions is not None:
            ends.add(id(self.positions.weight))
        return sum(p.numel() for p in self.parameters() if embeddings or id(p) not in ends)
