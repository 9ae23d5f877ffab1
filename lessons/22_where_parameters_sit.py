# %% [markdown]
# # 22. Where the parameters sit
#
# "GPT-2 has 124 million parameters." It sounds like one large heap. **124 million parameters: where are
# they?** And what do they cost, in memory and in arithmetic?
#
# Lesson 12 counted GPT-2's four sizes. The models of today share keys among heads, have a gate in their
# feed-forward part, and often two different matrices at the two ends. You will write one formula for all of
# them, prove it part by part on models of up to eight billion parameters (without having the memory for
# them), and then use it: how much memory does a model need, and how long does it think about each token?

# %%
import dataclasses
import os

import matplotlib.pyplot as plt
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import groundup
from groundup.methods.next_token import NextToken
from groundup.model.cache import KVCache
from groundup.model.counting import count_parameters, flops_per_token
from groundup.training.optimizer import make_optimizer
from groundup.training.settings import TrainSettings
from groundup.zoo import FAMILIES

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## The smallest example, by hand
#
# A model like Llama: V = 5 words, width D = 4, one block. It has H = 2 heads of K = 2 numbers, and both look
# with their own queries, but at the *same* key and value: G = 1. This is **grouped-query attention** (GQA;
# Ainslie et al. 2023), and we shall see what it is good for. Its feed-forward part is F = 6 wide and has a
# **gate**: two matrices go up, one decides how much of the other passes (Shazeer 2020). No biases, norms with
# a weight only (RMSNorm), RoPE in place of a table of positions, and two matrices at the ends.
#
# | part | numbers | here |
# |---|---|---|
# | embedding | V · D | 20 |
# | unembedding | V · D | 20 |
# | attention: query and output | 2 · D · H · K | 32 |
# | attention: key and value | 2 · D · G · K | 16 |
# | feed-forward: gate, up, down | 3 · D · F | 72 |
# | 2 norms, and the last one | 3 · D | 12 |
#
# Together 172. GPT-2 differs in five places: G = H, no gate (2 · D · F), biases (one number for each thing
# that comes *out* of a matrix), norms with two numbers, a table of positions; and its ends are one matrix.


# %%
def parts_of(config: groundup.ModelConfig) -> dict[str, int]:
    """How many numbers are learned in each part."""
    V, D, F, K = config.vocab_size, config.d_model, config.hidden_width, config.head_width
    queries, keys = config.n_heads * K, config.kv_heads * K  # H K and G K
    ups = 2 if config.mlp == "gated" else 1
    norm = 2 if config.norm == "layer" else 1  # numbers for each place of a norm
    attention = 2 * D * queries + 2 * D * keys
    attention += config.qkv_bias * (queries + 2 * keys) + config.out_bias * D
    feed_forward = (ups + 1) * D * F + config.mlp_bias * (ups * F + D)
    return {
        "embedding": V * D,
        "unembedding": 0 if config.tie_embeddings else V * D,
        "positions": config.context_length * D if config.position == "learned" else 0,
        "attention": config.n_layers * attention,
        "feed-forward": config.n_layers * feed_forward,
        "norms": norm * (config.n_layers * (2 * D + config.qk_norm * 2 * K) + D),
    }


LLAMA = FAMILIES.get("llama").defaults
by_hand = groundup.ModelConfig(
    **LLAMA, vocab_size=5, context_length=8, d_model=4, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=6
)
assert parts_of(by_hand) == {
    "embedding": 20,
    "unembedding": 20,
    "positions": 0,
    "attention": 48,
    "feed-forward": 72,
    "norms": 12,
}
assert sum(parts_of(by_hand).values()) == count_parameters(by_hand) == 172

# %% [markdown]
# ## The proof
#
# groundup knows the shapes of many published models. On PyTorch's *meta* device a tensor has a shape and no
# numbers, so that we can build the largest of them in no memory. Then we go through what was built, name by
# name, and compare with the formula, part by part. groundup's own `count_parameters` must agree as well.

# %%
HOMES = {  # the first word, or two, of a parameter's name: where we count it
    "tokens": "embedding",
    "unembed": "unembedding",
    "positions": "positions",
    "attention": "attention",
    "mlp": "feed-forward",
}


def built(config: groundup.ModelConfig) -> groundup.Decoder:
    """The model without its numbers."""
    with torch.device("meta"):
        return groundup.Decoder(config)


def counted(model: groundup.Decoder) -> dict[str, int]:
    """How many numbers each part of a real model has. What both ends share is met only once."""
    parts = dict.fromkeys([*HOMES.values(), "norms"], 0)
    for name, parameter in model.named_parameters():
        words = name.split(".")
        home = words[2] if words[0] == "blocks" else words[0]  # blocks.0.attention.query.weight
        parts["norms" if "norm" in name else HOMES[home]] += parameter.numel()
    return parts


sizes = {}
for family in FAMILIES.all():
    if family.model is groundup.Decoder:
        for size, fields in family.sizes.items():
            config = groundup.ModelConfig(**{**family.defaults, **fields})
            assert counted(built(config)) == parts_of(config)
            assert sum(parts_of(config).values()) == count_parameters(config)
            sizes[f"{family.name} {size}".replace("llama Tiny", "Tiny")] = config
print(f"{len(sizes)} published sizes: the formula is right in every part of each.")
assert count_parameters(sizes["gpt2 124M"]) == 124_439_808

# %%
COLOURS = ("#e0a070", "#c58b00", "#999999", "#6f5aa8", "#0b6a72", "#b04a12")
ordered = sorted(sizes, key=lambda name: (sizes[name].position, count_parameters(sizes[name])))
figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
for row, name in enumerate(ordered):
    parts, left = parts_of(sizes[name]), 0.0
    for (part, count), colour in zip(parts.items(), COLOURS, strict=True):
        share = count / sum(parts.values())
        axes.barh(row, share, left=left, color=colour, label=part if row == 0 else None)
        if share > 0.045:
            axes.text(left + share / 2, row, f"{share:.0%}", ha="center", va="center", color="white")
        left += share
    axes.text(1.01, row, f"{sum(parts.values()) / 1e6:,.0f} million", va="center", fontsize=9)
axes.set_yticks(range(len(ordered)), ordered)
axes.invert_yaxis()
axes.set_xlim(0, 1)
axes.set_xticks([])
axes.spines[:].set_visible(False)
axes.set_title("where the learned numbers are: above as in GPT-2, below as in Llama", loc="left", fontsize=10)
figure.legend(loc="outside lower center", ncols=6, frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# **The vocabulary is a burden for small models**: the ends grow with D, a block grows with D². Among the
# GPT-2s its share falls from 31 % to 5 %; but Gemma has 256,000 words, and they are a fifth of its smaller
# size. **The largest part is feed-forward**, and the more so where keys are shared (in all of the lower half
# but Gemma 7B). Qwen3 stands out: its heads together are twice as wide as its stream. And norms and
# positions, without which nothing works (lessons 10 and 11), can hardly be seen.
#
# ## What sharing keys and a gate change
#
# We give GPT-2 124M these parts one by one. A gate makes three matrices of two, so one makes it narrower, F
# = 8/3 · D in place of 4 · D, to have the same number: 3 · 8/3 = 2 · 4. Sharing keys saves parameters, but
# that is not why one does it. A model that writes remembers the keys and values of all it has read, in the
# **cache**: two rows of G · K numbers for each token, in each layer.

# %%


def cache_numbers(config: groundup.ModelConfig) -> int:
    """How many numbers the cache keeps for one token."""
    return 2 * config.n_layers * config.kv_heads * config.head_width


gpt2 = sizes["gpt2 124M"]
variants = {
    "GPT-2 124M": gpt2,
    "with a gate, F = 4 D": dataclasses.replace(gpt2, mlp="gated", d_ff=4 * 768),
    "with a gate, F = 8/3 D": dataclasses.replace(gpt2, mlp="gated"),
    "3 heads share a key": dataclasses.replace(gpt2, n_kv_heads=4),
    "all 12 share one": dataclasses.replace(gpt2, n_kv_heads=1),
}
print(f"{'':24}{'attention':>12}{'feed-forward':>14}{'all':>12}{'cache for a token':>20}")
for name, config in variants.items():
    parts, cache = parts_of(config), KVCache(config, batch=1, length=1, device="meta")
    assert counted(built(config)) == parts
    assert cache.keys.numel() + cache.values.numel() == cache_numbers(config)
    three = parts["attention"], parts["feed-forward"], sum(parts.values())
    print(f"{name:24}{three[0]:12,}{three[1]:14,}{three[2]:12,}{cache_numbers(config):20,}")

# %% [markdown]
# ## What it costs in memory
#
# A number of 32 bits is 4 bytes, one of 16 bits (bfloat16) 2. To *use* a model, that is all, with a cache.
# To *train* it, each parameter needs more: itself, its gradient, and AdamW's two running means (lesson 15):
# 4 + 4 + 4 + 4 = **16 bytes**. Let us weigh a small model after one real step of training. (Mixed precision
# does its products in 16 bits, but keeps all four in 32.)


# %%
def bytes_of(tensors) -> int:
    """The memory of some tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


small = groundup.ModelConfig(vocab_size=300, context_length=32, d_model=64, n_layers=2, n_heads=4)
torch.manual_seed(1)
model, rows = groundup.Decoder(small), torch.randint(0, 300, (2, 33))
settings = TrainSettings(steps=1, tokens_per_step=64, sequence_length=32, micro_batch=2)
optimizer = make_optimizer(model, settings)
NextToken(model)({"ids": rows[:, :-1], "targets": rows[:, 1:]})[0].backward()
optimizer.step()
N = count_parameters(small)
means = [tensor for name, tensor in optimizer.memory().items() if not name.endswith("step")]
weighed = [bytes_of(model.parameters()), bytes_of(p.grad for p in model.parameters()), bytes_of(means)]
assert weighed == [4 * N, 4 * N, 8 * N]
print(f"{N:,} parameters: {weighed} bytes for weights, gradients and AdamW, {sum(weighed) // N} for each.")

# %%
chosen = [name for name in ordered if name.startswith(("gpt2", "Tiny", "llama", "gemma", "mistral"))]
chosen.sort(key=lambda name: count_parameters(sizes[name]))
ways = {"to use, 16 bits": 2, "to use, 32 bits": 4, "to train with AdamW": 16}
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (way, size), colour in zip(ways.items(), ("#0b6a72", "#6f5aa8", "#b04a12"), strict=True):
    gigabytes = [count_parameters(sizes[name]) * size / 1e9 for name in chosen]
    left.plot(gigabytes, chosen, "o", color=colour, label=way)
for memory, machine in ((8, "laptop"), (80, "large GPU")):
    left.axvline(memory, color="#999999", linestyle=":", zorder=0)
    left.text(memory, -0.7, f"{memory} GB, a {machine}", ha="center", fontsize=8)
left.set_xscale("log")
left.set_xticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "100"])
left.invert_yaxis()
left.set_xlabel("gigabytes for all parameters")
left.legend(frameon=False, fontsize=8, loc="lower left")
drawn = {"gpt2 1558M": "#e0a070", "llama 3.2-1B": "#0b6a72", "gemma 2B": "#6f5aa8"}
for name, colour in drawn.items():
    config = sizes[name]
    lengths = [2**power for power in range(7, 18) if 2**power <= config.context_length]
    gigabytes = [2 * cache_numbers(config) * length / 1e9 for length in lengths]
    label = f"{name}: {config.n_heads} query heads, key heads: {config.kv_heads}"
    right.plot(lengths, gigabytes, "o-", color=colour, markersize=3, label=label)
right.set_xscale("log", base=2)
right.set_xticks([128, 1024, 8192, 65536], ["128", "1,024", "8,192", "65,536"])
right.set_yscale("log")
right.set_yticks([0.001, 0.01, 0.1, 1, 10], ["0.001", "0.01", "0.1", "1", "10"])
right.set_xlabel("tokens that were read, up to the model's context")
right.set_ylabel("gigabytes for the cache of one text")
right.legend(frameon=False, fontsize=8)
for axes in (left, right):
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# A laptop with 8 GB can use the largest GPT-2, but train only the two smaller ones. A large GPU trains two
# billion parameters by itself, and not seven. (What the layers compute on the way is needed for the gradient
# as well, and comes on top.) On the right is the other reason why keys are shared: with 128,000 tokens, the
# cache of Llama 3.2-1B takes 4 GB, more than its weights in 16 bits. With all 32 key heads it would be 17.
#
# ## What it costs in arithmetic
#
# A matrix multiplies each token once: every entry makes one multiplication and one addition, **2** operations
# for each parameter. Going back, the gradient must be computed for what came in and for the matrix itself:
# two more products of the same size, **4**. Together the famous rule (Kaplan et al. 2020): training costs
# **6 N operations for each token**. Is it true? PyTorch can count the operations of matrix products while a
# model works, and on the meta device it counts without doing them.


# %%
def measured(config: groundup.ModelConfig, length: int) -> float:
    """Operations for each token, forward and backward, as PyTorch counts them."""
    ids = torch.zeros(1, length, dtype=torch.long, device="meta")
    # The plain kernel: the fast ones compute a part twice, to save memory.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        built(config)(ids).sum().backward()
    return counter.get_total_flops() / length


def six_n(config: groundup.ModelConfig) -> int:
    """The rule."""
    return 6 * count_parameters(config)


print(f"{'operations for a token':24}{'measured':>16}{'6 N':>16}{'off by':>8}")
asked = (("gpt2 124M", 64), ("gpt2 124M", 1024), ("TinyLlama-1.1B", 64), ("gemma 2B", 64))
for name, length in asked[: 2 if SHORT else 4]:
    real, rule = measured(sizes[name], length), six_n(sizes[name])
    print(f"{name}, {length:<{22 - len(name)}}{real:16,.0f}{rule:16,}{rule / real - 1:8.1%}")

# %% [markdown]
# Close, and never exact. Where are the differences? Two kinds of parameters multiply nothing: an embedding
# is *looked up* (it counts only where it is the unembedding, too), as positions are, and biases and norms
# only add or scale. And one kind of work has no parameters: the **scores**. Each query meets T keys and
# gathers T values: 2 products of T · H · K in each layer, times 2 operations, times 3 for both directions,
#
# $$\text{operations} = 6 \cdot (\text{matrices and unembedding}) + 12 \cdot L \cdot H \cdot K \cdot T$$


# %%
def operations(config: groundup.ModelConfig, length: int) -> int:
    """Operations for each token of a text of this length, forward and backward."""
    D, F, K = config.d_model, config.hidden_width, config.head_width
    block = 2 * D * K * (config.n_heads + config.kv_heads) + (3 if config.mlp == "gated" else 2) * D * F
    matrices = config.n_layers * block + config.vocab_size * D
    return 6 * matrices + 12 * config.n_layers * config.n_heads * K * length


for name in ordered[:: 7 if SHORT else 1]:
    assert operations(sizes[name], 48) == flops_per_token(sizes[name], 48) == measured(sizes[name], 48)
print("Our formula, groundup's, and PyTorch's count are the same, to the last operation.")

# %% [markdown]
# ## The experiment: where 6 N fails
#
# Points are PyTorch's counts, lines our formula, both divided by 6 N. The
# dashed parts are beyond what these models can read.

# %%
drawn = {"gpt2 124M": "#e0a070", "gpt2 1558M": "#b04a12", "llama 3.2-1B": "#6f5aa8", "gemma 7B": "#0b6a72"}
lengths = [2**power for power in range(5, 17)]
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
for name, colour in drawn.items():
    config, rule = sizes[name], six_n(sizes[name])
    known = [length for length in lengths if length <= config.context_length]
    axes.plot(lengths, [operations(config, n) / rule for n in lengths], "--", color=colour, linewidth=1)
    axes.plot(known, [operations(config, n) / rule for n in known], color=colour, label=name)
    points = [] if SHORT and name != "gpt2 124M" else known[::-2]
    axes.plot(points, [measured(config, n) / rule for n in points], "o", markersize=3, color=colour)
axes.axhline(1, color="#999999", linestyle=":")
axes.set_xscale("log", base=2)
axes.set_yscale("log")
axes.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
axes.minorticks_off()
axes.set_xticks(lengths[1::2], [f"{length:,}" for length in lengths[1::2]])
axes.set_xlabel("length of the text T, in tokens")
axes.set_title("operations for a token, divided by 6 N", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# For texts that are short beside the model's width, 6 N is right within a few per cent. GPT-2 124M at its
# full length already works 14 % more than it says, and at 65,536 tokens it would be ten times as much: the
# scores then are nearly everything. Wide models feel it later, because their matrices grow with D² and the
# scores with D. (These formulas, ours too, count each query as if it met all T keys. With a causal mask it
# meets half of them on average, and good kernels leave the other half out.) On the other side is TinyLlama,
# whose embedding is only looked up: 6 N says 6 % too much.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the memory of the cache**, in bytes, if each number has
# 16 bits. Yours is compared with groundup's cache, for several models.


# %%
def cache_bytes(config: groundup.ModelConfig, n_texts: int, n_tokens: int) -> int:
    """Bytes for the keys and values of so many texts, each of so many tokens."""
    ...


# %%
def check_cache_bytes(yours) -> str:
    for name in ("gpt2 355M", "gemma 2B", "qwen3 0.6B", "mistral 7B"):
        cache = KVCache(sizes[name], 3, 100, device="meta", dtype=torch.bfloat16)
        if (got := yours(sizes[name], 3, 100)) != (own := bytes_of([cache.keys, cache.values])):
            return f"cache_bytes: not yet. {name}, 3 texts of 100 tokens: {own:,} bytes, you say {got}."
    whole = yours(sizes["gemma 7B"], 64, 8192) / 1e9
    return f"cache_bytes: right! For 64 people with Gemma 7B and 8,192 tokens each: {whole:.0f} gigabytes."


print(check_cache_bytes(cache_bytes))

# %% [markdown]
# The second: **the length at which it turns.** How long must a text be for the scores to cost as much as all
# the matrices (with the unembedding)? `parts_of` does not help much, because biases multiply nothing; but
# `operations` above has all that you need.


# %%
def turning_length(config: groundup.ModelConfig) -> float:
    """T, in tokens."""
    ...


# %%
def check_turning_length(yours) -> str:
    for name in ("gpt2 124M", "qwen3 0.6B", "gemma 7B", "TinyLlama-1.1B"):
        got, matrices = yours(sizes[name]), flops_per_token(sizes[name], 0)
        if not isinstance(got, float) or not 0 < got < 10**9:
            return f"turning_length: not yet. It gives {got}."
        scores = flops_per_token(sizes[name], round(got)) - matrices
        if abs(scores / matrices - 1) > 1e-3:
            return (
                f"turning_length: not yet. {name}, {got:,.0f} tokens: {scores / matrices:.3f} times as much."
            )
    return f"turning_length: right! For GPT-2 124M it is {yours(gpt2):,.0f} tokens; it reads 1,024."


print(check_turning_length(turning_length))
