"""The exercises of lesson 8 done right, and the mistakes that people make in them."""

import torch
from torch import Tensor


def document_numbers(ids: Tensor, border: int) -> Tensor:
    numbers = (ids == border).cumsum(0)
    return numbers - numbers[0]


def may_look(documents: Tensor, window: int) -> Tensor:
    places = torch.arange(len(documents))
    back = places[:, None] - places[None, :]
    return (back >= 0) & (back < window) & (documents[:, None] == documents[None, :])


def dropped_out(weights: Tensor, share: float, generator: torch.Generator) -> Tensor:
    kept = torch.rand(weights.shape, generator=generator) >= share
    return weights * kept / (1 - share)


def no_window(documents: Tensor, window: int) -> Tensor:
    return may_look(documents, len(documents))


def both_ways(documents: Tensor, window: int) -> Tensor:
    mask = may_look(documents, window)
    return mask | mask.T


def blocks_of_documents(documents: Tensor, window: int) -> Tensor:
    """A document that goes on after another one has become two; the last four tokens cannot see the first."""
    blocks = torch.cat([torch.zeros(1), (documents[1:] != documents[:-1]).float()]).cumsum(0)
    return may_look(blocks, window + 1)


WRONG = {
    "document_numbers": [
        lambda ids, border: (ids == border).cumsum(0),  # the first one has the number 1
        lambda ids, border: (ids == border).cumsum(0) - 1,  # -1 where the row begins in a document
        lambda ids, border: (ids == border).long(),
        lambda ids, border: (ids == border).cumsum(0) - (ids == border).long(),  # borders belong to the end
    ],
    "may_look": [
        no_window,
        both_ways,
        blocks_of_documents,
        lambda documents, window: may_look(documents, window + 1),  # the token itself was not counted
        lambda documents, window: may_look(torch.zeros_like(documents), window),
        lambda documents, window: ~may_look(documents, window),
        lambda documents, window: may_look(documents, window).T,
    ],
    "dropped_out": [
        lambda weights, share, generator: dropped_out(weights, share, generator) * (1 - share),
        lambda weights, share, generator: dropped_out(weights, 1 - share, generator),
        lambda weights, share, generator: (
            weights * (torch.rand(weights.shape[-1], generator=generator) >= share) / (1 - share)
        ),
        lambda weights, share, generator: weights,
    ],
}
