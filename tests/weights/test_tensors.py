"""Weights in several files: written up to a limit each, opened by transformers, read one tensor at a time."""

import json
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from groundup.errors import UserError
from groundup.weights.folder import load, write_model
from groundup.weights.tensors import StoredTensors, read_tensors, stored_dtype, write_tensors
from groundup.zoo._table import Pushed

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


def test_writing_holds_no_made_tensor_longer_than_it_takes_to_write_it(make_loaded, tmp_path, monkeypatch):
    """GPT-2's matrices lie on their side in its files, so that nearly all of them must be made."""
    loaded, made = make_loaded(n_layers=3), list[weakref.ref[torch.Tensor]]()
    alive, make = list[int](), Pushed.__getitem__
    own = {parameter.data_ptr() for parameter in loaded.model.parameters()}

    def watched(self: Pushed, name: str) -> torch.Tensor:
        alive.append(sum(tensor() is not None for tensor in made))
        tensor = make(self, name)
        if tensor.data_ptr() not in own:
            made.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(Pushed, "__getitem__", watched)
    for shard_bytes in (LIMIT, 10**9):
        write_model(tmp_path, loaded, shard_bytes=shard_bytes)
    # Of each layer three that are turned, and queries, keys and values, a matrix and a bias.
    assert len(made) == 2 * 3 * 5
    assert max(alive) <= 1


def test_the_bytes_of_a_file_are_those_of_the_library(tmp_path):
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.bool]
    tensors = {f"{i}ü": torch.arange(2 * i + 3).to(kind) for i, kind in enumerate(kinds)}
    tensors |= {"none": torch.zeros(0, 3), "one": torch.tensor(4.0), "a": torch.randn(3, 5)}
    write_tensors(tmp_path / "ours", tensors | {"a": tensors["a"].t().contiguous().t()})
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed_with_its_successor(make_loaded, tmp_path):
    write_model(tmp_path, make_loaded())
    tensors = read_tensors(tmp_path)
    first, *_, last = tensors
    assert tensors[first].numel()
    (tmp_path / "config.json").write_text("{}")  # another file does not matter
    assert tensors[last].numel()
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "new").write_bytes(whole)
    (tmp_path / "new").replace(tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="model.safetensors was replaced while it was read. Try again"):
        tensors[last]


def test_what_lies_beside_shards_says_nothing_about_their_numbers(make_loaded, tmp_path):
    write_model(tmp_path, make_loaded(n_layers=3), dtype=torch.bfloat16, shard_bytes=LIMIT)
    write_tensors(tmp_path / "optimizer.safetensors", {"step": torch.tensor(3.0)})
    assert stored_dtype(tmp_path) == torch.bfloat16


PEAK = """
import resource, sys
from pathlib import Path
import torch
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded, load, save

def peak():
    # On Linux getrusage also counts what the parent held when it started this process.
    if (status := Path("/proc/self/status")).exists():
        return 1024 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

folder, what = Path(sys.argv[1]), sys.argv[2]
config = ModelConfig(vocab_size=5000, context_length=64, d_model=640, n_layers=24, n_heads=10)
if what == "save":
    model = Decoder(config).initialise(torch.Generator().manual_seed(0))
    before = peak()
    save(folder, Loaded(model, Tokenizer.from_bytes(), config))
else:
    save(folder.with_name("small"), load(folder.with_name("tiny")))  # what is imported late
    before = peak()
    model = load(folder).model
print((peak() - before) / sum(p.numel() * 4 for p in model.parameters()))
"""


@pytest.mark.slow
def test_saving_needs_no_second_copy_and_loading_holds_one(make_loaded, tmp_path):
    """In parts of the weights, 485 MB here, in processes of their own, where nothing was held before."""
    pytest.importorskip("resource", reason="Windows does not tell the most memory a process has used.")
    write_model(make_folder(tmp_path / "tiny"), make_loaded())

    def needed(what: str) -> float:
        command = [sys.executable, "-c", PEAK, str(tmp_path / "model"), what]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert needed("save") < 0.1  # the largest tensor is 0.03 of the model
    assert 0.8 < needed("load") < 1.1  # what was used and given back before counts as there


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path
