"""Models of llama2.c: a header of seven numbers, then every weight as float32, without any names.

Shapes: L layers, V vocabulary, D model width, F width of the feed-forward part, H heads, G key-value heads,
K width of a head, T positions.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from groundup.errors import UserError
from groundup.model.config import ModelConfig
from groundup.weights.state_dicts import Foreign
from groundup.zoo.llama import FAMILY as LLAMA

HEADER = struct.Struct("<7i")
NEWER = b"24ka"  # how files of the versions 1 and 2 begin
NORM_EPS = 1e-5  # not in the file: llama2.c has it in its code, and the base of the rotary positions too
LARGEST = 1 << 24  # of any number in the header; random bytes are nearly always above it, or negative


def read_llama2c(path: Path) -> Foreign:
    """A file of the first form ("version 0"). UserError unless it has the bytes that its header asks for."""
    with open(path, "rb") as file:
        start = file.read(HEADER.size)
    if start[:4] == NEWER:
        raise UserError(f"{path} is of a newer form of llama2.c. Export it with --version 0.")
    numbers = HEADER.unpack(start) if len(start) == HEADER.size else (0,) * 7
    d_model, d_ff, n_layers, n_heads, n_kv_heads, vocabulary, context = numbers
    fits = all(0 < number < LARGEST for number in (*numbers[:5], abs(vocabulary), context))
    if not fits or d_model % n_heads or n_heads % n_kv_heads or (d_model // n_heads) % 2:
        raise UserError(f"{path} is neither a file of torch.save nor one of llama2.c. Give one of these.")
    config = ModelConfig(
        **{
            **LLAMA.defaults,
            "vocab_size": abs(vocabulary),
            "context_length": context,
            "d_model": d_model,
            "n_layers": n_layers,
            "n_heads": n_heads,
            "n_kv_heads": n_kv_heads,
            "d_ff": d_ff,
            "norm_eps": NORM_EPS,
            "tie_embeddings": vocabulary > 0,  # a negative number says that a second matrix follows
        }
    )
    shapes = dict(_shapes(config))
    wanted = HEADER.size + 4 * sum(map(math.prod, shapes.values()))
    size = path.stat().st_size
    if size != wanted:
        raise UserError(
            f"{path} has {size:,} bytes, but its header asks for {wanted:,}. It is cut short or damaged: "
            f"get it again."
        )
    return Foreign("llama2.c", config, LLAMA.table, _named(path, config, shapes), asking="its header")


def _shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The parts of the file in their order: all layers of one kind stand together."""
    layers, d, d_ff, k = config.n_layers, config.d_model, config.hidden_width, config.head_width
    kv = config.kv_heads * k
    yield "model.embed_tokens", (config.vocab_size, d)  # (V, D)
    yield "input_layernorm", (layers, d)
    yield "self_attn.q_proj", (layers, config.n_heads * k, d)  # (L, H*K, D)
    yield "self_attn.k_proj", (layers, kv, d)  # (L, G*K, D)
    yield "self_attn.v_proj", (layers, kv, d)
    yield "self_attn.o_proj", (layers, d, config.n_heads * k)
    yield "post_attention_layernorm", (layers, d)
    yield "mlp.gate_proj", (layers, d_ff, d)  # (L, F, D)
    yield "mlp.down_proj", (layers, d, d_ff)
    yield "mlp.up_proj", (layers, d_ff, d)
    yield "model.norm", (d,)
    yield "", (2, config.context_length, k // 2)  # cosines and sines of the positions, which we compute
    if not config.tie_embeddings:
        yield "lm_head", (config.vocab_size, d)


def _named(path: Path, config: ModelConfig, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The parts under the names of a Llama of transformers; the file is mapped, not read into memory."""
    numbers = torch.from_numpy(np.memmap(path, dtype="<f4", mode="c", offset=HEADER.size))
    tensors, start = {}, 0
    for name, shape in shapes.items():
        part = numbers[start : start + math.prod(shape)].view(shape)
        start += math.prod(shape)
        if not name:
            continue
        if name.startswith(("model.", "lm_head")):
            tensors[name + ".weight"] = part
            continue
        for layer, matrix in enumerate(part):
            if name.endswith(("q_proj", "k_proj")):
                matrix = halves(matrix, config.head_width)
            tensors[f"model.layers.{layer}.{name}.weight"] = matrix
    return tensors


def halves(matrix: Tensor, head_width: int) -> Tensor:
    """Rows of queries or keys, (H*K, ...), from rotary pairs side by side to pairs K/2 apart, head by head.

    llama2.c and GGUF turn the numbers (0, 1), (2, 3) … of a head together; transformers, and groundup, turn
    (0, K/2), (1, K/2 + 1) …. Scores do not depend on the order, as long as queries and keys share it.
    """
    pairs = matrix.unflatten(0, (-1, head_width // 2, 2))  # (H, K/2, 2, ...)
    return pairs.transpose(1, 2).reshape(matrix.shape)


def side_by_side(matrix: Tensor, head_width: int) -> Tensor:
    """The way back: pairs K/2 apart become neighbours."""
    pairs = matrix.unflatten(0, (-1, 2, head_width // 2))  # (H, 2, K/2, ...)
    return pairs.transpose(1, 2).reshape(matrix.shape)
