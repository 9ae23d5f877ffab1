"""Llama: rotary positions, RMSNorm, a gated MLP, no biases. Source: Touvron et al. 2023."""

from groundup.model.config import RopeScaling
from groundup.zoo._family import Family
from groundup.zoo._llama import DEFAULTS, TABLE, read, write

FAMILY = Family(
    name="llama",
    about="Llama and what is built like it: the modern standard",
    model_type="llama",
    architecture="LlamaForCausalLM",
    defaults=DEFAULTS,
    sizes={
        "TinyLlama-1.1B": {
            "vocab_size": 32000,
            "context_length": 2048,
            "d_model": 2048,
            "n_layers": 22,
            "n_heads": 32,
            "n_kv_heads": 4,
            "d_ff": 5632,
            "norm_eps": 1e-5,
        },
        "3.2-1B": {
            "vocab_size": 128256,
            "context_length": 131072,
            "d_model": 2048,
            "n_layers": 16,
            "n_heads": 32,
            "n_kv_heads": 8,
            "d_ff": 8192,
            "rope_base": 500_000.0,
            "rope_scaling": RopeScaling(kind="llama3", factor=32.0, original_context=8192),
            "norm_eps": 1e-5,
            "tie_embeddings": True,
        },
    },
    read=read,
    write=write,
    table=TABLE,
)
