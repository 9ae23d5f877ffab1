"""The exercises of lesson 22 done right, and the mistakes that people make in them."""

from groundup import ModelConfig
from groundup.model.counting import block_matrices


def cache_bytes(config: ModelConfig, n_texts: int, n_tokens: int) -> int:
    return 2 * 2 * n_texts * n_tokens * config.n_layers * config.kv_heads * config.head_width


def turning_length(config: ModelConfig) -> float:
    matrices = block_matrices(config) + config.vocab_size * config.d_model
    return matrices / (2 * config.n_layers * config.n_heads * config.head_width)


WRONG = {
    "cache_bytes": [
        lambda config, n, t: 4 * n * t * config.n_layers * config.n_heads * config.head_width,
        lambda config, n, t: 4 * n * t * config.n_layers * config.d_model,
        lambda config, n, t: cache_bytes(config, n, t) // 2,  # keys only
        lambda config, n, t: cache_bytes(config, 1, t),
        lambda config, n, t: 2 * cache_bytes(config, n, t),  # 32 bits
    ],
    "turning_length": [
        lambda config: turning_length(config) / 2,  # keys, but not values
        lambda config: turning_length(config) * config.n_heads * config.head_width / config.d_model,
        lambda config: block_matrices(config) / (2 * config.n_layers * config.n_heads * config.head_width),
        lambda config: turning_length(config) * config.n_heads / config.kv_heads,
    ],
}
