# %% [markdown]
# # 9. Several heads
#
# Attention lets each word look at others, and mixes what it finds into one row of numbers. But a word often
# needs *two* things: "gave" asks who gave and what was given. **What happens if one looks for two things at
# once, and why does every GPT have many small heads instead of a large one?**
#
# We build several heads as a stack of single ones, then as a single matrix that is cut into pieces, which is
# the same and faster, and then let several heads share their keys and values. Each must equal groundup's
# attention. Then we look into a trained model: what do its heads look at?

# %%
import math
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## The smallest example, by hand
#
# Two words give the values `8 0` and `0 4`. A third word needs the first number of the first word and the
# second number of the second.
#
# - **One head** has one row of weights. With ½ and ½ it finds `4 2`, with 1 and 0 it finds `8 0`. Whatever it
#   chooses, more of the one is less of the other.
# - **Two heads** cut the values in two: head 1 has the first numbers, 8 and 0, head 2 the second ones, 0
#   and 4. Each has weights of its own: head 1 takes 1 and 0, head 2 takes 0 and 1. Side by side they found
#   `8 4`.
#
# It costs nothing: the numbers are the same, only cut into pieces. Shapes in the comments: B texts, T and S
# words, D numbers for each word, H heads, K numbers for each word in a head.

# %%
values = torch.tensor([[8.0, 0.0], [0.0, 4.0]])  # (S, K)
assert (torch.tensor([0.5, 0.5]) @ values).tolist() == [4, 2]
weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # (H, S) each head has its own
by_head = values.T[:, :, None]  # (H, S, 1)
assert (weights[:, None] @ by_head).flatten().tolist() == [8, 4]

# %% [markdown]
# ## First way: a stack of single heads
#
# Several heads of lessons 7 and 8, each with matrices of its own. What they found is laid side by side, and
# one more matrix, `output`, mixes it.


# %%
def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(..., T, K) each -> (..., T, K): scores, mask, softmax, gather, as in lesson 8."""
    time = query.shape[-2]
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (..., T, T)
    seen = torch.ones(time, time, dtype=torch.bool).tril()
    return scores.masked_fill(~seen, -math.inf).softmax(-1) @ value


class SingleHead(nn.Module):
    """One head, without an output matrix of its own."""

    def __init__(self, d_model: int, head_width: int):
        super().__init__()
        self.query = nn.Linear(d_model, head_width)
        self.key = nn.Linear(d_model, head_width)
        self.value = nn.Linear(d_model, head_width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, K)."""
        return causal_attention(self.query(x), self.key(x), self.value(x))


class StackedHeads(nn.Module):
    """Several heads side by side."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.heads = nn.ModuleList(SingleHead(d_model, d_model // n_heads) for _ in range(n_heads))
        self.output = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return self.output(torch.cat([head(x) for head in self.heads], -1))


# %% [markdown]
# ## Second way: one matrix, cut into heads
#
# Twelve heads would be 36 small multiplications, one after the other. But the query matrices of all heads can
# be laid **one above the other**: then a single multiplication gives all queries in one long row, those of
# head 1 first, then those of head 2. `view` cuts the row into heads, and `transpose` puts the heads in front
# of the words, so that each head is a small table of its own.
#
# Queries, keys and values must have heads; must each query head have its *own* keys and values? When a model
# writes, it keeps the keys and values of all words in memory, and this memory is often what is scarce. In
# **grouped-query attention** (Ainslie et al. 2023) several query heads share one key-value head: with 4 query
# heads and 2 key-value heads, heads 1 and 2 use the first, heads 3 and 4 the second. Here a key-value head is
# repeated for its group; everything else stays.


# %%
def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """(B, T, H * K) -> (B, H, T, K)."""
    n_texts, time, width = x.shape
    return x.view(n_texts, time, n_heads, width // n_heads).transpose(1, 2)


def share(x: Tensor, n_heads: int) -> Tensor:
    """(B, key-value heads, T, K) -> (B, H, T, K): each stands as often as query heads use it."""
    return x.repeat_interleave(n_heads // x.shape[1], dim=1)


class MultiHead(nn.Module):
    """Causal attention with several heads, which may share keys and values."""

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int):
        super().__init__()
        self.n_heads, self.n_kv_heads, head_width = n_heads, n_kv_heads, d_model // n_heads
        self.query = nn.Linear(d_model, n_heads * head_width)
        self.key = nn.Linear(d_model, n_kv_heads * head_width)
        self.value = nn.Linear(d_model, n_kv_heads * head_width)
        self.output = nn.Linear(n_heads * head_width, d_model)
        self.split, self.share = split_heads, share  # the exercises put yours here

    def forward(self, x: Tensor, rope=None, sight=None, cache=None) -> Tensor:
        """(B, T, D) -> (B, T, D). The other three are what a GPT of groundup hands over."""
        query = self.split(self.query(x), self.n_heads)  # (B, H, T, K)
        key = self.share(self.split(self.key(x), self.n_kv_heads), self.n_heads)
        value = self.share(self.split(self.value(x), self.n_kv_heads), self.n_heads)
        found = causal_attention(query, key, value)  # (B, H, T, K)
        return self.output(found.transpose(1, 2).flatten(2))


# %% [markdown]
# Are the two ways the same? Cut the large matrices into the small ones, and compare. Then both against
# groundup, in value and gradient, and the second one with four, two and one key-value head.

# %%
from groundup.model.layers import Attention, rotate
from groundup.model.visible import Sight

CAUSAL = Sight(mask=None, is_causal=True)


def results_of(module: nn.Module, x: Tensor, *others) -> list[Tensor]:
    """What it gives for x, and the gradients by x and by each of its own numbers, of some loss."""
    x = x.clone().requires_grad_()
    out = module(x, *others)
    towards = torch.linspace(-1, 1, out.numel()).view(out.shape)  # any direction, but the same for all
    gradients = torch.autograd.grad((out * towards).sum(), [x, *module.parameters()])
    return [out.detach(), *gradients]


def same(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Whether all agree."""
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def tiny_config(**changes) -> groundup.ModelConfig:
    """A small GPT with four heads."""
    sizes = {"vocab_size": 50, "context_length": 24, "d_model": 32, "n_layers": 2, "n_heads": 4}
    return groundup.ModelConfig(**{**sizes, **changes})


torch.manual_seed(1)
x = torch.randn(3, 10, 32)
for n_kv_heads in (4, 2, 1):
    real = Attention(tiny_config(n_kv_heads=n_kv_heads))
    ours = MultiHead(32, 4, n_kv_heads)
    ours.load_state_dict(real.state_dict())
    assert same(results_of(ours, x), results_of(real, x, None, CAUSAL))

real = Attention(tiny_config())
stacked = StackedHeads(32, 4)
with torch.no_grad():
    for name in ("query", "key", "value"):
        whole = getattr(real, name)
        for number, head in enumerate(stacked.heads):
            rows = slice(8 * number, 8 * (number + 1))  # the part of the matrix that belongs to this head
            getattr(head, name).weight.copy_(whole.weight[rows])
            getattr(head, name).bias.copy_(whole.bias[rows])
    stacked.output.load_state_dict(real.output.state_dict())
value, by_x, *gradients = results_of(stacked, x)
theirs = results_of(real, x, None, CAUSAL)
assert same([value, by_x], theirs[:2])
of_queries = [
    g for g, (name, _) in zip(gradients, stacked.named_parameters(), strict=True) if "query.w" in name
]
assert same([torch.cat(of_queries)], theirs[2:3])  # one above the other, they are that of the large matrix
print("Stacked, cut, and shared by 4, 2 and 1: all equal groundup's attention.")

# %% [markdown]
# ## The first experiment: two questions at once
#
# Lesson 7 asked what a person's friend has. Now everybody has a friend and a neighbour, and the reader must
# name the thing of the **friend** and that of the **neighbour**, in this order. One head with 48 numbers
# against two heads with 24 each. Both learn equally many numbers.

# %%
WIDTH, EVERY = 48, 8
torch.manual_seed(1)
people, things = torch.randn(EVERY, WIDTH), torch.randn(EVERY, WIDTH)  # embeddings by chance, fixed
others = torch.tensor([[3, 7, 0, 5, 1, 2, 4, 6], [5, 0, 4, 6, 7, 3, 1, 2]])  # friend, neighbour of each


def lists(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Lists (B, 8, D), the question (B, 1, D), the two right things (B, 2)."""
    order = torch.rand(count, EVERY, generator=generator).argsort(1)
    has = torch.randint(EVERY, (count, EVERY), generator=generator)  # what person p has
    asked = torch.randint(EVERY, (count,), generator=generator)
    answers = has.gather(1, others[:, asked].T)
    return people[order] + things[has.gather(1, order)], people[asked][:, None], answers


class Reader(nn.Module):
    """Looks at a list with a question, then names two things."""

    def __init__(self, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.name = nn.Linear(WIDTH, 2 * EVERY)

    def forward(self, entries: Tensor, question: Tensor) -> Tensor:
        """-> (B, 8, 2) logits of the things, for both answers."""
        parts = (self.query(question), self.key(entries), self.value(entries))
        query, key, value = (split_heads(part, self.n_heads) for part in parts)
        weights = (query @ key.mT / math.sqrt(query.shape[-1])).softmax(-1)
        found = (weights @ value).transpose(1, 2).flatten(1)  # (B, D)
        return self.name(found).view(-1, EVERY, 2)


curves = {}
for n_heads in (1, 2):
    torch.manual_seed(2)
    reader, generator = Reader(n_heads), torch.Generator().manual_seed(3)
    optimizer, right = torch.optim.Adam(reader.parameters(), lr=5e-3), []
    for _ in range(20 if SHORT else 400):
        entries, question, answers = lists(128, generator)
        logits = reader(entries, question)
        right.append((logits.argmax(1) == answers).all(1).float().mean().item())  # both must be right
        optimizer.zero_grad()
        F.cross_entropy(logits, answers).backward()
        optimizer.step()
    curves[n_heads] = torch.tensor(right).unfold(0, 10, 5).mean(1)

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for (n_heads, right), colour in zip(curves.items(), ("#e0a070", "#0b6a72"), strict=True):
    axes.plot(
        [10 + 5 * i for i in range(len(right))],
        right,
        color=colour,
        label="one head" if n_heads == 1 else "two heads",
    )
axes.set_ylim(0, 1.05)
axes.set_xlabel("steps")
axes.set_title("both answers right, on new lists", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# One head can take half of the one and half of the other. Then it knows both things, but not which is whose.
# With two heads nothing must be shared.
#
# ## The second experiment: what do the heads of a GPT look at?
#
# A small GPT with two layers of four heads learns texts that **repeat themselves**: some letters in random
# order, then the same again and again, such as `qfbx qfbx qfbx`. Each text has other letters. The first
# round cannot be guessed. From the second on everything can be known, if one looks at the right place:
# *where did this letter stand before, and what came after it?* That takes two steps. First each letter
# notes which letter stands before it. Then another layer looks for the letter that has noted *mine*: it is
# the one that comes next. Will the heads find that out?
#
# We take the inputs of each attention, and compute the weights once more ourselves, because the fast kernels
# never keep them. (Two lines stand for what some models have in addition: norms for queries and keys, and the
# rotary positions of lesson 10.)

# %%
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

LETTERS, LENGTH = 32, 32


class Repeating:
    """Batches of texts that repeat themselves after 8 to 16 letters."""

    def at(self, step: int) -> list[dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(step)
        letters = torch.rand(32, LETTERS, generator=generator).argsort(
            1
        )  # (B, V) each in an order of its own
        period = torch.randint(8, 17, (32, 1), generator=generator)
        rows = letters.gather(1, torch.arange(LENGTH + 1) % period)  # (B, T + 1)
        return [{"ids": rows[:, :-1], "targets": rows[:, 1:]}]


def weights_of(model: groundup.Decoder, ids: Tensor) -> Tensor:
    """(B, T) ids -> (layers, B, H, T, S) how much each token looks at each, in all heads."""
    found = []

    def note(module: Attention, inputs: tuple, output: Tensor) -> None:
        x, rope, c = inputs[0], inputs[1], module.config
        query = module.query_norm(split_heads(module.query(x), c.n_heads))
        key = module.key_norm(split_heads(module.key(x), c.kv_heads))
        if rope is not None:
            query, key = rotate(query, *rope), rotate(key, *rope)
        everything = torch.eye(x.shape[1])  # (T, T) a value of its own for each token
        found.append(causal_attention(query, share(key, c.n_heads), everything))

    handles = [block.attention.register_forward_hook(note) for block in model.blocks]
    with torch.no_grad():
        model(ids)
    for handle in handles:
        handle.remove()
    return torch.stack(found)


# %% [markdown]
# (A small trick: if the value of token s is zero everywhere but at place s, then what is gathered *are* the
# weights.) What may a head look for? Three guesses:
#
# - the token **before**;
# - the **same** token earlier in the text;
# - the token **after the same** one earlier: this is the answer.
#
# For each head we measure which share of its weight goes there, wherever there is such a place.

# %%
guesses = ("before", "same", "after the same")


def places_of(ids: Tensor) -> Tensor:
    """(B, T) ids -> (3, B, T, T) True where a token would look, by each of the guesses."""
    places = torch.arange(ids.shape[1])
    before = (places[:, None] - 1 == places[None, :]).expand(len(ids), -1, -1)
    same_id = (ids[:, :, None] == ids[:, None, :]) & (places[:, None] > places[None, :])
    after_same = torch.zeros_like(same_id)
    after_same[..., 1:] = same_id[..., :-1]  # one place to the right of each equal token
    return torch.stack([before, same_id, after_same])


def shares_of(weights: Tensor, ids: Tensor) -> Tensor:
    """(layers, B, H, T, S) weights -> (layers, H, 3) the share of it by each guess."""
    where = places_of(ids)
    found = torch.einsum("lbhts,gbts->lhg", weights, where.float())
    return found / where.any(-1).sum((1, 2))  # by the number of tokens that have such a place


exam = Repeating().at(10**6)[0]
torch.manual_seed(1)
sizes = {"vocab_size": LETTERS, "context_length": LENGTH, "d_model": 64, "n_layers": 2, "n_heads": 4}
model = groundup.Decoder(groundup.ModelConfig(**sizes, position="rope"))
settings = TrainSettings(
    steps=30 if SHORT else 700,
    tokens_per_step=32 * LENGTH,
    sequence_length=LENGTH,
    micro_batch=32,
    learning_rate=5e-3,
    warmup_steps=20,
    schedule="linear",
    precision="float32",
)
steps, losses, story = [], [], []


def look(state) -> None:
    """Note the loss on the last letters, which can all be known, and where the heads look."""
    if state.step % 15 == 0:
        with torch.no_grad():
            logits = model(exam["ids"])[:, 16:]
        losses.append(F.cross_entropy(logits.flatten(0, 1), exam["targets"][:, 16:].flatten()).item())
        story.append(shares_of(weights_of(model, exam["ids"]), exam["ids"]))
        steps.append(state.step)


groundup.train(NextToken(model), Repeating(), settings, observers=[look])

# %%
weights = weights_of(model, exam["ids"])
assert torch.allclose(weights.sum(-1), torch.ones(()), atol=1e-4)
shares, story_of = (
    shares_of(weights, exam["ids"]),
    torch.stack(story),
)  # (layers, H, 3), (steps, layers, H, 3)
uniform = torch.ones(LENGTH, LENGTH).tril()
uniform = (uniform / uniform.sum(-1, keepdim=True)).expand(1, 32, 1, -1, -1)
evenly = shares_of(uniform, exam["ids"])[0]  # (1, 3) a head that looks at all alike
table = torch.cat([shares.flatten(0, 1), evenly])
labels = [f"layer {i + 1}, head {j + 1}" for i in range(2) for j in range(4)]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
left.imshow(table.numpy(), cmap="BuGn", vmin=0, vmax=1, aspect="auto")
for i, line in enumerate(table.tolist()):
    for j, number in enumerate(line):
        colour = "white" if number > 0.6 else "#333333"
        left.text(j, i, f"{number:.0%}", ha="center", va="center", color=colour, fontsize=8)
left.set_xticks(range(3), guesses)
left.set_yticks(range(len(table)), [*labels, "all alike"], fontsize=8)
left.set_title("where the heads look at the end", loc="left", fontsize=10)
right.plot(steps, np.array(losses) / math.log(LETTERS), color="#333333", label="loss (1: knows nothing)")
most = {0: shares[0, :, 0].argmax(), 2: shares[1, :, 2].argmax()}
for (guess, head), colour in zip(most.items(), ("#e0a070", "#0b6a72"), strict=True):
    layer = 0 if guess == 0 else 1
    name = f"layer {layer + 1}, head {head + 1}: {guesses[guess]}"
    right.plot(steps, story_of[:, layer, head, guess], color=colour, label=name)
right.set_ylim(0, 1.05)
right.set_xlabel("steps")
right.spines[["top", "right"]].set_visible(False)
right.legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# On one text. A row is a token that looks, a column one that is seen; the darker, the more. The text repeats
# itself where the lines in the right picture begin.

# %%
shown = int((exam["ids"] == exam["ids"][:, :1]).sum(1).argmax())  # a text with a short period
figure, both = plt.subplots(1, 2, figsize=(9.5, 5.3), layout="constrained")
letters = [chr(ord("a") + i) if i < 26 else str(i - 26) for i in exam["ids"][shown].tolist()]
for axes, (guess, head) in zip(both, most.items(), strict=True):
    layer = 0 if guess == 0 else 1
    axes.imshow(weights[layer, shown, head].numpy(), cmap="BuGn", vmin=0, vmax=1)
    axes.set_title(f"layer {layer + 1}, head {head + 1}: {guesses[guess]}", loc="left", fontsize=10)
    axes.set_xticks(range(LENGTH), letters, fontsize=7)
    axes.set_yticks(range(LENGTH), letters, fontsize=7)
plt.show()

# %% [markdown]
# A pair of heads in two layers works together: one looks at the token before, the other finds the token
# after the same one. Such pairs are called *induction heads* (Elhage et al. 2021; Olsson et al. 2022), and
# they are found in the large models, too: they are how a model takes up a name, a word or a pattern that it
# first met in this very text. The loss falls when they come into being.
#
# If you ran `make demo`, here are the heads of its model, on texts of the village.

# %%
demos = [run for run in (Path("runs/demo"), Path("../runs/demo")) if (run / "model").is_dir()]
if demos:
    loaded = groundup.load(demos[0])
    totals = []
    for text in village.documents(seed=1, start=10**6, count=20):
        ids = [loaded.tokenizer.border_id, *loaded.tokenizer.encode(text)]
        ids = torch.tensor([ids[: loaded.config.context_length]])
        totals.append(shares_of(weights_of(loaded.model.float().eval(), ids), ids))
    for layer, of_heads in enumerate(torch.stack(totals).nanmean(0)):
        for head, line in enumerate(of_heads.tolist()):
            said = ", ".join(f"{name} {number:.0%}" for name, number in zip(guesses, line, strict=True))
            print(f"layer {layer + 1}, head {head + 1}: {said}")
else:
    print("There is no demo yet.")

# %% [markdown]
# Nobody told the heads to do different things. They began with different numbers, and what one already does
# well is of no more use to the others.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **cut a row into heads.** Without `view`: use slices, and
# `torch.stack`. Yours takes its place in a real GPT.


# %%
def cut(x: Tensor, n_heads: int) -> Tensor:
    """(B, T, H * K) -> (B, H, T, K): the first K numbers belong to head 1."""
    ...


# %%
def logits_with(n_kv_heads: int, **parts) -> tuple[Tensor, Tensor]:
    """The logits of a GPT of groundup, and those of the same with our attention and your parts."""
    torch.manual_seed(3)
    gpt = groundup.Decoder(tiny_config(n_kv_heads=n_kv_heads)).eval()
    ids = torch.randint(0, 50, (2, 12))
    with torch.no_grad():
        own = gpt(ids)
        for block in gpt.blocks:
            ours = MultiHead(32, 4, n_kv_heads)
            ours.load_state_dict(block.attention.state_dict())
            vars(ours).update(parts)
            block.attention = ours
        return own, gpt(ids)


def check_cut(yours) -> str:
    got = yours(torch.arange(12.0).view(1, 2, 6), 3)
    wanted = [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 11]]]
    if not isinstance(got, Tensor) or got.shape != (1, 3, 2, 2):
        shape = tuple(got.shape) if isinstance(got, Tensor) else None
        return f"cut: not yet. Of shape (1, 2, 6) and 3 heads comes (1, 3, 2, 2), yours is {shape}."
    if got[0].tolist() != wanted:
        return f"cut: not yet. The heads of [0 ... 5], [6 ... 11] are {wanted}, yours {got[0].tolist()}."
    own, other = logits_with(4, split=yours)
    assert torch.allclose(own, other, atol=1e-5)
    return "cut: right! A GPT says the same with it."


print(check_cut(cut))

# %% [markdown]
# The second: **which key-value head belongs to this query head?** Both are counted from 0. With 4 query heads
# and 2 key-value heads, query heads 0 and 1 use the first.


# %%
def kv_head_of(head: int, n_heads: int, n_kv_heads: int) -> int:
    """The key-value head that serves a query head."""
    ...


# %%
def check_kv_head_of(yours) -> str:
    for n_heads, n_kv_heads in ((4, 2), (4, 1), (4, 4), (12, 3)):
        got = [yours(head, n_heads, n_kv_heads) for head in range(n_heads)]
        marks = torch.arange(n_kv_heads).view(1, -1, 1, 1)
        own = share(marks, n_heads).flatten().tolist()
        if got != own:
            return f"kv_head_of: not yet. Of {n_heads} heads with {n_kv_heads}: {own}, yours {got}."
    for n_kv_heads in (2, 1):

        def by_number(x: Tensor, n_heads: int) -> Tensor:
            return torch.stack([x[:, yours(h, n_heads, x.shape[1])] for h in range(n_heads)], 1)

        own, other = logits_with(n_kv_heads, share=by_number)
        assert torch.allclose(own, other, atol=1e-5)
    return "kv_head_of: right! With shared keys and values a GPT says the same with it."


print(check_kv_head_of(kv_head_of))

# %% [markdown]
# The third: **what does sharing save?** To write the next token, a model keeps the keys *and* the values of
# all tokens so far, of all layers and all key-value heads. How many numbers are that? `config` has
# `n_layers`, `kv_heads` (how many there are) and `head_width` (K).


# %%
def kept_numbers(config: groundup.ModelConfig, length: int) -> int:
    """How many numbers are kept for one text of this length."""
    ...


# %%
def check_kept_numbers(yours) -> str:
    from groundup.model.cache import KVCache

    for changes in ({}, {"n_kv_heads": 1}, {"n_layers": 5, "n_kv_heads": 2}, {"d_head": 10}):
        config = tiny_config(**changes)
        cache = KVCache(config, 1, 20)
        own, got = cache.keys.numel() + cache.values.numel(), yours(config, 20)
        if got != own:
            return (
                f"kept_numbers: not yet. With {changes or 'four heads'} groundup keeps {own}, you say {got}."
            )
    large = {"vocab_size": 1, "context_length": 32768, "d_model": 4096, "n_layers": 32, "n_heads": 32}
    sizes = [2 * yours(groundup.ModelConfig(**large, n_kv_heads=n), 32768) / 2**30 for n in (32, 8)]
    return (
        f"kept_numbers: right! A model of 32 layers and 32 heads keeps {sizes[0]:.0f} GiB for a text of "
        f"32,768 tokens (2 bytes for a number), with 8 key-value heads {sizes[1]:.0f} GiB."
    )


print(check_kept_numbers(kept_numbers))
