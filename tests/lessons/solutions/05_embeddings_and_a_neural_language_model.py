"""The exercises of lesson 5 done right, and the mistakes that people make in them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def embedding_gradient(ids: Tensor, at_places: Tensor, vocab_size: int) -> Tensor:
    gradient = torch.zeros(vocab_size, at_places.shape[-1])
    return gradient.index_add_(0, ids.flatten(), at_places.flatten(0, 1))


def nearest(table: Tensor, id: int, k: int) -> list[int]:
    directions = F.normalize(table, dim=1)
    order = (directions @ directions[id]).argsort(descending=True).tolist()
    return [other for other in order if other != id][:k]


def learned_numbers(vocab_size: int, before: int, width: int, hidden: int) -> dict[str, int]:
    return {
        "C": vocab_size * width,
        "H": before * width * hidden + hidden,
        "U": hidden * vocab_size + vocab_size,
        "W": before * width * vocab_size,
    }


def one_of_each(ids: Tensor, at_places: Tensor, vocab_size: int) -> Tensor:
    """Of an id that occurs several times it keeps a single gradient."""
    gradient = torch.zeros(vocab_size, at_places.shape[-1])
    gradient[ids.flatten()] += at_places.flatten(0, 1)
    return gradient


def mean_of_each(ids: Tensor, at_places: Tensor, vocab_size: int) -> Tensor:
    times = ids.flatten().bincount(minlength=vocab_size).clamp(min=1)
    return embedding_gradient(ids, at_places, vocab_size) / times[:, None]


WRONG = {
    "embedding_gradient": [
        one_of_each,
        mean_of_each,
        lambda ids, at_places, vocab_size: at_places.sum((0, 1)).expand(vocab_size, -1),
        lambda ids, at_places, vocab_size: at_places,
    ],
    "nearest": [
        lambda table, id, k: (table @ table[id]).topk(k).indices.tolist(),  # long rows win
        lambda table, id, k: torch.cdist(table[id][None], table)[0].argsort()[1 : k + 1].tolist(),
        lambda table, id, k: F.cosine_similarity(table, table[id][None]).topk(k).indices.tolist(),  # itself
        lambda table, id, k: nearest(table, id, k)[::-1],
    ],
    "learned_numbers": [
        lambda *shape: {**learned_numbers(*shape), "C": shape[0] * shape[1] * shape[2]},  # a table per place
        lambda *shape: {**learned_numbers(*shape), "U": shape[3] * shape[0]},  # no bias
        lambda *shape: {**learned_numbers(*shape), "H": shape[2] * shape[3] + shape[3]},  # one word only
        lambda *shape: sum(learned_numbers(*shape).values()),
    ],
}
