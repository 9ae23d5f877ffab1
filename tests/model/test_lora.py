"""LoRA: it changes nothing at the start, it alone learns, and merged it computes the same."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.encoder import Encoder
from groundup.model.lora import LoRA, add_lora, lora_layers, merge_lora
from groundup.training.loop import train
from groundup.training.settings import TrainSettings

SIZES = {"vocab_size": 50, "context_length": 12, "d_model": 16, "n_layers": 2, "n_heads": 4}
KINDS = {
    "as GPT-2": {},
    "as Llama": {
        **{"position": "rope", "norm": "rms", "mlp": "gated", "activation": "silu", "n_kv_heads": 2},
        **{"qkv_bias": False, "out_bias": False, "mlp_bias": False, "tie_embeddings": False},
    },
    "as BERT": {"causal": False, "norm_position": "post", "n_segments": 2},
}
IDS = torch.arange(24).view(2, 12) * 7 % 50


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(kind: str = "as GPT-2", **fields: Any) -> Any:
    config = ModelConfig(**{**SIZES, **KINDS[kind], **fields})
    model = Decoder(config) if config.causal else Encoder(config)
    model.initialise(seeded())
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=seeded(number))
    return model.eval()


def outputs(model: nn.Module, ids: Tensor = IDS) -> tuple[Tensor, ...]:
    out = model(ids)
    return out if isinstance(out, tuple) else (out,)


def learned(model: Any, std: float = 0.3) -> Any:
    """As if LoRA had learned something."""
    with torch.no_grad():
        for layer in lora_layers(model).values():
            layer.lora_B.normal_(std=std, generator=seeded(5))
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_at_the_start_the_model_is_the_base_bit_for_bit(kind, dtype):
    model = make(kind).to(dtype)
    before = outputs(model)
    add_lora(model, rank=3, alpha=5, dropout=0.5, generator=seeded())
    for ours, base in zip(outputs(model), before, strict=True):
        assert torch.equal(ours, base)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_computes_what_the_paper_says(bias):
    base = nn.Linear(5, 7, bias=bias, dtype=torch.float64)
    layer = LoRA(base, rank=2, alpha=3, generator=seeded())
    nn.init.normal_(layer.lora_B, generator=seeded())
    x = torch.randn(4, 5, dtype=torch.float64, generator=seeded(1))
    outer = [torch.outer(layer.lora_B[:, r], layer.lora_A[r]) for r in range(2)]
    beside = 3 / 2 * (outer[0] + outer[1])
    by_hand = x @ (base.weight + beside).T + (base.bias if bias else 0)
    assert_close(layer(x), by_hand, atol=1e-12, rtol=0)
    assert_close(layer.merged()(x), by_hand, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_computes_the_same_as_unmerged_and_is_plain_again(kind):
    base = make(kind)
    model = learned(add_lora(copy.deepcopy(base), rank=3, alpha=5, generator=seeded()))
    before = outputs(model)
    assert all((ours - start).abs().max() > 0.1 for ours, start in zip(before, outputs(base), strict=True))
    assert merge_lora(model) is model
    for ours, unmerged in zip(outputs(model), before, strict=True):
        assert_close(ours, unmerged, atol=1e-5, rtol=0)
    assert [type(module) for module in model.modules()] == [type(module) for module in base.modules()]
    assert [*model.state_dict()] == [*base.state_dict()]
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())


def test_merging_a_second_time_changes_nothing():
    model = merge_lora(learned(add_lora(make(), rank=3, alpha=5, generator=seeded())))
    once = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.tokens.weight.requires_grad_(False)
    merge_lora(model)
    assert all(torch.equal(tensor, once[name]) for name, tensor in model.state_dict().items())
    assert not model.tokens.weight.requires_grad


def test_after_merging_lora_can_be_added_again():
    model = merge_lora(learned(add_lora(make(), rank=3, alpha=5, generator=seeded())))
    before = outputs(model)
    add_lora(model, rank=2, alpha=2, generator=seeded())
    assert torch.equal(outputs(model)[0], before[0])


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_thin_matrices_learn_and_the_others_keep_their_names(kind):
    base = make(kind)
    model = add_lora(copy.deepcopy(base), rank=3, alpha=5, generator=seeded())
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    matrices = [n for n, m in base.named_modules() if isinstance(m, nn.Linear) and n.startswith("blocks.")]
    assert sorted(names) == sorted(f"{name}.lora_{letter}" for name in matrices for letter in "AB")
    sides = sum(sum(base.get_submodule(name).weight.shape) for name in matrices)
    assert sum(model.get_parameter(name).numel() for name in names) == 3 * sides
    assert {*base.state_dict()} == {name for name in model.state_dict() if ".lora_" not in name}


def test_training_changes_lora_alone_by_the_gradient_of_plain_cross_entropy():
    model = add_lora(make(), rank=3, alpha=5, generator=seeded())
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    batch = {"ids": IDS[:, :-1], "targets": IDS[:, 1:]}
    plain = nn.functional.cross_entropy(model(batch["ids"]).flatten(0, 1), batch["targets"].flatten())
    (wanted,) = torch.autograd.grad(plain, [model.blocks[1].mlp.down.lora_B])

    class Same:
        def at(self, step: int):
            return [batch]

    settings = TrainSettings(
        steps=2,
        learning_rate=0.01,
        warmup_steps=0,
        precision="float32",
        tokens_per_step=22,
        sequence_length=11,
        micro_batch=2,
    )
    seen = []
    method = NextToken(model)
    method(batch)[0].backward()
    assert_close(model.blocks[1].mlp.down.lora_B.grad / 22, wanted, atol=1e-6, rtol=0)
    method.zero_grad()
    train(method, Same(), settings, observers=[lambda state: seen.append(state.loss)])
    assert seen[1] < seen[0]
    changed = {n for n, parameter in model.named_parameters() if not torch.equal(parameter, before[n])}
    assert changed == {name for name in before if ".lora_" in name}


def test_dropout_acts_while_learning_only():
    still = learned(add_lora(make(), rank=3, alpha=5, generator=seeded()))
    model = learned(add_lora(make(), rank=3, alpha=5, dropout=0.5, generator=seeded()))
    assert torch.equal(outputs(model)[0], outputs(still)[0])
    assert not torch.allclose(outputs(model.train())[0], outputs(still)[0], atol=1e-3)
    assert torch.equal(outputs(model.eval())[0], outputs(still)[0])
    assert add_lora(make().train(), rank=3, alpha=5).get_submodule("blocks.0.mlp.up.drop").training


def test_a_start_depends_on_its_generator_alone_and_draws_from_no_other():
    bases, state = (make(), make()), torch.get_rng_state()
    first, second = (add_lora(base, rank=3, alpha=5, generator=seeded(4)) for base in bases)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(lora_layers(first).values(), lora_layers(second).values(), strict=True):
        assert torch.equal(one.lora_A, other.lora_A)
        assert not one.lora_B.any()
        # PEFT's start, as of a plain nn.Linear: even from -1 / sqrt(I) to 1 / sqrt(I).
        assert 0.9 < float(one.lora_A.detach().abs().max()) * one.in_features**0.5 <= 1


def test_beside_a_base_in_bf16_the_thin_matrices_are_float32():
    model = learned(add_lora(make().to(torch.bfloat16), rank=3, alpha=5, generator=seeded()), std=0.05)
    layers = [*lora_layers(model).values()]
    assert (
        {layer.lora_A.dtype for layer in layers}
        == {layer.lora_B.dtype for layer in layers}
        == {torch.float32}
    )
    assert outputs(model)[0].dtype == torch.bfloat16
    outputs(model)[0].float().sum().backward()
    assert all(layer.lora_A.grad is not None and layer.lora_A.grad.dtype == torch.float32 for layer in layers)
    wide = model.blocks[0].mlp.up
    exact = wide.weight.float() + 5 / 3 * wide.lora_B @ wide.lora_A
    assert torch.equal(merge_lora(model).blocks[0].mlp.up.weight, exact.to(torch.bfloat16))


@pytest.mark.parametrize(
    "targets, chosen",
    [
        ("attention", "attention.query attention.key attention.value attention.output"),
        ("query", "attention.query"),
        (["attention.query", "attention.value"], "attention.query attention.value"),
        (["mlp", "mlp.up"], "mlp.up mlp.down"),
        ("mlp.down", "mlp.down"),
    ],
)
def test_targets_are_parts_of_our_names(targets, chosen):
    layers = lora_layers(add_lora(make(), rank=1, alpha=1, targets=targets))
    assert [*layers] == [f"blocks.{layer}.{name}" for layer in range(2) for name in chosen.split()]


def test_targets_can_be_single_layers_and_the_pooler_of_an_encoder():
    layers = lora_layers(add_lora(make("as BERT"), rank=1, alpha=1, targets=["blocks.1.mlp", "pooler"]))
    assert [*layers] == ["blocks.1.mlp.up", "blocks.1.mlp.down", "pooler"]


@pytest.mark.parametrize(
    "fields, told",
    [
        (
            {"targets": "attention.qurey"},
            "'attention.qurey'. Did you mean 'attention.query'? Known: attention, ",
        ),
        ({"targets": ["mlp", "q_proj"]}, "'q_proj'. Did you mean 'attention.query'?"),
        ({"targets": "unembed"}, "'unembed'. The embeddings and the head cannot have it. Known: "),
        ({"targets": "tokens"}, "'tokens'. The embeddings and the head cannot have it"),
        ({"targets": "mlp.gate"}, "'mlp.gate'"),
        ({"targets": ""}, "''"),
        ({"targets": ()}, "targets: LoRA finds no matrix"),
        ({"rank": 0}, "rank=0 does not work. It must be at least 1"),
        ({"alpha": 0}, "alpha=0 does not work. It must be above 0"),
        ({"dropout": 1.0}, "dropout=1.0 does not work. It must be from 0 to below 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_changes_nothing(fields, told):
    model = make()
    with pytest.raises(UserError, match=told.replace("?", r"\?")) as caught:
        add_lora(model, **{"rank": 1, "alpha": 1, **fields})
    assert "\n" not in str(caught.value)
    assert not lora_layers(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_model_that_has_lora_gets_no_second_one():
    with pytest.raises(UserError, match="has LoRA already. Call merge_lora first"):
        add_lora(add_lora(make(), rank=1, alpha=1), rank=1, alpha=1)
