"""Files of other projects: the model here computes what it computed there; what is wrong costs one line."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from groundup.errors import UserError
from groundup.generation.engine import generate
from groundup.text.llama2c import read_llama2c_tokenizer
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded, load, save
from groundup.weights.foreign import load_foreign
from groundup.weights.llama2c import halves, side_by_side
from tests.weights.strangers import FromScratch, Llama2C, NanoGPT, shaken

IDS = torch.tensor([[5, 260, 3, 7, 7, 100, 0, 263], [1, 2, 3, 4, 5, 6, 7, 8]])
ARGS = {"n_layer": 2, "n_head": 3, "n_embd": 24, "block_size": 12, "vocab_size": 264, "dropout": 0.0}


@pytest.fixture
def bytes_tokenizer(tmp_path: Path) -> Path:
    Tokenizer.from_bytes().save(tmp_path)
    return tmp_path / "tokenizer.json"


def nanogpt(path: Path, *, bias: bool, prefix: str = "", change=None, **more: Any) -> nn.Module:
    """A checkpoint as nanoGPT's train.py writes it."""
    model = shaken(NanoGPT(264, 12, 24, 2, 3, bias))
    optimizer = torch.optim.AdamW(model.parameters())
    model(IDS).sum().backward()
    optimizer.step()
    tensors = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    saved = {"model": tensors, "optimizer": optimizer.state_dict(), "model_args": {**ARGS, "bias": bias}}
    saved |= {"iter_num": 5, "best_val_loss": torch.tensor(2.5), "config": {"compile": True}, **more}
    if change:
        change(saved)
    torch.save(saved, path)
    return model


def from_scratch(path: Path, *, qkv_bias: bool = False, heads: int = 2, width: int = 128) -> nn.Module:
    model = shaken(FromScratch(264, 12, width, 2, heads, qkv_bias))
    torch.save(model.state_dict(), path)
    return model


def agrees(loaded: Loaded, theirs: nn.Module) -> None:
    with torch.no_grad():
        assert_close(loaded.model(IDS), theirs(IDS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module._orig_mod."])
def test_a_nanogpt_checkpoint_computes_what_it_computed_there(tmp_path, bytes_tokenizer, bias, prefix):
    theirs = nanogpt(tmp_path / "ckpt.pt", bias=bias, prefix=prefix)
    told: list[str] = []
    loaded = load_foreign(tmp_path / "ckpt.pt", tokenizer=bytes_tokenizer, tell=told.append)
    agrees(loaded, theirs)
    assert loaded.model.unembed.weight is loaded.model.tokens.weight
    *zeros, left_out = sorted(told)
    assert left_out.startswith("Left out: optimizer, iter_num, best_val_loss, config. Training begins with")
    # Of each layer: two norms, and the four matrices; query, key and value count as one.
    assert [line[:9] for line in zeros] == ([] if bias else ["13 biases"])
    assert all(line in loaded.card for line in told)


def test_what_was_imported_is_saved_as_a_folder_that_transformers_opens_alike(tmp_path, bytes_tokenizer):
    theirs = nanogpt(tmp_path / "ckpt.pt", bias=False)
    save(tmp_path / "out", load_foreign(tmp_path / "ckpt.pt"))  # the tokenizer lies beside it
    agrees(load(tmp_path / "out"), theirs)
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()(IDS).logits
        assert_close(logits, theirs(IDS), atol=1e-5, rtol=0)


@pytest.mark.parametrize("qkv_bias", [True, False])
def test_a_state_dict_of_the_book_computes_what_it_computed_there(tmp_path, bytes_tokenizer, qkv_bias):
    theirs = from_scratch(tmp_path / "model.pth", qkv_bias=qkv_bias)
    told: list[str] = []
    loaded = load_foreign(tmp_path / "model.pth", tokenizer=bytes_tokenizer, tell=told.append)
    agrees(loaded, theirs)
    assert loaded.config.n_heads == 2 and not loaded.config.tie_embeddings
    assert "2 of GPT-2's width 64 are taken" in told[0]
    assert len(told) == (1 if qkv_bias else 2)


def test_the_form_with_an_optimizer_and_a_tied_head_is_read_too(tmp_path, bytes_tokenizer):
    theirs = shaken(FromScratch(264, 12, 24, 2, 3, True))
    theirs.out_head.weight = theirs.tok_emb.weight
    optimizer = torch.optim.AdamW(theirs.parameters())
    whole = {"model_state_dict": theirs.state_dict(), "optimizer_state_dict": optimizer.state_dict()}
    torch.save(whole, tmp_path / "both.pth", _use_new_zipfile_serialization=False)
    told: list[str] = []
    loaded = load_foreign(tmp_path / "both.pth", tokenizer=bytes_tokenizer, n_heads=3, tell=told.append)
    agrees(loaded, theirs)
    assert loaded.config.tie_embeddings
    assert told == ["Left out: optimizer_state_dict. Training begins with a fresh optimizer."]


def test_a_state_dict_of_transformers_gpt2_lies_on_its_side_and_is_turned(tmp_path, bytes_tokenizer):
    config = GPT2Config(vocab_size=264, n_positions=12, n_embd=64, n_layer=2, n_head=1, n_inner=40)
    theirs = shaken(GPT2LMHeadModel(config))
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    loaded = load_foreign(tmp_path / "theirs.pth")
    with torch.no_grad():
        assert_close(loaded.model(IDS), theirs(IDS).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("heads, kv_heads", [(4, 4), (4, 2), (6, 1)])
def test_a_llama2c_file_computes_what_its_loops_compute(tmp_path, bytes_tokenizer, tied, heads, kv_heads):
    theirs = Llama2C(24 * heads // 4, 20, 2, heads, kv_heads, 264, 12, tied=tied)
    loaded = load_foreign(theirs.write(tmp_path / "model.bin"))
    assert loaded.config.tie_embeddings == tied
    with torch.no_grad():
        ours = loaded.model(IDS).double().numpy()
    for row, ids in zip(ours, IDS.tolist(), strict=True):
        np.testing.assert_allclose(row, theirs.logits(ids), atol=1e-5, rtol=0)


def test_neighbours_become_halves_and_come_back():
    matrix = torch.arange(16)[:, None]  # two heads of eight
    assert halves(matrix, 8)[:8, 0].tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert torch.equal(side_by_side(halves(matrix, 8), 8), matrix)


def test_the_published_small_model_writes_its_published_text(shared_data):
    file = shared_data / "weights" / "stories260K.bin"
    if not file.is_file():
        pytest.skip(f"There is no {file}.")
    expected = json.loads((file.parent / "stories260K_greedy.json").read_text())
    pieces = list(generate(load_foreign(file), "", max_tokens=256, temperature=0))
    assert [id for piece in pieces for id in piece.ids] == expected["token_ids"]
    assert "".join(piece.text for piece in pieces).strip() == expected["text"].strip()


def by_scores(tokens: list[str], scores: list[float], text: str) -> list[int]:
    """llama2.c's own way: characters or bytes, then the best-scored pair again and again."""
    ids = []
    for character in " " + text if text else "":
        ids += (
            [tokens.index(character)]
            if character in tokens
            else [byte + 3 for byte in character.encode("utf-8")]
        )
    while True:
        joins = []
        for place, (left, right) in enumerate(zip(ids, ids[1:], strict=False)):
            if tokens[left] + tokens[right] in tokens:
                joins.append((-scores[tokens.index(tokens[left] + tokens[right])], place))
        if not joins:
            return ids
        place = min(joins)[1]
        ids[place : place + 2] = [tokens.index(tokens[ids[place]] + tokens[ids[place + 1]])]


def tokenizer_bin(path: Path) -> tuple[list[str], list[float]]:
    words = ["<unk>", "\n<s>\n", "\n</s>\n", *(f"<0x{byte:02X}>" for byte in range(256))]
    merged = ["on", " a", "ce", "once", " once", "ab", "abc", "bc", "aa"]
    letters = [" ", *"abceno", "é"]
    tokens = words + merged + letters
    scores = [0.0] * len(words) + [-float(i) for i in range(len(merged) + len(letters))]
    coded = [(score, token.encode()) for score, token in zip(scores, tokens, strict=True)]
    path.write_bytes(
        struct.pack("<i", 5) + b"".join(struct.pack("<fi", score, len(t)) + t for score, t in coded)
    )
    return tokens, scores


@pytest.mark.parametrize("text", ["once a once", "abc bc aaa", "é zoë\n🙂 ab", "", " once", "aaaa  a"])
def test_a_tokenizer_bin_encodes_as_llama2c_does(tmp_path, text):
    tokens, scores = tokenizer_bin(tmp_path / "tokenizer.bin")
    tokenizer = read_llama2c_tokenizer(tmp_path / "tokenizer.bin")
    assert tokenizer.encode(text) == by_scores(tokens, scores, text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.border_id, tokenizer.vocab_size) == (1, len(tokens))


class Code:
    """Would write a file as soon as somebody unpickles it."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return (Path.write_text, (self.place, "executed"))


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_named_and_never_executed(tmp_path, zipped):
    bad = {"model": {"tok_emb.weight": torch.zeros(2, 2)}, "config": Code(tmp_path / "trace")}
    torch.save(bad, tmp_path / "bad.pt", _use_new_zipfile_serialization=zipped)
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(bad["config"]))
    for name, told in {"bad.pt": r"holds code \([\w.]+\)", "bare.pth": "holds code"}.items():
        with pytest.raises(UserError, match=told + ", which is not executed") as caught:
            load_foreign(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "trace").exists()


def without(name: str):
    return lambda saved: saved["model"].pop(name)


def put(name: str, *shape: int):
    return lambda saved: saved["model"].update({name: torch.zeros(shape)})


MISSHAPEN = r"'transformer.h.1.ln_2.weight' .* has shape \(7,\), but its model_args ask for \(24,\)"


@pytest.mark.parametrize(
    "change, told",
    [
        (without("transformer.h.1.mlp.c_fc.weight"), "lacks 'transformer.h.1.mlp.c_fc.weight'"),
        (without("transformer.h.1.ln_1.bias"), "lacks 'transformer.h.1.ln_1.bias'"),
        (put("transformer.h.1.ln_2.weight", 7), MISSHAPEN),
        (put("transformer.wte.weight", 7), r"has shape \(7,\)"),
        (put("transformer.h.0.strange", 7), r"1 tensors \(transformer.h.0.strange\), which such a model"),
        (lambda saved: saved["model"].clear(), "no model that groundup knows"),
        (lambda saved: saved["model_args"].update(n_head=5), "not a multiple of n_heads=5"),
        (lambda saved: saved["model_args"].update(n_layer="two"), "n_layer='two' in model_args"),
        (lambda saved: saved["model_args"].update(n_embd=24.0), "n_embd=24.0 in model_args"),
        (lambda saved: saved["model_args"].update(dropout="no"), "dropout='no' in model_args"),
        (lambda saved: saved["model_args"].update(vocab_size=265), r"ask for \(265, 24\)"),
        (lambda saved: saved["model_args"].update(n_layer=3), "lacks 'transformer.h.2."),
    ],
)
def test_a_changed_checkpoint_is_told_in_one_line(tmp_path, bytes_tokenizer, change, told):
    nanogpt(tmp_path / "ckpt.pt", bias=True, change=change)
    with pytest.raises(UserError, match=told) as caught:
        load_foreign(tmp_path / "ckpt.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ckpt.pt", "old.pt", "model.bin"])
@pytest.mark.parametrize("kept", [0, 1, 3, 20, 900, -1, -300])
def test_a_file_that_is_cut_short_is_told_in_one_line(tmp_path, bytes_tokenizer, name, kept):
    nanogpt(tmp_path / "ckpt.pt", bias=True)
    whole = torch.load(tmp_path / "ckpt.pt")
    torch.save(whole, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    Llama2C(24, 20, 2, 4, 2, 264, 12, tied=True).write(tmp_path / "model.bin")
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError) as caught:
        load_foreign(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused_in_one_line(tmp_path, bytes_tokenizer):
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "a.gguf").write_bytes(b"GGUF" + bytes(100))
    (tmp_path / "new.bin").write_bytes(struct.pack("<I", 0x616B3432) + bytes(300))
    (tmp_path / "text.bin").write_bytes(b"Once upon a time, there was a model." * 9)
    from_scratch(tmp_path / "narrow.pth", width=24)
    good = Llama2C(24, 20, 2, 4, 2, 270, 12, tied=True).write(tmp_path / "good.bin")
    for name, told in {
        "nothing.pt": "There is no file",
        "list.pt": "holds a list, no state dict",
        "a.gguf": "can be written here but not read",
        "new.bin": "Export it with --version 0",
        "text.bin": "neither a file of torch.save nor one of llama2.c",
        "narrow.pth": "does not say how many heads .* width of 24 .* --heads N",
    }.items():
        with pytest.raises(UserError, match=told) as caught:
            load_foreign(tmp_path / name)
        assert "\n" not in str(caught.value)
    bytes_tokenizer.unlink()
    with pytest.raises(UserError, match="brings no tokenizer for its 270 tokens. Put its tok270.bin"):
        load_foreign(good)
    tokenizer_bin(tmp_path / "tok270.bin")
    with pytest.raises(UserError, match="has 276 tokens, but .* only 270"):
        load_foreign(good)
    whole = (tmp_path / "tok270.bin").read_bytes()
    for damaged in (whole[:-1], whole[:9], whole[:-4] + b"\xff" * 4, b"x" * 50):
        (tmp_path / "tok270.bin").write_bytes(damaged)
        with pytest.raises(UserError, match="no whole tokenizer.bin of llama2.c") as caught:
            load_foreign(good)
        assert "\n" not in str(caught.value)
