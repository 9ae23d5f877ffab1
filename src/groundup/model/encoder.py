"""The encoder: BERT, the shared block read in both directions, with its own embeddings and pooler.

Shapes: B batch, T time, D model width.
"""

import torch
from torch import Tensor, nn

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.layers import Block, make_norm
from groundup.model.visible import Visible, sight


class Encoder(nn.Module):
    """Reads a whole text at once and says what its tokens, and it, mean. Source: Devlin et al. 2018."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        if config.causal or config.norm_position != "post" or config.position != "learned":
            raise UserError(
                f"An encoder cannot have causal={config.causal}, norm_position={config.norm_position!r} and "
                f"position={config.position!r}: it wants False, 'post' and 'learned'. Else take a Decoder."
            )
        if "L" in config.layer_pattern or config.scale_embeddings:
            raise UserError("An encoder has no windows and does not scale embeddings. Leave them out.")
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = nn.Embedding(config.context_length, config.d_model)
        self.segments = nn.Embedding(config.n_segments, config.d_model) if config.n_segments else None
        self.embedding_norm = make_norm(config)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.pooler: nn.Linear | None = nn.Linear(config.d_model, config.d_model)  # None: its file had none
        self.initialise()

    def initialise(self, generator: torch.Generator | None = None) -> "Encoder":
        """BERT's start: matrices normal with 0.02, biases 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        return self

    def forward(
        self, ids: Tensor, segments: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T) ids -> hidden states (B, T, D), and the pooled first token (B, D) that stands for the text.

        A model whose file had no pooler gives the first token's hidden state in its place.

        segments: (B, T) which part of the text each token belongs to, by default 0; lengths: (B,) real tokens
        of each row, at least 1: the rest is padding on the right, which nobody sees. UserError if the text is
        longer than the context.
        """
        config, time = self.config, ids.shape[1]
        if time > config.context_length:
            raise UserError(
                f"{time} tokens do not fit the model's context of {config.context_length}. "
                f"Shorten the text, or choose a model with a longer context."
            )
        places = torch.arange(time, device=ids.device)  # (T,)
        x = self.tokens(ids) + self.positions(places)  # (B, T, D)
        if self.segments is not None:
            x = x + self.segments(torch.zeros_like(ids) if segments is None else segments)
        elif segments is not None:
            raise UserError("This model knows no segments (n_segments=0). Leave them out.")
        x = self.drop(self.embedding_norm(x))
        visible = None if lengths is None else Visible(lengths=lengths)
        everything = sight(places, places, None, visible, causal=False)
        for block in self.blocks:
            x = block(x, None, everything)
        first = x[:, 0]  # (B, D)
        return x, first if self.pooler is None else torch.tanh(self.pooler(first))
