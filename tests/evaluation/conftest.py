"""A tiny model with large weights, and a few documents as ids, for the tests of evaluation."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from groundup.weights.folder import Loaded


@pytest.fixture(scope="session")
def loaded(make_loaded: Callable[..., Loaded]) -> Loaded:
    """A tiny GPT-2 over bytes with a context of 16."""
    return make_loaded(seed=1, shake=0.3, d_model=16, n_layers=2)


@pytest.fixture(scope="session")
def documents(loaded: Loaded) -> list[np.ndarray]:
    """Ids of documents of many lengths: shorter than the context, equal to it, and several times as long.

    About every second id is the model's own choice, so that some of its choices are right.
    """
    rng = np.random.default_rng(2)

    def document(size: int) -> np.ndarray:
        ids = [0]
        while len(ids) < size:
            with torch.no_grad():
                best = int(loaded.model(torch.tensor([ids[-8:]]))[0, -1, :261].argmax())
            ids.append(best if rng.random() < 0.5 else int(rng.integers(261)))
        return np.array(ids)

    return [document(size) for size in (5, 40, 17, 2, 16, 1, 18, 100, 25)]
