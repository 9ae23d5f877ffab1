"""How many numbers a model learns and how much arithmetic a token costs, from its configuration alone.

The names in the formulas: D model width, H query heads, G key-value heads, K head width, F width inside the
feed-forward part, V vocabulary, L layers, T tokens that are read together.
"""

from groundup.model.config import ModelConfig


def block_matrices(config: ModelConfig) -> int:
    """The entries of all matrices in the blocks: what every token is multiplied with, beside the head."""
    width, inside = config.d_model, config.hidden_width
    query, key = config.n_heads * config.head_width, config.kv_heads * config.head_width
    attention = width * query + 2 * width * key + query * width  # D H K + 2 D G K + H K D
    feed_forward = (3 if config.mlp == "gated" else 2) * width * inside  # 2 D F, or 3 D F
    return config.n_layers * (attention + feed_forward)


def count_parameters(config: ModelConfig, *, embeddings: bool = True) -> int:
    """How many numbers are learned; tied ones count once. Equals `Decoder(config).n_parameters(...)`."""
    width, inside = config.d_model, config.hidden_width
    query, key = config.n_heads * config.head_width, config.kv_heads * config.head_width
    of_norm = 2 if config.norm == "layer" else 1  # LayerNorm also shifts
    attention_biases = config.qkv_bias * (query + 2 * key) + config.out_bias * width
    mlp_biases = config.mlp_bias * ((2 if config.mlp == "gated" else 1) * inside + width)
    norms = of_norm * (2 * width + 2 * config.head_width * config.qk_norm)
    blocks = block_matrices(config) + config.n_layers * (attention_biases + mlp_biases + norms)
    ends = (1 if config.tie_embeddings else 2) * config.vocab_size * width
    ends += config.context_length * width * (config.position == "learned")
    return blocks + of_norm * width + ends * embeddings


def flops_per_token(config: ModelConfig, length: int) -> int:
    """Operations of the matrix products that training on one token takes, forward and backward.

    length: T, the tokens that are read together. An entry of a matrix costs a token one multiplication and
    one addition forward, and twice as much backward (the gradient of what came in, and of the entry itself):
    6 for each. The scores of a layer and what they gather are two more products of H K T: 12 L H K T.

    As usual, each position counts as if it saw all T, although kernels may skip what is masked; norms,
    activations and the softmax are left out, being far smaller. Sources: Kaplan et al. 2020, section 2.1;
    Chowdhery et al. 2022 (PaLM), appendix B, which divides by this for its MFU.
    """
    matrices = block_matrices(config) + config.vocab_size * config.d_model  # the head multiplies, tied or not
    scores = config.n_layers * config.n_heads * config.head_width * length
    return 6 * matrices + 12 * scores
