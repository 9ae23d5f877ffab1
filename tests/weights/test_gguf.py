"""GGUF files: transformers and llama.cpp read the same numbers and tokens out of them; others are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import normalizers
from torch.testing import assert_close
from transformers import AutoModelForCausalLM, AutoTokenizer

from groundup.errors import UserError
from groundup.model.config import ModelConfig, RopeScaling
from groundup.model.decoder import Decoder
from groundup.text.llama2c import read_llama2c_tokenizer
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded
from groundup.weights.gguf import ARCHITECTURES, read_gguf, write_gguf
from groundup.weights.gguf_tokenizer import tokenizer_fields, tokenizer_notes
from groundup.zoo import FAMILIES, family_for
from tests.text.kinds import KINDS
from tests.weights.strangers import shaken
from tests.weights.test_foreign import by_scores, tokenizer_bin

gguf = pytest.importorskip("gguf", reason="The extra gguf is not installed.")

MERGES = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("Ġ", "a"), ("Ġa", "n"), ("Ċ", "Ċ")]
TEXT = "The mill and the\n\nwell: it’s 42 o'clock in\tthe   morning 🙂 <|end|>"
TEMPLATE = "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}"
IDS = torch.tensor([[5, 260, 3, 7, 7, 100, 0, 262, 267, 9, 80, 81]])

ROTARY: dict[str, Any] = {"d_ff": 96, "n_kv_heads": 2}
MODELS: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "gpt2 untied": {"tie_embeddings": False},
    "llama": ROTARY,
    "llama tied, all biases": {
        **ROTARY,
        "tie_embeddings": True,
        "qkv_bias": True,
        "out_bias": True,
        "mlp_bias": True,
    },
    "llama with a width of its own": {**ROTARY, "d_head": 24, "rope_base": 5e5},
    "qwen2": ROTARY,
    "qwen3": {**ROTARY, "d_head": 128},  # what transformers takes for granted when it reads GGUF
}
SCALED = {
    "llama linear": {**ROTARY, "rope_scaling": RopeScaling(kind="linear", factor=2.0)},
    "llama llama3": {
        **ROTARY,
        "rope_scaling": RopeScaling(
            kind="llama3",
            factor=8.0,
            original_context=16,
            low_frequency_factor=0.2,
            high_frequency_factor=2.0,
        ),
    },
}


def tokenizer(pattern: str = "gpt2") -> Tokenizer:
    made = Tokenizer.from_merges(MERGES, pattern=pattern)
    made.config["chat_template"] = TEMPLATE
    return made


def make(kind: str, **more: Any) -> Loaded:
    family = FAMILIES.get(kind.split()[0])
    sizes = {"vocab_size": 272, "context_length": 32, "d_model": 64, "n_layers": 2, "n_heads": 4}
    fields = {**sizes, **family.defaults, **(MODELS | SCALED).get(kind, {}), **more}
    config = ModelConfig(**fields)
    model = shaken(Decoder(config).initialise(torch.Generator().manual_seed(1)))
    return Loaded(model, tokenizer(), config)


@pytest.mark.parametrize("kind", [*MODELS, *SCALED])
def test_a_float32_file_read_back_has_the_same_bits(tmp_path, kind):
    loaded = make(kind)
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
    back = read_gguf(tmp_path / "model.gguf", loaded.config)
    for (name, ours), theirs in zip(loaded.model.named_parameters(), back.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


# transformers leaves out the biases of a Llama's attention when it reads GGUF, and a head width of its own.
@pytest.mark.parametrize("kind", ["gpt2", "gpt2 untied", "llama", "qwen2", "qwen3"])
def test_transformers_computes_the_same_from_the_file(tmp_path, kind):
    pytest.importorskip("accelerate", reason="transformers needs accelerate to open GGUF.")
    loaded = make(kind, context_length=1024)  # of a GPT-2 it takes any other for 1024 too
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf").eval()
    with torch.no_grad():
        assert_close(theirs(IDS).logits, loaded.model(IDS), atol=1e-5, rtol=0)


def test_transformers_reads_the_same_tokenizer_out_of_the_file(tmp_path):
    loaded = make("gpt2")
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    plain = TEXT.removesuffix("<|end|>")
    assert theirs.encode(plain, add_special_tokens=False) == loaded.tokenizer.encode(plain)
    assert theirs.bos_token_id == theirs.eos_token_id == loaded.tokenizer.border_id
    assert theirs.chat_template == TEMPLATE


@pytest.mark.parametrize("form, share", [("fp16", 2**-11), ("bf16", 2**-8)])
def test_rounded_numbers_are_the_nearest_ones(tmp_path, form, share):
    loaded = make("llama")
    write_gguf(tmp_path / "model.gguf", loaded, form)
    back = dict(read_gguf(tmp_path / "model.gguf", loaded.config).named_parameters())
    for name, ours in loaded.model.named_parameters():
        bound = 0 if ours.ndim == 1 else share
        assert ((ours - back[name]).abs() <= bound * ours.abs() + 1e-7).all(), name


def test_eight_bits_are_off_by_half_a_step_of_their_block_at_most(tmp_path):
    loaded = make("gpt2", d_ff=48)  # 48 is no multiple of 32: this matrix is written as fp16
    write_gguf(tmp_path / "model.gguf", loaded, "q8_0")
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    assert kinds["blk.0.ffn_down.weight"] == "F16" and kinds["blk.0.ffn_up.weight"] == "Q8_0"
    assert kinds["position_embd.weight"] == kinds["output_norm.weight"] == "F32"
    back = dict(read_gguf(tmp_path / "model.gguf", loaded.config).named_parameters())
    for name, ours in loaded.model.named_parameters():
        if name.endswith("up.weight") or name == "tokens.weight":
            step = ours.detach().unflatten(-1, (-1, 32)).abs().amax(-1, keepdim=True) / 127
            off = (ours - back[name]).unflatten(-1, (-1, 32)).abs()
            assert (off <= 0.5 * step + 127 * step * 2**-11 + 1e-7).all(), name  # the step itself is fp16
            assert off.max() > 0


def test_the_tokens_their_kinds_and_the_chat_template_are_in_the_file(tmp_path):
    loaded = make("gpt2")
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    said = {name: field.contents() for name, field in fields.items()}
    ours, words = loaded.tokenizer, said["tokenizer.ggml.tokens"]
    assert said["tokenizer.ggml.model"] == "gpt2" and said["tokenizer.ggml.pre"] == "gpt-2"
    assert said["tokenizer.ggml.merges"] == [f"{left} {right}" for left, right in MERGES]
    assert words[: ours.vocab_size] == [ours.library.id_to_token(id) for id in range(ours.vocab_size)]
    assert len(words) == len(set(words)) == 272
    assert said["tokenizer.ggml.token_type"] == [3] * 5 + [1] * 263 + [5] * 4
    assert said["tokenizer.ggml.bos_token_id"] == said["tokenizer.ggml.eos_token_id"] == 0
    assert said["tokenizer.ggml.padding_token_id"] == 1
    assert said["tokenizer.ggml.add_bos_token"] is True  # as `generate` begins
    assert said["tokenizer.chat_template"] == TEMPLATE
    assert said["general.architecture"] == "gpt2" and said["gpt2.context_length"] == 32


def changed(kind: str, replaced: Tokenizer) -> Loaded:
    loaded = make(kind)
    loaded.tokenizer = replaced
    return loaded


def byte_fallback(tmp_path: Path) -> Tokenizer:
    tokenizer_bin(tmp_path / "tokenizer.bin")
    return read_llama2c_tokenizer(tmp_path / "tokenizer.bin")


def spaced(made: Tokenizer) -> Tokenizer:
    made.library.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    return made


def test_the_scores_in_the_file_join_what_the_merges_join(tmp_path):
    loaded = make("llama", vocab_size=280)
    loaded.tokenizer = byte_fallback(tmp_path)
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    said = {name: field.contents() for name, field in fields.items()}
    assert said["tokenizer.ggml.model"] == "llama" and said["tokenizer.ggml.add_space_prefix"] is True
    assert said["tokenizer.ggml.token_type"][:5] == [2, 3, 3, 6, 6]  # <unk>, <s>, </s>, and bytes
    named = ("bos", "eos", "unknown")
    assert [said[f"tokenizer.ggml.{name}_token_id"] for name in named] == [1, 2, 0]
    tokens = [token.replace("▁", " ") for token in said["tokenizer.ggml.tokens"]]
    for text in ("once once", "a once abc", "abcaa aaa caab", "né on ü ab", "x\n bca"):
        assert by_scores(tokens, said["tokenizer.ggml.scores"], text) == loaded.tokenizer.encode(text), text


@pytest.mark.parametrize("kind, begins", [("gpt2", True), ("qwen", False)])
def test_texts_begin_as_the_settings_of_the_tokenizer_say(kind, begins):
    ours = KINDS[kind].make()
    fields = tokenizer_fields(ours, 500)
    assert fields["add_bos_token"] is begins
    assert (fields["bos_token_id"], fields["eos_token_id"]) == (ours.border_id, ours.end_id)
    ours.config["add_bos_token"] = False
    assert tokenizer_fields(ours, 500)["add_bos_token"] is False


def test_what_is_read_otherwise_in_rare_texts_is_told():
    for kind, told in {"qwen": "a separate accent", "mistral": "begins with a space"}.items():
        assert [told in note for note in tokenizer_notes(KINDS[kind].make())] == [True]
    assert tokenizer_notes(tokenizer()) == []


def test_what_llama_cpp_cannot_say_or_compute_is_refused_with_the_reason(tmp_path):
    window = {"window": 8, "layer_pattern": "L"}
    for loaded, told in [
        (changed("gpt2", tokenizer("gpt4")), "splits texts by another pattern than GPT-2's"),
        (changed("gpt2", Tokenizer.from_bytes()), "a tokenizer of single bytes"),
        (changed("gpt2", KINDS["t5"].make()), "a Unigram whose tokens are not written as bytes"),
        (changed("gpt2", KINDS["llama 2"].make()), "no scores give its merges"),
        (changed("gpt2", spaced(byte_fallback(tmp_path))), "treats spaces otherwise"),
        (make("gpt_neo", window=8), "A gpt_neo cannot be written as GGUF. Known: gpt2, llama"),
        (make("mistral", n_kv_heads=2, **window), "llama cannot compute window=8"),
        (make("gpt2", activation="silu"), "gpt2 cannot compute activation='silu'"),
        (make("llama", activation="gelu"), "llama cannot compute activation='gelu'"),
        (make("gpt2", attention_scale=1.0), "cannot compute attention_scale=1.0"),
        (make("qwen2", d_head=32), "qwen2 cannot compute d_head=32"),
        (make("qwen3", qkv_bias=True, out_bias=True), "cannot compute qkv_bias=True"),
        (make("qwen2", rope_scaling=SCALED["llama llama3"]["rope_scaling"]), "cannot compute rope_scaling"),
    ]:
        with pytest.raises(UserError, match=told) as caught:
            write_gguf(tmp_path / "model.gguf", loaded, "float32")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "model.gguf").exists()


def test_a_window_that_no_text_outgrows_is_a_plain_llama(tmp_path):
    loaded = make("mistral", n_kv_heads=2, window=32, layer_pattern="L")
    assert ARCHITECTURES[family_for(loaded.config).name].name == "llama"
    write_gguf(tmp_path / "model.gguf", loaded, "float32")
