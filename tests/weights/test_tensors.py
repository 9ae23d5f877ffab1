"""Weights in several files: written up to a limit each, opened by transformers, read one tensor at a time."""

import json
import weakref

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from groundup.weights.folder import load, write_model
from groundup.weights.tensors import StoredTensors

LIMIT = 4000


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16])
def test_a_model_above_the_limit_becomes_shards_that_transformers_opens(make_loaded, tmp_path, dtype):
    loaded = make_loaded(n_layers=3)
    write_model(tmp_path, loaded, dtype=dtype, shard_bytes=LIMIT)
    files = sorted(tmp_path.glob("model-*.safetensors"))
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert [file.name for file in files] == sorted(set(index["weight_map"].values()))
    assert files[0].name == f"model-00001-of-{len(files):05d}.safetensors" and len(files) > 2
    assert not (tmp_path / "model.safetensors").exists()
    total = 0
    for file in files:
        stored = load_file(file)
        sizes = [t.numel() * t.element_size() for t in stored.values()]
        assert sum(sizes) <= LIMIT or len(sizes) == 1
        assert {t.dtype for t in stored.values()} == {dtype or torch.float32}
        assert all(index["weight_map"][name] == file.name for name in stored)
        total += sum(sizes)
    assert index["metadata"]["total_size"] == total
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    back = load(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == str(
        dtype or torch.float32
    ).removeprefix("torch.")
    for (name, mine), ours in zip(back.model.named_parameters(), loaded.model.parameters(), strict=True):
        assert torch.equal(mine, ours.to(dtype or torch.float32).float()), name
    ids = torch.arange(8)[None]
    with torch.no_grad():
        torch.testing.assert_close(back.model(ids), theirs(ids).logits, atol=1e-5, rtol=0)


def test_loading_holds_no_tensor_of_the_file_longer_than_it_takes_to_copy_it(
    make_loaded, tmp_path, monkeypatch
):
    write_model(tmp_path, make_loaded(n_layers=3), shard_bytes=LIMIT)
    given: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []
    read = StoredTensors.__getitem__

    def watched(self: StoredTensors, name: str) -> torch.Tensor:
        alive.append(sum(tensor() is not None for tensor in given))
        tensor = read(self, name)
        given.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(StoredTensors, "__getitem__", watched)
    load(tmp_path)
    assert len(given) > 20
    assert max(alive) <= 1
