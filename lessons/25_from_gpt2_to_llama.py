# %% [markdown]
# # 25. From GPT-2 to Llama
#
# GPT-2 is from 2019, and Llama, after which most open models are built, from 2023. Both are the same stack of
# blocks. **What changed between them, and what did each change bring?**
#
# Seven things, each a few lines. We build one after the other, prove that the result is groundup's Llama, in
# value and gradient, and then switch them on **one by one** and measure. Not all of them will bring
# something that we can see, and that is a result, too.

# %%
import dataclasses
import math
import os
import re
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village
from groundup.model.counting import count_parameters
from groundup.zoo import FAMILIES

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## What the configurations say
#
# groundup computes both with the same code; a model is a list of choices. We lay the two lists side by side
# and print where they differ, and those of Qwen3, a grandchild of Llama.

# %%
SIZES = {"vocab_size": 512, "context_length": 64, "d_model": 64, "n_layers": 2, "n_heads": 4}
configs = {
    name: groundup.ModelConfig(**{**SIZES, **FAMILIES.get(name).defaults})
    for name in ("gpt2", "llama", "qwen3")
}
print(f"{'':16}" + "".join(f"{name:>12}" for name in configs))
for field in dataclasses.fields(groundup.ModelConfig):
    values = [str(getattr(config, field.name)) for config in configs.values()]
    if len(set(values)) > 1:
        print(f"{field.name:16}" + "".join(f"{value:>12}" for value in values))

# %% [markdown]
# ## The changes, one by one
#
# Shapes in the comments: B texts, T places, D numbers at each place, H heads, K numbers in a head.
#
# **1. RMSNorm for LayerNorm** (Zhang and Sennrich 2019). LayerNorm takes off the mean and divides by the
# spread; RMSNorm only divides, by the root of the mean square. By hand (lesson 11): `0 0 6 6` has the mean
# square 18, so it becomes `0 0 1.414 1.414`. Fewer steps, and D numbers fewer to learn.
#
# **2. Turning for learned places** (RoPE, Su et al. 2021). Queries and keys are turned by their place; then a
# score depends on the distance only (lesson 10). By hand: the pair `1 0` at place 2 of the fastest hand
# becomes `cos 2, sin 2` = `−0.416 0.909`.


# %%
class RMSNorm(nn.Module):
    """Root mean square 1 at each place, then a learned weight."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * self.weight


def turned(x: Tensor) -> Tensor:
    """(B, H, T, K) -> the same, each pair (j, j + K/2) turned by the angle of its place."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] * 10_000.0 ** (-torch.arange(half) / half)  # (T, K/2)
    points = torch.complex(x[..., :half], x[..., half:]) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([points.real, points.imag], -1)


assert torch.allclose(RMSNorm(4)(torch.tensor([0.0, 0, 6, 6])), torch.tensor([0, 0, 1.414, 1.414]), atol=1e-3)
ones = torch.tensor([1.0, 0.0]).expand(1, 1, 3, 2)
assert torch.allclose(turned(ones)[0, 0, 2], torch.tensor([-0.416, 0.909]), atol=1e-3)

# %% [markdown]
# **3. A gate in the feed-forward** (SwiGLU, Shazeer 2020): a third matrix, bent by SiLU, opens or closes each
# number of the first. By hand: an `up` of 3 and a `gate` of 0 give 3 · SiLU(0) = 0; a `gate` of 1 gives
# 3 · 0.731 = 2.193. Three matrices would be half as many numbers again. So the hidden width shrinks to two
# thirds: instead of 2 · D · 4D = 8D² there are 3 · D · (8/3)D = 8D². Nothing is added.
#
# **4. No biases.** A bias adds the same to all; the norms and the sums make it hardly needed. Large models
# train more calmly without (Chowdhery et al. 2022).
#
# **5. An unembedding of its own.** GPT-2 uses one table at both ends (lesson 12). Two can mean two things. It
# costs V · D numbers: for Llama 2 with 7 billion it is 2 %, for GPT-2 it would be 31 %.
#
# **6. Grouped queries** (Ainslie et al. 2023). Several query heads share one key-value head (lesson 9). This
# cannot make a model better. It makes it cheaper to *use*, as we shall measure.
#
# **7. Norms for queries and keys** (Henry et al. 2020; Qwen3, not Llama). Each head's queries and keys get an
# RMSNorm, so no score can grow without limit. It prevents accidents in long trainings with large steps.
#
# All together, in 40 lines:


# %%
class LlamaBlock(nn.Module):
    """Attention, then feed-forward, in the form of 2023; with qk_norm that of Qwen3."""

    def __init__(self, width: int, n_heads: int, n_kv_heads: int, hidden: int, qk_norm: bool):
        super().__init__()
        self.head, self.shared_by = width // n_heads, n_heads // n_kv_heads
        rows = {
            "query": width,
            "key": n_kv_heads * self.head,
            "value": n_kv_heads * self.head,
            "output": width,
        }
        self.attention_norm, self.mlp_norm = RMSNorm(width), RMSNorm(width)
        self.attention = nn.ModuleDict({name: nn.Linear(width, n, bias=False) for name, n in rows.items()})
        for name in ("query_norm", "key_norm"):
            self.attention[name] = RMSNorm(self.head) if qk_norm else nn.Identity()
        self.mlp = nn.ModuleDict({name: nn.Linear(width, hidden, bias=False) for name in ("up", "gate")})
        self.mlp["down"] = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        a, m, normed = self.attention, self.mlp, self.attention_norm(x)
        names = ("query", "key", "value")
        query, key, value = (a[name](normed).unflatten(2, (-1, self.head)) for name in names)  # (B, T, H, K)
        query, key = a["query_norm"](query), a["key_norm"](key)
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))  # (B, H, T, K)
        key, value = (each.repeat_interleave(self.shared_by, 1) for each in (turned(key), value))
        found = F.scaled_dot_product_attention(turned(query), key, value, is_causal=True)
        x = x + a["output"](found.transpose(1, 2).flatten(2))
        normed = self.mlp_norm(x)
        return x + m["down"](F.silu(m["gate"](normed)) * m["up"](normed))


class Llama(nn.Module):
    """Reads ids and gives the logits of the next one at each place."""

    def __init__(self, config: groundup.ModelConfig):
        super().__init__()
        c = config
        sizes = (c.d_model, c.n_heads, c.kv_heads, c.hidden_width, c.qk_norm)
        self.tokens = nn.Embedding(c.vocab_size, c.d_model)
        self.blocks = nn.ModuleList(LlamaBlock(*sizes) for _ in range(c.n_layers))
        self.final_norm = RMSNorm(c.d_model)
        self.unembed = nn.Linear(c.d_model, c.vocab_size, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, V) logits."""
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.unembed(self.final_norm(x))


def shaken(model: nn.Module) -> nn.Module:
    """With random norms and larger weights, so that a mistake shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 5)
    return model


torch.manual_seed(1)
rows = torch.randint(0, 512, (4, 33))  # (B, T + 1)
for name in ("llama", "qwen3"):
    theirs = shaken(groundup.Decoder(dataclasses.replace(configs[name], n_kv_heads=2)))
    ours = Llama(theirs.config)
    ours.load_state_dict(theirs.state_dict())  # the names are the same
    gradients = []
    for model in (ours, theirs):
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        of = dict(model.named_parameters())
        gradients.append(dict(zip(of, torch.autograd.grad(loss, list(of.values())), strict=True)))
    assert torch.allclose(ours(rows[:, :-1]), theirs(rows[:, :-1]), atol=2e-4)
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][one], gradients[1][one], atol=1e-5) for one in gradients[0])
    print(f"{name}: the same logits, and {len(of)} equal gradients.")

# %% [markdown]
# ## The experiment: one by one
#
# We begin with a small GPT-2 and switch the changes on in this order, each on top of those before. Fair play:
#
# - **equally many numbers**: what a change saves goes into the hidden width, what it costs comes from there;
# - **equal tokens, equal rates**: all read the same first sentences of the village;
# - **several seeds**: each model learns several times, with other random numbers and another order of the
#   texts. How far the same model lies from itself tells us what a difference is worth.
#
# We measure the loss above the exact floor of unseen sentences (lesson 6), in percent of it. The floor of a
# first sentence is $-\log_2$ of the probability that a document begins with it *and* a space or a new line.

# %%
from groundup.data.writing import encode
from groundup.evaluation.texts import Texts
from groundup.methods.next_token import NextToken
from groundup.tasks.perplexity import TASK
from groundup.training.settings import TrainSettings

CHANGES = {
    "GPT-2": {},
    "RMSNorm": {"norm": "rms"},
    "RoPE": {"position": "rope"},
    "SwiGLU": {"mlp": "gated", "activation": "silu"},
    "no biases": {"qkv_bias": False, "out_bias": False, "mlp_bias": False},
    "own unembedding": {"tie_embeddings": False},
    "grouped queries": {"n_kv_heads": 2},
    "QK-norm (Qwen3)": {"qk_norm": True},
}
LLAMA = {key: value for name in list(CHANGES)[:6] for key, value in CHANGES[name].items()}
assert {**LLAMA, "norm_eps": 1e-6} == FAMILIES.get("llama").defaults  # so these are all that make a Llama
base = groundup.ModelConfig(**SIZES)


def of_equal_size(fields: dict) -> groundup.ModelConfig:
    """The configuration with the hidden width that makes it as large as the GPT-2."""

    def off(d_ff: int) -> int:
        tried = groundup.ModelConfig(**SIZES, **fields, d_ff=d_ff)
        return abs(count_parameters(tried) - count_parameters(base))

    return groundup.ModelConfig(**SIZES, **fields, d_ff=min(range(4, 512, 4), key=off))


variants, fields = {}, {}
for name, change in CHANGES.items():
    fields = fields | change
    variants[name] = of_equal_size(fields)
    assert abs(count_parameters(variants[name]) / count_parameters(base) - 1) < 0.01
    print(
        f"{name:16} {count_parameters(variants[name]):,} numbers, hidden width {variants[name].hidden_width}"
    )

# %%
SEEDS, STEPS = 2 if SHORT else 4, 6 if SHORT else 240
documents = village.documents(seed=1, start=0, count=300 if SHORT else 3000)
sentences = [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in documents]
texts, unseen = sentences[:-200], sentences[-200:]
tokenizer = groundup.train_bpe(texts[:1000], vocab_size=512)
windows = groundup.TokenWindows(encode(texts, tokenizer).tokens, 64)


def floor(sentence: str) -> float:
    """The bits of a first sentence that is complete."""
    return -math.log2(sum(2 ** -village.bits(sentence + after, complete=False) for after in " \n"))


exam = Texts.from_strings(tokenizer, unseen, floor)
settings = TrainSettings(
    steps=STEPS,
    tokens_per_step=512,
    sequence_length=64,
    micro_batch=8,
    learning_rate=1e-2,
    warmup_steps=STEPS // 10,
    schedule="linear",
    precision="float32",
)


def above_floor(config: groundup.ModelConfig, seed: int) -> float:
    """Train a model; by how many percent its loss on unseen sentences is above the floor."""
    torch.manual_seed(seed)
    model = groundup.Decoder(config)
    batches = groundup.Batches(windows, groundup.Order(len(windows), seed), samples_per_step=8, micro_batch=8)
    groundup.train(NextToken(model), batches, settings)
    scores = TASK.score(groundup.Loaded(model.eval(), tokenizer, config), exam)
    return next(score.value for score in scores if score.metric == "excess_percent")


found = torch.tensor([[above_floor(config, seed) for seed in range(SEEDS)] for config in variants.values()])

# %% [markdown]
# Now the verdicts. For each change we take the ratio to the form before it, seed by seed, and the mean of
# these. With only four seeds the 95 % interval is wide: 3.18 standard errors, and not 1.96 (Student's t).

# %%
ratios = (found[1:] / found[:-1]).log()  # (changes, seeds)
half = {2: 12.71, 4: 3.18}[SEEDS] * ratios.std(1) / math.sqrt(SEEDS)
low, mean, high = (((ratios.mean(1) + side * half).exp() - 1) * 100 for side in (-1, 0, 1))  # percent
for name, each, a, b in zip(list(variants)[1:], mean.tolist(), low.tolist(), high.tolist(), strict=True):
    verdict = "cannot be told from chance" if a < 0 < b else "better" if b < 0 else "worse"
    print(f"{name:16} {each:+4.0f} % ({a:+4.0f} to {b:+4.0f}): {verdict}")
assert SHORT or high[1] < -25  # RoPE
assert SHORT or found[-2:].mean() < 0.6 * found[0].mean()

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
for place, values in enumerate(found):
    left.plot(values, [place] * SEEDS, "o", color="#b9c4c6", markersize=4)
left.plot(found.mean(1), range(len(found)), "o-", color="#0b6a72", label="mean (grey: single seeds)")
left.set_yticks(range(len(found)), [name if name == "GPT-2" else f"+ {name}" for name in variants])
left.invert_yaxis()
left.set_xlim(left=0)
left.set_xlabel("loss above the floor, in % of the floor")
left.legend(frameon=False, fontsize=9)
for place, (a, each, b) in enumerate(zip(low.tolist(), mean.tolist(), high.tolist(), strict=True), 1):
    colour = "#999999" if a < 0 < b else "#0b6a72" if b < 0 else "#b04a12"
    right.plot([a, b], [place, place], color=colour)
    right.plot(each, place, "o", color=colour)
right.axvline(0, color="black", linewidth=0.8)
right.set_xlabel("change by this step, % (95 % interval; grey: may be chance)")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# **One change stands out: RoPE.** It takes away nearly half of what is above the floor. A learned table has
# to find out from nothing what each place means and which are neighbours; this small model has no time for
# it. With many more tokens a table has the time, and one may expect less of a difference.
#
# In our run two more were *better*: an unembedding of its own, although it had to be paid for with nearly
# half of the hidden width, and SwiGLU, whose interval comes near 0. The other four cannot be told from
# chance. And with seven questions at 95 %, even pure chance says a wrong "better" or "worse" in one
# experiment out of three. So *cannot be told* means just this: not that a change does nothing, but that a
# small model, four seeds and a minute cannot see it. The papers measured with models a thousand times larger.
# (And all learned at one rate, and in one order, which may suit one form better than another.)
#
# That fits what the changes are for. RMSNorm and missing biases make a step simpler. QK-norm is there to
# prevent accidents. Nor is any of them a law: Llama 3.2 with 1 billion numbers is tied again, because its
# 128,256 words would need another quarter of a billion. And grouped queries were never meant to lower the
# loss. What are they for?
#
# ## What grouped queries bring: memory
#
# A model that writes keeps the keys and values of all tokens so far (lesson 9). For each token that is
#
# $$2 \cdot \text{layers} \cdot \text{key-value heads} \cdot K \cdot \text{bytes}.$$
#
# By hand for GPT-2 124M in bf16 (2 bytes): 2 · 12 · 12 · 64 · 2 = 36,864 bytes. A text of 1,000 tokens takes
# 37 MB, as much as 18 million weights. For TinyLlama, with 22 layers and 4 key-value heads for 32 query
# heads: 2 · 22 · 4 · 64 · 2 = 22,528, although it is nine times as large. We compare with groundup's own
# cache, and then measure how long a token takes when 2,048 were read before.

# %%
from groundup.model.cache import KVCache


def bytes_per_token(config: groundup.ModelConfig, size: int = 2) -> int:
    """What the cache keeps of each token, if a number has so many bytes."""
    return 2 * config.n_layers * config.kv_heads * config.head_width * size


models = {"gpt2": ("124M", "1558M"), "llama": ("TinyLlama-1.1B", "3.2-1B"), "qwen3": ("0.6B",)}
kept = {}
for name, sizes in models.items():
    for size in sizes:
        family = FAMILIES.get(name)
        config = groundup.ModelConfig(**{**family.defaults, **family.sizes[size]})
        cache = KVCache(config, batch=1, length=100, device="meta", dtype=torch.bfloat16)  # shapes only
        assert 100 * bytes_per_token(config) == cache.keys.nbytes + cache.values.nbytes
        all_own = dataclasses.replace(config, n_kv_heads=config.n_heads)
        kept[f"{name} {size}"] = bytes_per_token(config) / 1000, bytes_per_token(all_own) / 1000
assert kept["gpt2 124M"][0] == 36.864 and kept["llama TinyLlama-1.1B"][0] == 22.528

READ, TEXTS = 64 if SHORT else 2048, 8
writers = []
for n_kv_heads in (8, 4, 2, 1):
    wide = {**SIZES, "d_model": 256, "n_heads": 8, "n_kv_heads": n_kv_heads, "context_length": READ + 1}
    writer = groundup.Decoder(groundup.ModelConfig(**wide, position="rope")).eval().requires_grad_(False)
    writers.append((writer, KVCache(writer.config, TEXTS, READ + 1)))
seconds = [math.inf] * len(writers)
for _ in range(3 if SHORT else 20):  # in turns, and the fastest: another program may be in the way
    for i, (writer, cache) in enumerate(writers):
        cache.lengths, start = [READ] * TEXTS, time.perf_counter()
        writer(torch.zeros(TEXTS, 1, dtype=torch.long), cache=cache)
        seconds[i] = min(seconds[i], time.perf_counter() - start)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", width_ratios=(3, 2))
for place, (own, without) in enumerate(kept.values()):
    left.barh(
        place,
        without,
        color="#e6ded3",
        label="with a key-value head for each query head" if not place else None,
    )
    left.barh(place, own, height=0.5, color="#0b6a72", label="as it is" if not place else None)
left.set_yticks(range(len(kept)), list(kept))
left.invert_yaxis()
left.set_xlabel("cache for each token, in kB (bf16)")
left.legend(frameon=False, fontsize=9)
right.plot([8, 4, 2, 1], [1000 * each for each in seconds], "o-", color="#0b6a72")
right.set_xscale("log", base=2)
right.set_xticks([8, 4, 2, 1], ["8", "4", "2", "1"])
right.set_ylim(bottom=0)
right.set_xlabel("key-value heads, for 8 query heads")
right.set_title(f"ms for a token in each of {TEXTS} texts", loc="left", fontsize=10)
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
for (writer, _), each in zip(writers, seconds, strict=True):
    size = bytes_per_token(writer.config, 4)
    print(
        f"{writer.config.kv_heads} key-value heads: {size:5,} bytes per token (float32), {1000 * each:.1f} ms"
    )

# %% [markdown]
# The bytes are exact. The times are this machine's: a token needs little arithmetic, but the whole cache must
# be fetched from memory for it, and a smaller one is fetched sooner. On a GPU that serves many people at once
# this decides how many of them fit.
#
# So GPT-2 became Llama: one change that learns faster, some that make it simpler or calmer, one that makes it
# cheaper to use. The stream, the blocks, attention and feed-forward are still those of 2019.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the gate.** Your function takes the place of the
# feed-forward in a real Llama. `up`, `gate` and `down` are functions; `F.silu` is there.


# %%
def feed(x: Tensor, up, gate, down) -> Tensor:
    """(B, T, D) -> (B, T, D)."""
    ...


# %%
def a_llama() -> groundup.Decoder:
    """A small one, always the same."""
    torch.manual_seed(2)
    return shaken(groundup.Decoder(dataclasses.replace(configs["llama"], n_kv_heads=2))).requires_grad_(False)


def check_feed(yours) -> str:
    model = a_llama()
    logits = model(rows)
    for block in model.blocks:
        three = block.mlp.up, block.mlp.gate, block.mlp.down
        block.mlp.forward = lambda x, three=three: yours(x, *three)
    try:
        off = (model(rows) - logits).abs().max().item()
    except (TypeError, RuntimeError) as error:
        return f"feed: not yet. With it the Llama fails: {error}"
    if off > 1e-3:
        return f"feed: not yet. The logits of a Llama differ by {off:.2g}."
    return "feed: right! The Llama says the same with it."


print(check_feed(feed))

# %% [markdown]
# The second: **a norm without a weight.** Behind each RMSNorm of a Llama stands a matrix without a bias. So
# the norm's weight can be multiplied into the matrix, once and for all; afterwards the norm has only ones.
# Which matrix takes the place of the old one? It is applied as `matrix @ (weight * x)`.


# %%
def fold(weight: Tensor, matrix: Tensor) -> Tensor:
    """(D,) the weight of a norm, (F, D) the matrix behind it -> (F, D)."""
    ...


# %%
def check_fold(yours) -> str:
    model = a_llama()
    logits = model(rows)
    behind = [(model.final_norm, [model.unembed])]
    for block in model.blocks:
        attention = [block.attention.query, block.attention.key, block.attention.value]
        behind += [(block.attention_norm, attention), (block.mlp_norm, [block.mlp.up, block.mlp.gate])]
    for norm, matrices in behind:
        for linear in matrices:
            try:
                linear.weight.copy_(yours(norm.weight.clone(), linear.weight.clone()))
            except (TypeError, RuntimeError) as error:
                return f"fold: not yet. For {tuple(linear.weight.shape)} it fails: {error}"
        norm.weight.fill_(1.0)
    off = (model(rows) - logits).abs().max().item()
    if not off < 1e-3:
        return f"fold: not yet. The logits of the Llama differ by {off:.2g}."
    return f"fold: right! {len(behind)} norms have lost their weights, and the Llama says the same."


print(check_fold(fold))
