# %% [markdown]
# # 17. Learning by heart
#
# Whoever reads three pages a hundred times can recite them, and has learned little about anything else. A
# model can do that, too, and its loss looks wonderful. **How does one see whether a model understands or
# only remembers, and what helps?**
#
# You will watch a GPT learn a few pages by heart, find the moment when it should have stopped, and build
# *dropout*, which makes learning by heart hard.

# %%
import itertools
import math
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

import groundup
from groundup import village
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Two losses
#
# The texts are divided before anything is learned. Of one part, the **training** texts, the model learns.
# The other, the **validation** texts, it never learns from: there it is only examined. We take few training
# texts on purpose: a small page of the village. The model reads bytes.

# %%
FEW, MANY = 8, 100 if SHORT else 400
documents = list(village.documents(seed=1, start=0, count=MANY))
unseen = list(village.documents(seed=1, start=10**6, count=8 if SHORT else 30))
tokenizer = groundup.Tokenizer.from_bytes()
LENGTH = 64


def windows_of(texts: list[str]) -> groundup.TokenWindows:
    """All texts in one row, cut into windows."""
    return groundup.TokenWindows(encode(texts, tokenizer).tokens, LENGTH)


def all_at_once(windows: groundup.TokenWindows, most: int = 64) -> dict[str, Tensor]:
    """Up to `most` windows as one batch, to be examined on."""
    some = [windows[i] for i in range(min(most, len(windows)))]
    return {"ids": torch.stack([x for x, _ in some]), "targets": torch.stack([y for _, y in some])}


def examine(model: groundup.Decoder, batch: dict[str, Tensor]) -> float:
    """The mean loss, in nats per byte. eval(): as the model is used, without the dropout that comes below."""
    model.eval()
    with torch.no_grad():
        loss, count = NextToken(model)(batch)
    return loss.item() / count


few, many, new = windows_of(documents[:FEW]), windows_of(documents), windows_of(unseen)
print(
    f"{FEW} texts: {len(few)} windows of {LENGTH} bytes; {MANY} texts: {len(many)}; to examine on: {len(new)}"
)
print(documents[0][:300])

# %% [markdown]
# ## The experiment
#
# One GPT, twice: once it reads only the few texts, again and again, and once the many. Otherwise all is the
# same. Now and then it is examined, on texts that it has read and on texts that it has not.

# %%
STEPS = 16 if SHORT else 480
SETTINGS = TrainSettings(
    steps=STEPS,
    tokens_per_step=8 * LENGTH,
    sequence_length=LENGTH,
    micro_batch=8,
    learning_rate=3e-3,
    warmup_steps=4,
    schedule="constant",
)


def new_model(dropout: float = 0.0) -> groundup.Decoder:
    """Always the same start."""
    torch.manual_seed(1)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": LENGTH, "d_model": 96}
    return groundup.Decoder(
        groundup.ModelConfig(**sizes, n_layers=2, n_heads=3, position="rope", dropout=dropout)
    )


class Record:
    """A trained model, and its losses on the way."""

    def __init__(self, windows: groundup.TokenWindows, dropout: float = 0.0):
        self.model, self.at, self.read, self.new = new_model(dropout), [], [], []
        self.read_batch, self.new_batch = all_at_once(windows), all_at_once(new)
        batches = groundup.Batches(
            windows, groundup.Order(len(windows), seed=1), samples_per_step=8, micro_batch=8
        )
        torch.manual_seed(2)
        groundup.train(NextToken(self.model), batches, SETTINGS, observers=[self.watch])

    def watch(self, state) -> None:
        if state.step % (STEPS // 16) == 0:
            self.at.append(state.step)
            self.read.append(examine(self.model, self.read_batch))
            self.new.append(examine(self.model, self.new_batch))


by_heart, widely_read = Record(few), Record(many)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for axes, record, title in ((panels[0], by_heart, f"{FEW} texts"), (panels[1], widely_read, f"{MANY} texts")):
    axes.plot(record.at, record.read, color="#b9c4c6", label="texts that it has read")
    axes.plot(record.at, record.new, color="#0b6a72", label="new texts")
    lowest = int(np.argmin(record.new))
    axes.plot(record.at[lowest], record.new[lowest], "o", color="#b04a12")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("steps")
    axes.set_title(f"Loss after learning from {title}", loc="left")
panels[0].legend(frameon=False, loc="lower left")
panels[0].set_ylabel("nats per byte")
plt.show()
for name, record in (("few", by_heart), ("many", widely_read)):
    print(
        f"{name:5} texts: read {record.read[-1]:.2f}, new {record.new[-1]:.2f}, at best {min(record.new):.2f}"
    )
if not SHORT:
    assert by_heart.new[-1] > min(by_heart.new) + 0.3  # it got worse again
    assert by_heart.read[-1] < by_heart.new[-1] - 1
    assert widely_read.new[-1] < by_heart.new[-1] - 1

# %% [markdown]
# At first both losses fall together: what is true of one text of the village is true of all. Then they
# part. On the texts that it reads again and again the model becomes better and better, and on new ones
# **worse**, for it becomes sure of things that are only so in those few texts. This is *overfitting*. The
# red point is the best moment; somebody who looks at the training loss alone does not see it.
#
# With many texts, no window comes back soon. There the two losses stay together, and the only way to a
# smaller one is to understand.
#
# What has become of the first model? It goes on from the beginning of a text that it has read, and of one
# that is new:

# %%
for name, text in (("read", documents[0]), ("new", unseen[0])):
    loaded = groundup.Loaded(by_heart.model.eval(), tokenizer, by_heart.model.config)
    said = "".join(piece.text for piece in groundup.generate(loaded, text[:20], max_tokens=40, temperature=0))
    print(f"{name:5} {text[:20]!r} -> {said!r}")
    print(f"{'':5} {'in truth':>{len(repr(text[:20]))}} -> {text[20:60]!r}")

# %% [markdown]
# ## Dropout, by hand
#
# Learning by heart needs the cooperation of many numbers, each of which relies on the others being exactly
# so. **Dropout** (Srivastava et al. 2014) disturbs this: in each step of training, each number is set to
# zero with probability p. Nobody can rely on anybody. When the model is used, nothing is dropped.
#
# But then the next layer would suddenly receive more than it is used to. So what is kept is divided by
# $1 - p$ during training. By hand: `2 4 6 8`, p = 0.5, and chance keeps the first and the last: `4 0 0 16`.
# On average over all 16 ways to keep or drop it is `2 4 6 8` again. With p = 0.25 the ways are not equally
# probable, but the average is the same.

# %%
x = np.array([2.0, 4.0, 6.0, 8.0])
for p in (0.5, 0.25):
    mean = np.zeros(4)
    for keep in itertools.product((0, 1), repeat=4):
        chance = math.prod((1 - p) if kept else p for kept in keep)
        mean += chance * x * np.array(keep) / (1 - p)
    assert np.allclose(mean, x)
    print(f"p = {p}: on average {mean}")


# %%
class Dropout(nn.Module):
    """Sets numbers to zero with probability p while training, and does nothing else."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p)  # 1 with probability 1 - p, else 0
        return x * keep / (1 - self.p)


# %% [markdown]
# In groundup's GPT dropout stands after the embeddings, after what each block adds to the stream, and on
# the weights of the attention. We put ours into all places but the last one (that is inside a fused
# function), let both models draw the same chance, and compare what they say, and all gradients.

# %%
theirs, ours = new_model(0.2), new_model(0.2)
ours.drop = Dropout(0.2)
for block in ours.blocks:
    assert isinstance(block.drop, nn.Dropout)
    block.drop = Dropout(0.2)

batch = {name: rows[:4] for name, rows in all_at_once(many).items()}
losses = {}
for name, model in (("ours", ours), ("theirs", theirs)):
    model.train()
    torch.manual_seed(7)
    loss, _ = NextToken(model)(batch)
    loss.backward()
    losses[name] = loss.item()
assert math.isclose(losses["ours"], losses["theirs"], rel_tol=1e-6)
for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
    assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-4)

for model in (ours, theirs):  # and when it is used, nothing is dropped
    assert torch.equal(model.eval()(batch["ids"]), new_model(0.0).eval()(batch["ids"]))
torch.manual_seed(8)
assert NextToken(ours.train())(batch)[0].item() != losses["ours"]  # another chance, another loss
print(f"The same loss with the same chance: {losses['ours']:.4f}")

# %% [markdown]
# A mistake that costs many an evening: to forget `model.eval()` before an examination. Then the loss is
# worse than it should be, and another one each time. groundup's loop says `method.train()` before each
# step, for who examines in between has said `eval()`.
#
# ## Does it help?
#
# The few texts again, with more and more dropout.

# %%
records = {0.0: by_heart} | {p: Record(few, dropout=p) for p in ((0.3,) if SHORT else (0.2, 0.4))}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for (p, record), colour in zip(records.items(), ("#b9c4c6", "#e0a070", "#0b6a72"), strict=False):
    panels[0].plot(record.at, record.read, color=colour, label=f"dropout {p}")
    panels[1].plot(record.at, record.new, color=colour)
    lowest = int(np.argmin(record.new))
    panels[1].plot(record.at[lowest], record.new[lowest], "o", color=colour)
    print(
        f"dropout {p}: read {record.read[-1]:.2f}, new {record.new[-1]:.2f} at the end; "
        f"new at best {record.new[lowest]:.2f}, after {record.at[lowest]} steps"
    )
for axes, title in zip(panels, ("texts that it has read", "new texts"), strict=True):
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("steps")
    axes.set_title(f"Loss on {title}", loc="left")
panels[0].legend(frameon=False)
panels[0].set_ylabel("nats per byte")
plt.show()
if not SHORT:
    assert max(records[0.2].new[-1], records[0.4].new[-1]) < records[0.0].new[-1] - 1

# %% [markdown]
# Dropout makes learning by heart hard, and learning what holds for all texts a little slower. So new texts
# gain very much at the end, and little at the best moment: who stops in time gets most of it for nothing.
# With much dropout everything takes longer. But look at the scales: **more texts** (the plot above) help
# far more than any trick. This is why large models, which read each text about once, are trained without
# dropout, and why groundup's recipes do without it.
#
# One more rule. Whoever chooses the best moment, the best dropout and the best rate by the validation texts
# has in a way *learned from them*: a little of the good result is luck. An honest last number comes from a
# third part, the *test* texts, at which one looks once.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **dropout by yourself**, from a given generator. It will
# be examined, and then a GPT trains with it.


# %%
def dropped(x: Tensor, p: float, generator: torch.Generator) -> Tensor:
    """x, each number of it set to zero with probability p, so that the average stays. Use the generator."""
    ...


# %%
def check_dropped(yours) -> str:
    for p in (0.0, 0.1, 0.7):
        x = (torch.rand(300, 200) + 0.5).requires_grad_()
        got = yours(x, p, torch.Generator().manual_seed(1))
        if got is None or got.shape != x.shape:
            return "dropped: not yet. It gives no tensor of x's shape."
        zeros = (got == 0).float().mean().item()
        if abs(zeros - p) > 0.01:
            return f"dropped: not yet. With p = {p}, {zeros:.1%} are zero."
        kept = got != 0
        if not torch.allclose(got[kept], x[kept] / (1 - p)):
            factor = (got[kept] / x[kept]).mean().item()
            return f"dropped: not yet. With p = {p}, what is kept is multiplied by {factor:.3f}."
        for rows in (kept.float().mean(0), kept.float().mean(1)):
            if p and rows.std() > 3 * math.sqrt(p * (1 - p) / 200):
                return "dropped: not yet. Whole rows or columns are dropped together."
        if not torch.equal(got, yours(x, p, torch.Generator().manual_seed(1))):
            return "dropped: not yet. The same generator should drop the same."
        if p and torch.equal(got, yours(x, p, torch.Generator().manual_seed(2))):
            return "dropped: not yet. Another seed should drop others."
        (gradient,) = torch.autograd.grad(got.sum(), x)
        if not torch.allclose(gradient, kept / (1 - p)):
            return "dropped: not yet. The gradient does not go the same way."

    class Yours(nn.Module):
        generator = torch.Generator().manual_seed(3)

        def forward(self, x: Tensor) -> Tensor:
            return yours(x, 0.2, self.generator) if self.training else x

    model = new_model()
    for part in (model, *model.blocks):
        part.drop = Yours()
    before = examine(model, all_at_once(few, 8))
    batches = groundup.Batches(few, groundup.Order(len(few), seed=1), samples_per_step=8, micro_batch=8)
    groundup.train(NextToken(model), batches, replace(SETTINGS, steps=8))
    after = examine(model, all_at_once(few, 8))
    assert after < before
    return f"dropped: right! In eight steps a GPT learns with it from {before:.2f} to {after:.2f}."


print(check_dropped(dropped))

# %% [markdown]
# The second: **when to stop.** The validation losses come in one after the other. One goes on as long as
# there is hope: until the loss has not been better than the best for `patience` examinations in a row. Then
# one takes the model of the best step so far. Which one is it? (A better one that would have come later
# does not count: nobody got there.)


# %%
def best_step(at: list[int], losses: list[float], patience: int) -> int:
    """The step of the model that is kept; at[i] is the step at which losses[i] was measured."""
    ...


# %%
def check_best_step(yours) -> str:
    cases = [
        ([10, 20, 30, 40, 50], [3.0, 2.0, 2.5, 2.2, 2.1], 2, 20),
        ([10, 20, 30, 40, 50], [3.0, 2.0, 2.5, 2.2, 1.0], 2, 20),  # 1.0 comes too late
        ([10, 20, 30, 40, 50], [3.0, 2.0, 2.5, 2.2, 1.0], 3, 50),
        ([10, 20, 30], [3.0, 2.0, 1.0], 1, 30),  # still getting better at the end
        ([5, 10, 15, 20, 25], [2.0, 2.5, 1.9, 2.5, 1.8], 2, 25),  # a better one makes the patience new
    ]
    for at, losses, patience, own in cases:
        if (got := yours(at, losses, patience)) != own:
            return (
                f"best_step: not yet. {losses} with patience {patience}: step {own} is kept, you say {got}."
            )
    chosen = yours(by_heart.at, by_heart.new, 3)
    return f"best_step: right! Of the model that learned by heart, that of step {chosen} is kept."


print(check_best_step(best_step))

# %% [markdown]
# The third: **was it copied?** Find the longest piece of a model's text that stands word for word, letter
# for letter, in the texts that it read. (It may be anywhere in both. Of several of the same length, take
# the first.)


# %%
def longest_copy(text: str, source: str) -> str:
    """The longest piece of `text` that is also a piece of `source`."""
    ...


# %%
def check_longest_copy(yours) -> str:
    from difflib import SequenceMatcher

    def own(text: str, source: str) -> str:
        found = SequenceMatcher(None, text, source, autojunk=False).find_longest_match()
        return text[found.a : found.a + found.size]

    source = "\n".join(documents[:FEW])
    said = {}
    for name, record in (("by heart", by_heart), ("widely read", widely_read)):
        loaded = groundup.Loaded(record.model.eval(), tokenizer, record.model.config)
        pieces = groundup.generate(loaded, unseen[0][:20], max_tokens=44, temperature=1, seed=1)
        said[name] = "".join(piece.text for piece in pieces)
    cases = [("bananas", "an ananas"), ("abcdef", "xbcxdefx"), ("a a a b", "b a a"), ("abc", "xyz")]
    for text, where in cases + [(text, source) for text in said.values()]:
        if (got := yours(text, where)) != (expected := own(text, where)):
            return f"longest_copy: not yet. In {text!r} it is {expected!r}, yours is {got!r}."
    found = ", ".join(f"{name}: {yours(text, source)!r}" for name, text in said.items())
    return f"longest_copy: right! Longest pieces of the few texts in what the two models say: {found}."


print(check_longest_copy(longest_copy))
