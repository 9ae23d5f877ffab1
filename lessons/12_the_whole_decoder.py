# %% [markdown]
# # 12. The whole decoder
#
# Embeddings, positions, attention, norms, feed-forward, shortcuts: all parts are built. **Put together, is
# this a GPT? The real one, number by number?**
#
# It is 40 lines. We prove that they compute what groundup's `Decoder` computes, in value and in every
# gradient, and that they start with the same random numbers, to the last digit. Then we count the learned
# numbers of GPT-2's four sizes with a pencil, foresee the loss of a model that knows nothing, and let ours
# learn.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## The GPT
#
# Shapes in the comments: B texts, T places, D numbers at each place, H heads, K numbers in a head, V words
# in the vocabulary. What is new, and all that is new:
#
# - **The whole way.** Ids become rows, places are added, the blocks add what they find, one last norm, and
#   a last matrix, the *unembedding*, compares the result with each word: the logits of lesson 1.
# - **Tied ends.** The unembedding of GPT-2 *is* the table of embeddings. What a word means when it is read
#   and when it is written is the same; it saves a large matrix, and each row learns from both ends.
# - **The start.** All matrices begin with random numbers with a spread of 0.02, all biases with 0. But two
#   matrices in each block *add to the stream*. In a tall stack the sums of all would become large. Variances
#   add up: 2 · L of them, each smaller by the root of 2 · L, are together as large as one.


# %%
class Block(nn.Module):
    """Attention, then feed-forward; each reads a normed copy of the stream, and adds to it."""

    def __init__(self, width: int):
        super().__init__()
        linear = nn.Linear
        names = ("query", "key", "value", "output")
        self.attention_norm = nn.LayerNorm(width)
        self.attention = nn.ModuleDict({name: linear(width, width) for name in names})
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"up": linear(width, 4 * width), "down": linear(4 * width, width)})

    def forward(self, x: Tensor, n_heads: int) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        a, normed = self.attention, self.attention_norm(x)
        names = ("query", "key", "value")
        q, k, v = (a[name](normed).unflatten(2, (n_heads, -1)).transpose(1, 2) for name in names)
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + a["output"](found.transpose(1, 2).flatten(2))
        return x + self.mlp["down"](F.gelu(self.mlp["up"](self.mlp_norm(x)), approximate="tanh"))


class GPT(nn.Module):
    """Reads ids and gives the logits of the next one at each place."""

    def __init__(self, vocab_size: int, context_length: int, d_model: int, n_layers: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.tokens, self.positions = nn.Embedding(vocab_size, d_model), nn.Embedding(context_length, d_model)
        self.blocks = nn.ModuleList(Block(d_model) for _ in range(n_layers))
        self.final_norm = nn.LayerNorm(d_model)
        self.unembed = nn.Linear(d_model, vocab_size, bias=False)
        self.unembed.weight = self.tokens.weight  # tied

    def start(self, generator: torch.Generator) -> "GPT":
        """Random numbers for all matrices, 0 for all biases."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                adds = name.endswith(("attention.output", "mlp.down"))
                spread = 0.02 / math.sqrt(2 * len(self.blocks)) if adds else 0.02
                nn.init.normal_(module.weight, std=spread, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        return self

    def hidden(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, D) what the model knows at each place."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x, self.n_heads)
        return self.final_norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, V) logits."""
        return self.unembed(self.hidden(ids))


# %% [markdown]
# ## The proof
#
# First the start, with the same generator: bit by bit. Then with large random weights, because numbers around
# 0.02 would hide mistakes: the logits, and the gradient of the loss by *each* learned number.

# %%
sizes = {"vocab_size": 60, "context_length": 24, "d_model": 48, "n_layers": 3, "n_heads": 4}
ours, theirs = GPT(**sizes), groundup.Decoder(groundup.ModelConfig(**sizes))
ours.start(torch.Generator().manual_seed(5))
theirs.initialise(torch.Generator().manual_seed(5))
assert list(ours.state_dict()) == list(theirs.state_dict())  # even the names are the same
for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
    assert one.equal(other)

torch.manual_seed(1)
with torch.no_grad():
    for parameter in theirs.parameters():
        parameter.add_(torch.randn_like(parameter) / 5)
ours.load_state_dict(theirs.state_dict())
rows = torch.randint(0, 60, (4, 25))  # (B, T + 1)
gradients = []
for model in (ours, theirs):
    loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    gradients.append(torch.autograd.grad(loss, list(model.parameters())))
assert torch.allclose(ours(rows[:, :-1]), theirs(rows[:, :-1]), atol=1e-4)
for one, other in zip(*gradients, strict=True):
    assert torch.allclose(one, other, atol=1e-5)
print(f"{theirs.n_parameters():,} numbers: same start, same logits, same gradients.")

# %% [markdown]
# ## Counting, by hand
#
# Take V = 5 words, T = 4 places, D = 2, one block.
#
# | part | numbers | here |
# |---|---|---|
# | embeddings, used at both ends | V · D | 10 |
# | positions | T · D | 8 |
# | attention: 4 matrices and biases | 4 · D² + 4 · D | 24 |
# | feed-forward: up and down, with biases | 8 · D² + 5 · D | 42 |
# | 2 norms: weight and bias | 4 · D | 8 |
# | the last norm | 2 · D | 4 |
#
# Together 96. A block has 12 · D² + 13 · D. How many heads there are does not matter: they only cut. And
# now the four sizes that OpenAI published in 2019. groundup knows their shapes. We let it build them on
# PyTorch's *meta* device, where numbers have a place but no value: so the largest one needs no memory.

# %%
from groundup.zoo.gpt2 import FAMILY


def parts_of(
    vocab_size: int, context_length: int, d_model: int, n_layers: int, n_heads: int
) -> dict[str, int]:
    """How many numbers are learned in which part."""
    return {
        "embeddings": vocab_size * d_model,
        "positions": context_length * d_model,
        "attention": n_layers * (4 * d_model**2 + 4 * d_model),
        "feed-forward": n_layers * (8 * d_model**2 + 5 * d_model),
        "norms": n_layers * 4 * d_model + 2 * d_model,
    }


assert sum(parts_of(5, 4, 2, 1, 1).values()) == 96
published = {"124M": 124_439_808, "355M": 354_823_168, "774M": 774_030_080, "1558M": 1_557_611_200}
for name, size in FAMILY.sizes.items():
    with torch.device("meta"):
        built = [groundup.Decoder(groundup.ModelConfig(**size)), GPT(**size)]
    counted = [sum(p.numel() for p in model.parameters()) for model in built]
    assert counted == [published[name]] * 2
    assert sum(parts_of(**size).values()) == published[name]
    print(
        f"GPT-2 {name:>5}: {counted[0]:13,} by counting, {sum(parts_of(**size).values()):13,} by the formula"
    )

figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
colours = dict(zip(parts_of(**size), ("#e0a070", "#c58b00", "#6f5aa8", "#0b6a72", "#b04a12"), strict=True))
for row, size in enumerate(FAMILY.sizes.values()):
    parts, left = parts_of(**size), 0.0
    for part, count in parts.items():
        share = count / sum(parts.values())
        axes.barh(row, share, left=left, color=colours[part], label=part if row == 0 else None)
        if share > 0.05:
            axes.text(left + share / 2, row, f"{share:.0%}", ha="center", va="center", color="white")
        left += share
axes.set_yticks(range(4), list(FAMILY.sizes))
axes.invert_yaxis()
axes.set_xticks([])
axes.spines[:].set_visible(False)
axes.set_title("where the learned numbers of GPT-2 are", loc="left", fontsize=10)
figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# In the smallest one almost a third are embeddings. In the largest one two thirds are feed-forward. The
# positions and norms can hardly be seen.
#
# ## The first loss, foreseen
#
# A model that knows nothing should find all words alike: its loss would be ln V, for GPT-2 ln 50257 = 10.825.
# But a fresh GPT-2 has about 10.98. Is it broken? Let us see.
#
# A logit is the product of what comes out of the last norm and a row of the unembedding. After the norm,
# the squares of the D numbers add up to D. The numbers of the row have the variance 0.02². So a logit has
# the variance $s^2 = D \cdot 0.02^2$: for D = 768 it is 0.307. It is about normally distributed, and for
# such a number the mean of $e^z$ is not 1 but $e^{s^2/2}$. The sum in the softmax over V words is therefore
# about $V e^{s^2/2}$, the logit of the right word is 0 on average, and
#
# $$\text{loss} = -\ln \frac{e^0}{V e^{s^2/2}} = \ln V + \frac{D \cdot 0.02^2}{2} = 10.825 + 0.154 = 10.979.$$
#
# So a fresh model is *worse* than one that guesses evenly: it has preferences, and they are wrong. The
# wider it is, the more. This number is also a good check: whoever sees 12 or 8 in the first step has a
# mistake somewhere.

# %%


def first_loss(vocab_size: int, width: int, n_tokens: int = 1024) -> float:
    """The measured loss of a fresh GPT with one layer, on random text."""
    torch.manual_seed(3)
    sizes = {"vocab_size": vocab_size, "context_length": 64, "d_model": width, "n_layers": 1}
    model = groundup.Decoder(groundup.ModelConfig(**sizes, n_heads=4))
    rows = torch.randint(0, vocab_size, (n_tokens // 64, 65))
    with torch.no_grad():
        return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()).item()


full = first_loss(50257, 768, n_tokens=128 if SHORT else 512)
assert abs(full - (math.log(50257) + 768 * 0.02**2 / 2)) < (0.15 if SHORT else 0.08)
print(f"vocabulary and width of GPT-2 124M: measured {full:.3f}, foreseen {10.825 + 0.154:.3f}")

widths = [64, 256, 768] if SHORT else [64, 256, 512, 768, 1024, 1280, 1600]
measured = [first_loss(4096, width) for width in widths]
foreseen = [math.log(4096) + width * 0.02**2 / 2 for width in widths]
assert all(abs(one - other) < 0.08 for one, other in zip(measured, foreseen, strict=True))

figure, axes = plt.subplots(figsize=(6.5, 2.8), layout="constrained")
axes.plot(widths, foreseen, color="#e0a070", label="ln V + D · 0.02² / 2")
axes.plot(widths, measured, "o", color="#0b6a72", label="measured")
axes.axhline(math.log(4096), color="#b04a12", linestyle=":", label="ln V: guessing evenly")
axes.set_xlabel("width D")
axes.set_title("first loss with a vocabulary of 4,096, in nats", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## The experiment: let it learn
#
# groundup's training loop asks a model for `hidden` and `unembed`, and ours has both. So it can be trained
# as it is, beside groundup's, from the same start, on the same batches of the village. Do they stay
# together?

# %%
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

LENGTH = 64
texts = list(village.documents(seed=1, start=0, count=150 if SHORT else 1500))
tokenizer = groundup.train_bpe(texts[:500], vocab_size=512)
windows = groundup.TokenWindows(encode(texts, tokenizer).tokens, LENGTH)
order = groundup.Order(len(windows), seed=1)
batches = groundup.Batches(windows, order, samples_per_step=12, micro_batch=12)
settings = TrainSettings(
    steps=10 if SHORT else 300,
    tokens_per_step=12 * LENGTH,
    sequence_length=LENGTH,
    micro_batch=12,
    learning_rate=5e-3,
    warmup_steps=10,
    schedule="linear",
    precision="float32",
)
sizes = {"vocab_size": 512, "context_length": LENGTH, "d_model": 96, "n_layers": 2, "n_heads": 4}
students = {"groundup's": groundup.Decoder(groundup.ModelConfig(**sizes)), "ours": GPT(**sizes)}
students["groundup's"].initialise(torch.Generator().manual_seed(1))
students["ours"].start(torch.Generator().manual_seed(1))
curves = {}
for name, student in students.items():
    losses = curves[name] = []
    groundup.train(
        NextToken(student), batches, settings, observers=[lambda state, to=losses: to.append(state.loss)]
    )
apart = np.abs(np.subtract(curves["ours"], curves["groundup's"]))
assert apart[:10].max() < 1e-4
print(f"Their losses differ by {apart[:10].max():.1e} in the first ten steps, by {apart.max():.1e} later.")

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(curves["groundup's"], color="#e0a070", linewidth=4, label="groundup's")
axes.plot(curves["ours"], color="#0b6a72", linewidth=1, label="ours")
axes.axhline(math.log(512) + 96 * 0.02**2 / 2, color="#b04a12", linestyle=":", label="foreseen at the start")
axes.set_xlabel("steps")
axes.set_title("loss in nats per token", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# And it writes, one token after the other. As the model has 64 places, it sees the last 64 tokens.

# %%


def write(model: nn.Module, prompt: str, length: int) -> str:
    """Go on with the prompt by chance, as the model finds it probable."""
    ids, generator = [tokenizer.border_id, *tokenizer.encode(prompt)], torch.Generator().manual_seed(2)
    for _ in range(length):
        with torch.no_grad():
            logits = model(torch.tensor([ids[-LENGTH:]]))[0, -1]
        ids.append(int(torch.multinomial((logits / 0.7).softmax(-1), 1, generator=generator)))
    return tokenizer.decode(ids[1:])


fresh = GPT(**sizes).start(torch.Generator().manual_seed(1))
print("before:", repr(write(fresh, "Near the mill lived", 20)))
print("after: ", write(students["ours"], "Near the mill lived", 60))

# %% [markdown]
# A minute of learning, two layers: these are words of the village, not yet its stories. The same 40 lines
# with other sizes, more texts and more time are GPT-2. How to make learning fast and stable is what the
# next lessons are about.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **count a model like Llama.** It has RoPE, so no table of
# positions; no biases at all; RMSNorm, which has only a weight; ends that are not tied; and a feed-forward
# with a gate, three matrices of D times `d_ff`. Your formula is compared with real models.


# %%
def llama_numbers(vocab_size: int, d_model: int, n_layers: int, d_ff: int) -> int:
    """How many numbers are learned."""
    ...


# %%
def check_llama_numbers(yours) -> str:
    from groundup.zoo.llama import FAMILY as LLAMA

    for V, D, L, d_ff in ((100, 16, 1, 32), (50, 32, 3, 96), (1000, 64, 2, 100)):
        sizes = {
            "vocab_size": V,
            "context_length": 64,
            "d_model": D,
            "n_layers": L,
            "n_heads": 4,
            "d_ff": d_ff,
        }
        with torch.device("meta"):
            model = groundup.Decoder(
                groundup.ModelConfig(**{**LLAMA.defaults, **sizes, "tie_embeddings": False})
            )
        if (got := yours(V, D, L, d_ff)) != model.n_parameters():
            own = f"{model.n_parameters():,}"
            return f"llama_numbers: not yet. V={V}, D={D}, {L} layers, d_ff={d_ff}: {own}, you say {got}."
    return f"llama_numbers: right! With the sizes of Llama 2 7B: {yours(32000, 4096, 32, 11008):,}."


print(check_llama_numbers(llama_numbers))

# %% [markdown]
# The second: **the first loss for any start.** What is it if the unembedding begins with another spread
# than 0.02? A fresh model of groundup gets an unembedding with that spread, and shows it.


# %%
def foreseen_loss(vocab_size: int, d_model: int, spread: float) -> float:
    """The loss of a model that knows nothing, in nats."""
    ...


# %%
def check_foreseen_loss(yours) -> str:
    for V, D, spread in ((4096, 256, 0.02), (4096, 256, 0.06), (300, 64, 0.1), (4096, 1024, 0.03)):
        torch.manual_seed(4)
        sizes = {"vocab_size": V, "context_length": 64, "d_model": D, "n_layers": 1, "n_heads": 4}
        model = groundup.Decoder(groundup.ModelConfig(**sizes, tie_embeddings=False))
        rows = torch.randint(0, V, (24, 65))
        with torch.no_grad():
            nn.init.normal_(model.unembed.weight, std=spread)
            real = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()).item()
        got = yours(V, D, spread)
        if not isinstance(got, float) or abs(got - real) > 0.09:
            return f"foreseen_loss: not yet. V={V}, D={D}, spread {spread}: {real:.2f}, you say {got}."
    worst = yours(50257, 768, 0.1)
    return f"foreseen_loss: right! If GPT-2 began with a spread of 0.1, its first loss would be {worst:.1f}."


print(check_foreseen_loss(foreseen_loss))

# %% [markdown]
# The third: **the stream, from the embeddings to the end.** Put the decoder together from its parts:
# `tokens` and `positions` are functions from ids and places to rows, the blocks are functions from (B, T,
# D) to (B, T, D), and `final_norm` and `unembed` come last. The ids may be the *continuation* of a text:
# then the first of them does not stand at place 0 but at `start`. Yours is compared with real models.


# %%
def decode(ids: Tensor, start: int, tokens, positions, blocks: list, final_norm, unembed) -> Tensor:
    """(B, T) ids, of which the first stands at place `start` -> (B, T, V) logits."""
    ...


# %%
def check_decode(yours) -> str:
    torch.manual_seed(6)
    sizes = {"vocab_size": 60, "context_length": 24, "d_model": 48, "n_layers": 3, "n_heads": 4}
    model = groundup.Decoder(groundup.ModelConfig(**sizes)).eval()
    mine = GPT(**sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) / 5)
        mine.load_state_dict(model.state_dict())
        blocks = [lambda x, block=block: block(x, 4) for block in mine.blocks]
        parts = (mine.tokens, mine.positions, blocks, mine.final_norm, mine.unembed)
        for start in (0, 7):
            ids = torch.randint(0, 60, (2, 12))
            own = model(ids, positions=torch.arange(start, start + 12))
            got = yours(ids, start, *parts)
            if not isinstance(got, Tensor) or got.shape != own.shape:
                return f"decode: not yet. Expected logits of the shape {tuple(own.shape)}."
            if not (off := (got - own).abs().max().item()) < 1e-3:
                return f"decode: not yet. With start={start} the logits differ by {off:.2g}."
    return "decode: right! It is groundup's decoder."


print(check_decode(decode))
