"""Every family of encoders against transformers: results, gradients, files in both directions, old files."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, AutoModelForPreTraining

from groundup.errors import UserError
from groundup.model.encoder import Encoder
from groundup.system.files import write_json
from groundup.text.library import read_json
from groundup.weights.tensors import write_tensors
from groundup.zoo import family_for, lost_fields, resolved
from tests.zoo.conftest import Case, examples

LENGTHS = [24, 15]


def ours_of(case: Case, tensors: dict[str, Tensor] | None = None) -> Encoder:
    """Our model with their numbers, or with these tensors."""
    config = case.family.read(read_json(case.folder / "config.json"))
    model = case.family.model(config)
    assert isinstance(model, Encoder)
    tensors = load_file(case.folder / "model.safetensors") if tensors is None else tensors
    case.family.table.pull(model, tensors, tied=config.tie_embeddings)
    return model.eval()


def segments_of(case: Case, model: Encoder) -> Tensor:
    """Two sentences, of different lengths in the two texts, where the model knows segments."""
    first = torch.tensor([[9], [4]])
    return (torch.arange(24) >= first).long() * (model.config.n_segments - 1)


def read_by_both(case: Case, ours: Encoder, theirs: Any) -> tuple[list[Tensor], list[Tensor]]:
    """[hidden states of the real tokens, pooled], by ours and by theirs."""
    segments, real = segments_of(case, ours), torch.arange(24) < torch.tensor(LENGTHS)[:, None]  # (B, T)
    ids = case.ids * real  # the padding id is 0
    hidden, pooled = ours(ids, segments, torch.tensor(LENGTHS))
    known = theirs(ids, attention_mask=real.long(), token_type_ids=segments)
    return [hidden[real], pooled], [known.last_hidden_state[real], known.pooler_output]


def test_hidden_states_and_the_pooled_token_equal_those_of_transformers(encoder_case):
    with torch.no_grad():
        found, known = read_by_both(encoder_case, ours_of(encoder_case), encoder_case.theirs)
    assert known[0].std() > 0.5
    assert known[1].std() > 0.05
    assert_close(found, known, atol=1e-5, rtol=0)


def test_gradients_of_every_parameter_equal_those_of_transformers(encoder_case):
    case = encoder_case
    model, theirs = ours_of(case), copy.deepcopy(case.theirs)
    generator = torch.Generator().manual_seed(0)
    results = read_by_both(case, model, theirs)
    towards = [torch.randn(part.shape, generator=generator) for part in results[0]]
    for parts in results:
        torch.stack([(part * to).sum() for part, to in zip(parts, towards, strict=True)]).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.copy_(parameter.grad)
    prefix = case.family.table.prefix
    found = case.family.table.push(model, tied=model.config.tie_embeddings)
    expected = {prefix + name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        error, size = (gradient - expected[name]).norm(), expected[name].norm()
        # Of a key's bias it is 0 but for rounding: softmax does not see what all scores share.
        assert error < 1e-4 * size + (1e-5 if name.endswith("key.bias") else 0), f"{name}: {error} of {size}"


def test_a_padded_text_equals_the_text_alone(encoder_case):
    model, ids = ours_of(encoder_case), encoder_case.ids
    with torch.no_grad():
        hidden, pooled = model(ids, lengths=torch.tensor([3, 17]))
        for row, length in enumerate((3, 17)):
            alone, pooled_alone = model(ids[row : row + 1, :length])
            assert_close(hidden[row, :length], alone[0], atol=1e-5, rtol=0)
            assert_close(pooled[row], pooled_alone[0], atol=1e-5, rtol=0)
        assert (model(ids)[1] - pooled).abs().max() > 1e-3


def test_transformers_opens_what_we_write_with_the_same_tensors_and_results(encoder_case, tmp_path):
    case = encoder_case
    model = ours_of(case)
    tensors = case.family.table.push(model, tied=model.config.tie_embeddings)
    prefix = case.family.table.prefix
    known = load_file(case.folder / "model.safetensors")
    assert tensors.keys() == {prefix + name for name in known}
    assert all(torch.equal(tensor, known[name.removeprefix(prefix)]) for name, tensor in tensors.items())
    head = {"model_type": case.family.model_type, "architectures": [case.family.architecture]}
    write_json(tmp_path / "config.json", head | case.family.write(model.config))
    write_tensors(tmp_path / "model.safetensors", tensors)
    opened: Any = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    again, told = opened
    assert type(again).__name__ == case.family.architecture
    assert not {name: list(keys) for name, keys in told.items() if keys}
    with torch.no_grad():
        found, expected = read_by_both(case, model, again.eval())
    assert_close(found, expected, atol=1e-5, rtol=0)


def test_config_json_says_the_whole_configuration(encoder_case):
    family = encoder_case.family
    config = family.read(read_json(encoder_case.folder / "config.json"))
    assert resolved(family.read(family.write(config))) == resolved(config)
    assert lost_fields(family, config) == []
    assert lost_fields(family_for(config, Encoder), config) == []


def test_an_old_file_with_other_names_of_norms_and_with_leftover_tensors_opens(encoder_case):
    case = encoder_case
    tensors = load_file(case.folder / "model.safetensors")
    old = {
        case.family.table.prefix
        + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert any(name.endswith("LayerNorm.gamma") for name in old)
    old |= {name: torch.zeros(3) for name in examples(case.family).leftover}
    for name, tensor in ours_of(case, old).state_dict().items():
        assert torch.equal(tensor, ours_of(case).state_dict()[name]), name


def test_the_file_of_a_model_with_the_heads_of_pretraining_opens(encoder_case, tmp_path: Path):
    config = AutoConfig.from_pretrained(encoder_case.folder)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        whole = AutoModelForPreTraining.from_config(config).eval()
    whole.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert any(name.startswith("cls.") for name in tensors)
    with torch.no_grad():
        found, known = read_by_both(encoder_case, ours_of(encoder_case, tensors), whole.base_model)
    assert_close(found, known, atol=1e-5, rtol=0)


def test_a_missing_tensor_is_refused_with_its_name(encoder_case):
    tensors = load_file(encoder_case.folder / "model.safetensors")
    del tensors["pooler.dense.bias"]
    with pytest.raises(UserError, match="lack 'bert.pooler.dense.bias'"):
        ours_of(encoder_case, tensors)
