"""Next-token prediction against PyTorch's own loss, in value and in every gradient."""

import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder


def test_loss_count_and_gradients_equal_pytorchs_cross_entropy_in_float64():
    config = ModelConfig(vocab_size=60, context_length=12, d_model=16, n_layers=2, n_heads=2)
    method = NextToken(Decoder(config)).double()
    batch = method.example(60, 3, 10)
    parameters = list(method.parameters())
    loss, count = method(batch)
    logits = method.model(batch["ids"]).flatten(0, 1)
    expected = F.cross_entropy(logits, batch["targets"].flatten(), reduction="sum", ignore_index=-100)
    assert count == 3 * 10 - 5
    assert_close(loss, expected, atol=1e-9, rtol=0)
    found = torch.autograd.grad(loss, parameters)
    assert_close(found, torch.autograd.grad(expected, parameters), atol=1e-9, rtol=1e-9)


def test_the_example_asks_for_the_token_that_follows():
    batch = NextToken.example(60, 3, 10)
    shown = batch["targets"][:, :-1] != -100
    assert torch.equal(batch["targets"][:, :-1][shown], batch["ids"][:, 1:][shown])
    assert not shown[0, :5].any()
