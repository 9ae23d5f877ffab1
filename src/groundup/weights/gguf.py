"""Models as GGUF, the one file that llama.cpp and what is built on it open."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.model.layers import slowed
from groundup.weights.folder import Loaded
from groundup.weights.gguf_tokenizer import tokenizer_fields, tokenizer_notes
from groundup.weights.llama2c import halves, side_by_side
from groundup.zoo import family_for
from groundup.zoo._table import NameTable, Rule

BLOCK = "blk.{i}."
COMMON = (
    Rule("tokens", "token_embd"),
    Rule("blocks.{i}.attention_norm", BLOCK + "attn_norm"),
    Rule("blocks.{i}.attention.output", BLOCK + "attn_output"),
    Rule("blocks.{i}.mlp_norm", BLOCK + "ffn_norm"),
    Rule("blocks.{i}.mlp.gate", BLOCK + "ffn_gate"),
    Rule("blocks.{i}.mlp.up", BLOCK + "ffn_up"),
    Rule("blocks.{i}.mlp.down", BLOCK + "ffn_down"),
    Rule("final_norm", "output_norm"),
    Rule("unembed", "output"),
)
FUSED = NameTable(
    rules=(
        *COMMON,
        Rule("positions", "position_embd"),
        Rule(tuple(f"blocks.{{i}}.attention.{p}" for p in ("query", "key", "value")), BLOCK + "attn_qkv"),
    )
)
APART = NameTable(
    rules=(
        *COMMON,
        Rule("blocks.{i}.attention.query", BLOCK + "attn_q"),
        Rule("blocks.{i}.attention.key", BLOCK + "attn_k"),
        Rule("blocks.{i}.attention.value", BLOCK + "attn_v"),
        Rule("blocks.{i}.attention.query_norm", BLOCK + "attn_q_norm"),
        Rule("blocks.{i}.attention.key_norm", BLOCK + "attn_k_norm"),
    )
)


@dataclass(frozen=True)
class Architecture:
    """How llama.cpp calls and computes one kind of model."""

    name: str
    table: NameTable
    neighbours: bool = False  # rotary pairs are side by side there: rows of queries and keys change places


ARCHITECTURES = {
    "gpt2": Architecture("gpt2", FUSED),
    "llama": Architecture("llama", APART, neighbours=True),
    "mistral": Architecture("llama", APART, neighbours=True),
    "qwen2": Architecture("qwen2", APART),
    "qwen3": Architecture("qwen3", APART),
}
"""By our family of the model. llama.cpp has no GPT-Neo, and keeps the norms of a Gemma as other numbers."""

FORMS = {"float32": "F32", "fp16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
"""What matrices can be written as, and what GGUF calls it. What has one dimension stays float32."""

FILE_TYPES = {"float32": 0, "fp16": 1, "bf16": 32, "q8_0": 7}  # as llama.cpp numbers them


def library() -> Any:
    """The package gguf, which is an extra. UserError with the remedy where it is not installed."""
    try:
        import gguf
    except ImportError:
        raise UserError(
            "GGUF needs the package gguf, which is not installed. Get it: pip install gguf"
        ) from None
    return gguf


def check_gguf(loaded: Loaded) -> list[str]:
    """UserError, before anything is written, if llama.cpp would compute something else; else what to know."""
    config, family = loaded.config, family_for(loaded.config)
    library()
    tokenizer_fields(loaded.tokenizer, config.vocab_size)
    if family.name not in ARCHITECTURES:
        raise UserError(
            f"A {family.name} cannot be written as GGUF. Known: {', '.join(ARCHITECTURES)}. Export it as a "
            f"Hugging Face folder."
        )
    name = ARCHITECTURES[family.name].name
    windows = [window for i in range(config.n_layers) if (window := config.window_of(i)) is not None]
    wrong = [
        (config.activation == "silu") == (config.mlp == "plain") and f"activation={config.activation!r}",
        min(windows, default=config.context_length) < config.context_length and f"window={config.window}",
        config.attention_scale not in (None, config.head_width**-0.5)
        and f"attention_scale={config.attention_scale}",
        name == "qwen3" and config.qkv_bias and "qkv_bias=True",
        name == "qwen2"
        and config.n_heads * config.head_width != config.d_model
        and f"d_head={config.d_head}",
        name != "llama"
        and config.rope_scaling is not None
        and config.rope_scaling.kind == "llama3"
        and "rope_scaling.kind='llama3'",
    ]
    if any(wrong):
        told = next(filter(None, wrong))
        raise UserError(f"llama.cpp's {name} cannot compute {told}. Export it as a Hugging Face folder.")
    notes = tokenizer_notes(loaded.tokenizer)
    if config.activation == "gelu":
        notes.append(
            "llama.cpp computes GELU in its tanh form, where this model has the exact one: they differ "
            "by less than 0.0005 in each activation."
        )
    return notes


def write_gguf(path: Path, loaded: Loaded, form: str) -> None:
    """Write the model and its tokenizer as one GGUF file, a matrix at a time.

    form: "float32", "fp16", "bf16" or "q8_0" (8 bits and a scale for each 32 numbers of a row). Rows that are
    no multiple of 32 wide become fp16 under q8_0. UserError if llama.cpp would compute something else.
    """
    check_gguf(loaded)
    gguf = library()
    writer = gguf.GGUFWriter(path, ARCHITECTURES[family_for(loaded.config).name].name)
    try:
        _describe(writer, loaded.config)
        writer.add_file_type(FILE_TYPES[form])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for key, value in tokenizer_fields(loaded.tokenizer, loaded.config.vocab_size).items():
            getattr(writer, f"add_{key}")(value)
        tensors = dict(_tensors(loaded))
        kinds = {name: _kind(gguf, name, tensor, form) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            block, size = gguf.GGML_QUANT_SIZES[kinds[name]]
            n_bytes = tensor.numel() // block * size
            writer.add_tensor_info(name, tuple(tensor.shape), np.dtype("float32"), n_bytes, kinds[name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in tensors.items():
            writer.write_tensor_data(gguf.quantize(tensor.numpy(), kinds[name]))
    finally:
        writer.close()


def read_gguf(path: Path, config: ModelConfig) -> Decoder:
    """The model of a GGUF file that was written from this configuration, in float32."""
    model, how = Decoder(config), ARCHITECTURES[family_for(config).name]
    table = replace(how.table, ignored=(r"rope_freqs\.weight",))
    table.pull(model, _Stored(path, config, how), tied=config.tie_embeddings)
    return model.eval()


class _Stored(Mapping[str, Tensor]):
    """The tensors of a file in float32 and in our order of rows; each is made when it is asked for."""

    def __init__(self, path: Path, config: ModelConfig, how: Architecture):
        self._gguf, self._config, self._how = library(), config, how
        self._found = {tensor.name: tensor for tensor in self._gguf.GGUFReader(path).tensors}

    def __getitem__(self, name: str) -> Tensor:
        found = self._found[name]
        numbers = torch.from_numpy(self._gguf.dequantize(found.data, found.tensor_type).copy())
        turned = self._how.neighbours and _is_query_or_key(name)
        return halves(numbers, self._config.head_width) if turned else numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _describe(writer: Any, config: ModelConfig) -> None:
    """The sizes, under the names that the writer knows."""
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.d_model)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.hidden_width)
    writer.add_head_count(config.n_heads)
    if config.norm == "layer":
        writer.add_layer_norm_eps(config.norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.norm_eps)
    if config.position != "rope":
        return
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_base)
    if config.rope_scaling is not None and config.rope_scaling.kind == "linear":
        writer.add_rope_scaling_type(library().RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling.factor)


def _tensors(loaded: Loaded) -> Iterator[tuple[str, Tensor]]:
    config, how = loaded.config, ARCHITECTURES[family_for(loaded.config).name]
    for name, tensor in how.table.push(loaded.model, tied=config.tie_embeddings).items():
        tensor = tensor.to("cpu", torch.float32)
        if how.neighbours and _is_query_or_key(name):
            tensor = side_by_side(tensor, config.head_width)
        yield name, tensor.contiguous()
    if config.rope_scaling is not None and config.rope_scaling.kind == "llama3":
        steps = torch.arange(0, config.head_width, 2).float() / config.head_width
        frequencies = 1 / config.rope_base**steps
        yield "rope_freqs.weight", frequencies / slowed(frequencies, config.rope_scaling)


def _kind(gguf: Any, name: str, tensor: Tensor, form: str) -> Any:
    """What this tensor is written as: vectors and learned positions are few numbers, and stay exact."""
    kinds = gguf.GGMLQuantizationType
    if tensor.ndim == 1 or name == "position_embd.weight":
        return kinds.F32
    if form == "q8_0" and tensor.shape[-1] % 32:
        return kinds.F16
    return kinds[FORMS[form]]


def _is_query_or_key(name: str) -> bool:
    return ".attn_q." in name or ".attn_k." in name
