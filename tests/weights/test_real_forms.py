"""Files as they lie on the hub: a fresh folder of transformers, rewritten into each old or foreign form."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForPreTraining, AutoTokenizer

from groundup.text.bpe import train_bpe
from groundup.text.library import read_json
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import load, save
from tests.text.kinds import KINDS
from tests.zoo.conftest import BERT, GPT2, GPT_NEO, LLAMA

Tensors = dict[str, Tensor]
SIZES: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "gpt_neo": GPT_NEO,
    "bert": BERT,
    "llama": LLAMA | {"tie_word_embeddings": True},
    "mistral": LLAMA | {"sliding_window": 5},
}
IDS = torch.randint(1, 160, (2, 24), generator=torch.Generator().manual_seed(3))


def fresh(
    folder: Path, name: str, opener: Any = AutoModelForCausalLM, tokenizer: Tokenizer | None = None
) -> Any:
    """A tiny model of transformers in the folder, all its numbers shaken, with a tokenizer that fits it."""
    if tokenizer is None:
        tokenizer = KINDS["bert"].make() if name == "bert" else train_bpe(["the wind and the mill"], 280)
    config = AutoConfig.for_model(name, **SIZES[name] | {"vocab_size": tokenizer.vocab_size})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = opener.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer.save(folder)
    return model


def rewrite(folder: Path, tensors: Callable[[Tensors], Tensors], **config: Any) -> None:
    """Other tensors, and other keys in config.json (None takes one away)."""
    file = folder / "model.safetensors"
    save_file({name: t.clone().contiguous() for name, t in tensors(load_file(file)).items()}, file)
    new = read_json(folder / "config.json") | config
    kept = {key: value for key, value in new.items() if key not in config or value is not None}
    (folder / "config.json").write_text(json.dumps(kept), "utf-8")


def old_config(folder: Path) -> dict[str, Any]:
    """What transformers 4 wrote where transformers 5 writes `dtype` and `rope_parameters`."""
    new = read_json(folder / "config.json")
    old: dict[str, Any] = {"dtype": None, "torch_dtype": new["dtype"], "transformers_version": "4.31.0"}
    if "rope_parameters" in new:
        base = new["rope_parameters"]["rope_theta"]
        old |= {"rope_parameters": None, "rope_theta": base, "rope_scaling": None}
    return old


def buffers(prefix: str, place: str, *, masked: bool) -> Tensors:
    """The masks that files before transformers 4.31 hold beside the weights of each layer."""
    mask = torch.ones(24, 24).tril()[None, None]
    both = {"bias": mask} | ({"masked_bias": torch.tensor(-1e4)} if masked else {})
    return {f"{prefix}h.{i}.{place}.{name}": tensor for i in range(2) for name, tensor in both.items()}


def as_openai_community(folder: Path) -> None:
    """openai-community/gpt2: no prefix, masks of every layer, no lm_head; config.json without dtype."""
    bare = "transformer."
    old = buffers("", "attn", masked=False)
    more = {"n_ctx": 24, "task_specific_params": {"text-generation": {"do_sample": True}}, "dtype": None}
    rewrite(folder, lambda t: {name.removeprefix(bare): x for name, x in t.items()} | old, **more)


def as_dialogpt(folder: Path) -> None:
    """With the prefix, both masks and a second copy of the tied embedding."""
    old = buffers("transformer.", "attn", masked=True)
    rewrite(
        folder,
        lambda t: t | old | {"lm_head.weight": t["transformer.wte.weight"]},
        **old_config(folder),
    )


def as_old_gpt_neo(folder: Path) -> None:
    old = buffers("transformer.", "attn.attention", masked=True)
    rewrite(folder, lambda t: t | old, **old_config(folder))


def as_old_llama(folder: Path) -> None:
    """The angles of each layer as a buffer, both copies of the tied embedding, keys of transformers 4."""
    angles = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(4) for i in range(2)}
    more = {"pretraining_tp": 1, "head_dim": None, **old_config(folder)}
    rewrite(folder, lambda t: t | angles | {"lm_head.weight": t["model.embed_tokens.weight"]}, **more)


def as_old_mistral(folder: Path) -> None:
    rewrite(folder, lambda t: t, head_dim=None, **old_config(folder))


FORMS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "openai-community/gpt2": ("gpt2", as_openai_community),
    "DialoGPT": ("gpt2", as_dialogpt),
    "old GPT-Neo": ("gpt_neo", as_old_gpt_neo),
    "old Llama": ("llama", as_old_llama),
    "old Mistral": ("mistral", as_old_mistral),
}


@pytest.mark.parametrize("name, rewritten", FORMS.values(), ids=FORMS)
def test_an_old_form_gives_the_logits_of_the_fresh_one_and_comes_back_fresh(name, rewritten, tmp_path):
    model, before = fresh(tmp_path / "old", name), tmp_path / "before"
    shutil.copytree(tmp_path / "old", before)
    rewritten(tmp_path / "old")
    loaded = load(tmp_path / "old")
    with torch.no_grad():
        assert_close(loaded.model(IDS), model(IDS).logits, atol=1e-5, rtol=0)
    save(tmp_path / "new", loaded)
    ours, theirs = (load_file(place / "model.safetensors") for place in (tmp_path / "new", before))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("opener", [AutoModel, AutoModelForPreTraining], ids=["bare", "with heads"])
def test_an_old_bert_with_gamma_and_beta_and_only_vocab_txt_opens(opener, tmp_path):
    model = fresh(tmp_path, "bert", opener)

    def old(tensors: Tensors) -> Tensors:
        renamed = {}
        for name, tensor in tensors.items():
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("Norm.bias", "Norm.beta")
            renamed[name if name.startswith(("bert.", "cls.")) else f"bert.{name}"] = tensor
        return renamed | {"bert.embeddings.position_ids": torch.arange(24)[None]}

    rewrite(tmp_path, old, **old_config(tmp_path))
    vocabulary = load(tmp_path).tokenizer.library.get_vocab()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    (tmp_path / "tokenizer.json").unlink()
    loaded = load(tmp_path)
    ids, segments = loaded.tokenizer.encode_framed("The Miller's wind", "a mill")
    with torch.no_grad():
        found = loaded.model(torch.tensor([ids]), torch.tensor([segments]))
        known = model.base_model(torch.tensor([ids]), token_type_ids=torch.tensor([segments]))
    assert_close(found, (known.last_hidden_state, known.pooler_output), atol=1e-5, rtol=0)
    theirs = AutoTokenizer.from_pretrained(tmp_path)("The Miller's wind", "a mill")
    assert (ids, segments) == (theirs["input_ids"], theirs["token_type_ids"])


def test_a_folder_with_only_vocab_json_and_merges_txt_encodes_the_same(tmp_path):
    fresh(tmp_path, "gpt2")
    before = load(tmp_path).tokenizer
    written = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(before.library.get_vocab()), "utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in written["merges"])]
    (tmp_path / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    text = "The wind, the mill\n\tand “naïf” 🍞"
    assert load(tmp_path).tokenizer.encode(text) == before.encode(text)
    assert load(tmp_path).tokenizer.border_id == before.border_id


def test_zephyr_keeps_its_chat_template_and_its_own_end_from_loading_to_saving(tmp_path):
    tokenizer = KINDS["mistral"].make()
    template = "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
    tokenizer.config |= {"chat_template": template, "tokenizer_class": "PreTrainedTokenizerFast"}
    fresh(tmp_path / "zephyr", "mistral", tokenizer=tokenizer)
    save(tmp_path / "ours", load(tmp_path / "zephyr"))
    again = AutoTokenizer.from_pretrained(tmp_path / "ours")
    talk = [{"role": "user", "content": "Whose is the mill?"}]
    assert again.apply_chat_template(talk, tokenize=False) == "<|user|>\nWhose is the mill?</s>\n"
    for file in ("config.json", "generation_config.json"):
        written = read_json(tmp_path / "ours" / file)
        ends = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
        assert (written["bos_token_id"], written["eos_token_id"]) == ends


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_weights_of_two_bytes_in_shards_are_read_exactly(name, dtype, tmp_path):
    model = fresh(tmp_path, name).to(dtype)
    (tmp_path / "model.safetensors").unlink()
    model.save_pretrained(tmp_path, max_shard_size="8KB")
    index = read_json(tmp_path / "model.safetensors.index.json")
    assert len(set(index["weight_map"].values())) > 1
    assert not (tmp_path / "model.safetensors").exists()
    with torch.no_grad():
        known = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()(IDS).logits
        assert_close(load(tmp_path).model(IDS), known, atol=1e-5, rtol=0)
    save(tmp_path / "ours", load(tmp_path, dtype=dtype))
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "ours").state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in model.state_dict().items())
