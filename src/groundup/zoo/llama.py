"""Llama: rotary positions, RMSNorm, a gated MLP, no biases. Source: Touvron et al. 2023."""

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
    },
    read=read,
    write=write,
    table=TABLE,
)
