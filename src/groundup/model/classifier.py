"""A model with a head that sorts whole texts: by a decoder's last token, or an encoder's pooled first one.

Shapes: B batch, T time, D model width, C labels.
"""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder

Body = TypeVar("Body", Decoder, Encoder)


class Classifier(nn.Module):
    """Says how likely each label is for a text, from what a trained model makes of it.

    Only the last real token of a decoder has seen the whole text. What follows it in a batch is padding,
    which it cannot see, so the answer does not depend on it. An encoder has its pooled token for this, with
    dropout before the head while learning.

    The matrices are those of `model`, which stays as it is: a decoder's `unembed` is not used here, and an
    encoder whose file had no pooler gets one here that must learn. `head` is new. Put LoRA into the model
    first: it freezes what is there already.
    """

    def __init__(
        self,
        model: Decoder | Encoder,
        n_labels: int,
        dropout: float | None = None,
        *,
        generator: torch.Generator | None = None,
    ):
        """dropout: by default an encoder's own, and none for a decoder, as in transformers."""
        super().__init__()
        assert n_labels >= 2, "one label says nothing"
        config = self.config = model.config
        self.model: Decoder | Encoder
        if isinstance(model, Decoder):
            self.model = _twin(model)
            del self.model.unembed  # it would pass for something that learns
        else:
            self.model = _twin(model)
            if model.pooler is None:
                self.model.pooler = _fresh(nn.Linear(config.d_model, config.d_model), model, generator)
        is_decoder = isinstance(model, Decoder)
        usual = 0.0 if is_decoder else config.dropout
        self.drop = nn.Dropout(usual if dropout is None else dropout)
        head = nn.Linear(config.d_model, n_labels, bias=not is_decoder)
        self.head = _fresh(head, model, generator)
        self.train(model.training)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) ids, of which each row's first `lengths` (B,) are real -> (B, C) logits.

        UserError if the text is longer than the context.
        """
        if isinstance(self.model, Decoder):
            hidden = self.model.hidden(ids)  # (B, T, D)
            whole = hidden[torch.arange(len(ids), device=ids.device), lengths - 1]  # (B, D)
        else:
            whole = self.model(ids, lengths=lengths)[1]  # (B, D)
        return self.head(self.drop(whole))

    @property
    def n_labels(self) -> int:
        """C, how many labels there are."""
        return self.head.out_features

    @property
    def tokens(self) -> nn.Embedding:
        """The embedding of the model, which tells where its numbers are and of what kind."""
        return self.model.tokens

    def parts(self) -> nn.Module:
        """The parts of the model and the head side by side, as a family's table of names knows them."""
        flat = nn.Module()
        for name, part in [*self.model.named_children(), ("head", self.head)]:
            flat.add_module(name, part)
        return flat


def _twin(model: Body) -> Body:
    """The same parts in another module, so that one can be taken away from it or added to it."""
    twin = copy.copy(model)
    twin._modules = dict(model._modules)
    return twin


def _fresh(layer: nn.Linear, model: Decoder | Encoder, generator: torch.Generator | None) -> nn.Linear:
    """A layer at BERT's start, normal with 0.02 and without bias, where the model's numbers are."""
    # Drawn on the CPU, whose numbers are the same on every machine.
    nn.init.normal_(layer.weight, std=0.02, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer.to(model.tokens.weight)
