"""The .pth that is written here says itself what model it is, and the class of transformers takes it too."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from transformers import AutoConfig, AutoModelForCausalLM

from groundup.errors import UserError
from groundup.runs.export import export
from groundup.runs.importing import import_model
from groundup.weights.folder import load
from groundup.weights.foreign import load_foreign
from groundup.weights.state_dicts import OWN
from tests.runs.conftest import quiet_view
from tests.weights.test_real_forms import IDS, SIZES, fresh
from tests.zoo.conftest import LLAMA

MORE: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt_neo": {},
    "llama": {},
    "mistral": {},
    "qwen3": LLAMA | {"head_dim": 12},
    "gemma": LLAMA | {"head_dim": 12, "tie_word_embeddings": True},
}


@pytest.mark.parametrize("name", MORE)
def test_a_pth_of_any_family_comes_back_alone_and_fills_the_class_of_transformers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if MORE[name]:
        monkeypatch.setitem(SIZES, name, MORE[name])
    theirs = fresh(tmp_path / "theirs", name)
    file = export(tmp_path / "theirs", tmp_path / "alone" / "a.pth", quiet_view(), form="pth", verify=True)
    (tmp_path / "alone" / "tokenizer.json").write_bytes((tmp_path / "theirs/tokenizer.json").read_bytes())
    import_model(str(file), tmp_path / "back", quiet_view(), verify=True)
    before, back = load(tmp_path / "theirs"), load(tmp_path / "back")
    assert back.config == before.config
    for (name, mine), other in zip(back.model.named_parameters(), before.model.parameters(), strict=True):
        assert torch.equal(mine, other), name
    empty = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(tmp_path / "theirs")).eval()
    with torch.no_grad():
        for parameter in empty.parameters():
            parameter.zero_()
        empty.load_state_dict(torch.load(file, weights_only=True))  # strict: every name, and no other
        assert_close(empty(IDS).logits, theirs(IDS).logits, atol=0, rtol=0)


def test_a_pth_whose_words_about_itself_are_wrong_is_told_in_one_line(tmp_path: Path):
    fresh(tmp_path / "theirs", "llama")
    file = export(tmp_path / "theirs", tmp_path / "a.pth", quiet_view(), form="pth")
    (tmp_path / "tokenizer.json").write_bytes((tmp_path / "theirs/tokenizer.json").read_bytes())
    for change, told in (
        ({"model_type": "mamba"}, "model_type 'mamba', which groundup does not know. Known: bert"),
        (
            {"hidden_size": 48},
            r"has shape \(274, 32\), but the numbers of its config.json ask for \(274, 48\)",
        ),
        ({"num_hidden_layers": 3}, "lacks 'model.layers.2."),
        ({"num_hidden_layers": 1}, "holds 9 tensors .*, which such a model does not have"),
    ):
        tensors = torch.load(file, weights_only=True)
        tensors._metadata[OWN] |= change
        torch.save(tensors, tmp_path / "b.pth")
        with pytest.raises(UserError, match=told) as caught:
            load_foreign(tmp_path / "b.pth")
        assert "\n" not in str(caught.value)
    plain = dict(torch.load(file, weights_only=True))
    torch.save(plain, tmp_path / "b.pth")
    with pytest.raises(UserError, match="no model that groundup knows"):
        load_foreign(tmp_path / "b.pth")
