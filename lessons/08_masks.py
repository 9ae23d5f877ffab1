# %% [markdown]
# # 8. Masks
#
# A GPT reads a window of tokens and guesses at *each* of its places what comes next: a thousand exercises in
# one go. But the solutions lie on the table, too: what follows place 5 stands at place 6 of the same window.
# **How can all places learn at once, without any of them reading its own answer?**
#
# By a *mask*: a table that says who may look at whom. It is one line of code, and a mistake in it is the most
# beautiful mistake there is: the loss becomes wonderful, and the model worthless. We build the mask, put it
# with dropout into a small class that equals groundup's attention, use masks for padding and for several
# documents in one window, and then make the mistake on purpose.

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
# ## The smallest example, by hand
#
# Three tokens look at each other. $e$ to the power of their scores is, row by row, `1 2 1`, `1 3 2` and `2
# 1 1`. Without a mask the first token takes ¼, ½ and ¼: mostly of the second token, which is what it should
# guess. With the mask it sees only itself:
#
# | | may see | weights |
# |---|---|---|
# | first | itself | 1, 0, 0 |
# | second | first, itself | ¼, ¾, 0 |
# | third | all | ½, ¼, ¼ |
#
# The trick is to forbid *before* the softmax. A score of −∞ becomes $e^{-\infty} = 0$, and the softmax
# makes the others add up to 1 by itself. One could as well take the weights without a mask, delete what is
# forbidden, and divide each row by what is left. It is the same; but if one forgets to divide, the sum of a
# row tells how much lay in the future. That would be a leak.
#
# Shapes in the comments: B texts, T tokens that look, S tokens that are looked at, D and K numbers for each.

# %%
powers = torch.tensor([[1.0, 2, 1], [1, 3, 2], [2, 1, 1]])
scores = powers.log().requires_grad_()  # (T, S)


def causal(time: int) -> Tensor:
    """(T, S) True where a token may look: at itself and at what came before."""
    return torch.ones(time, time, dtype=torch.bool).tril()


weights = scores.masked_fill(~causal(3), -math.inf).softmax(-1)
assert torch.allclose(weights, torch.tensor([[1, 0, 0], [0.25, 0.75, 0], [0.5, 0.25, 0.25]]))
deleted = scores.softmax(-1) * causal(3)
assert torch.allclose(weights, deleted / deleted.sum(-1, keepdim=True))

direction = torch.tensor([[5.0, 1, 2], [1, 2, 3], [3, 1, 0]])
gradient = torch.autograd.grad(weights, scores, direction)[0]
assert (gradient[~causal(3)] == 0).all()  # what is forbidden learns nothing here
print(causal(3).int().numpy(), gradient.numpy().round(3), sep="\n")

# %% [markdown]
# ## Dropout
#
# If a model always looks at the same word, it does not learn what it could know without it. *Dropout*
# deletes each weight with some probability p while it trains, anew in each step (Srivastava et al. 2014).
# The others are divided by 1 − p. By hand for weights ½ and ½ with p = ½: each of the four outcomes `1 1`,
# `1 0`, `0 1`, `0 0` comes equally often, and their mean is `½ ½`, as if nothing had happened. So when the
# model is used one may simply leave the dropout out.

# %%
generator = torch.Generator().manual_seed(1)
half = torch.tensor([0.5, 0.5])
kept = torch.rand(20000, 2, generator=generator) >= 0.5
dropped = half * kept / (1 - 0.5)  # (20000, 2)
assert {tuple(row) for row in dropped.tolist()} == {(0, 0), (0, 1), (1, 0), (1, 1)}
assert torch.allclose(dropped.mean(0), half, atol=0.02)

# %% [markdown]
# ## The part, complete
#
# One head of attention with mask and dropout. It takes the place of groundup's own in a GPT, which hands it
# three things that it does not need (`rope`, `sight` and `cache`).


# %%
class CausalAttention(nn.Module):
    """Each token gathers values from those before it whose keys fit its query."""

    def __init__(self, d_model: int, head_width: int, dropout: float = 0.0, mask=causal):
        super().__init__()
        self.query = nn.Linear(d_model, head_width)
        self.key = nn.Linear(d_model, head_width)
        self.value = nn.Linear(d_model, head_width)
        self.output = nn.Linear(head_width, d_model)
        self.drop, self.mask = nn.Dropout(dropout), mask

    def forward(self, x: Tensor, rope=None, sight=None, cache=None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        query, key, value = self.query(x), self.key(x), self.value(x)  # (B, T, K) each
        scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, T, S)
        scores = scores.masked_fill(~self.mask(x.shape[1]), -math.inf)
        return self.output(self.drop(scores.softmax(-1)) @ value)


# %% [markdown]
# groundup asks PyTorch's `scaled_dot_product_attention` to do it. There, mask and dropout are arguments, and
# where the mask is the plain causal one it is not even made: a fast kernel knows it. Value and gradients must
# agree, and with the same seed even the dropout.

# %%
from groundup.model.layers import Attention
from groundup.model.visible import Sight, Visible, sight


def results_of(module: nn.Module, x: Tensor, *others) -> list[Tensor]:
    """What it gives for x, and the gradients by x and by each of its own numbers, of some loss."""
    torch.manual_seed(7)  # for the dropout
    x = x.clone().requires_grad_()
    out = module(x, *others)
    towards = torch.linspace(-1, 1, out.numel()).view(out.shape)  # any direction, but the same for all
    gradients = torch.autograd.grad((out * towards).sum(), [x, *module.parameters()])
    return [out.detach(), *gradients]


def tiny_config(**changes) -> groundup.ModelConfig:
    """A small GPT with one head."""
    sizes = {"vocab_size": 50, "context_length": 24, "d_model": 32, "n_layers": 2, "n_heads": 1}
    return groundup.ModelConfig(**{**sizes, **changes})


torch.manual_seed(1)
for dropout in (0.0, 0.3):
    real = Attention(tiny_config(dropout=dropout))
    ours = CausalAttention(32, 32, dropout)
    ours.load_state_dict(real.state_dict())
    x = torch.randn(4, 12, 32)
    known = results_of(real, x, None, Sight(mask=None, is_causal=True))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(results_of(ours, x), known, strict=True))
print("groundup's attention with its causal mask, without dropout and with it: the same.")

# %% [markdown]
# ## Texts of different lengths: padding
#
# A batch is a table, but texts have different lengths. So the short ones are filled up on the right with some
# id. Need this *padding* be masked? With a causal mask nobody sees what is to the right of him. So no real
# token sees padding, and all that matters is that padding is no target of the loss. (Where a model reads a
# text *without* a causal mask, as in lesson 7 and in a BERT, it matters: there `Visible(lengths=...)` hides
# it.)
#
# ## Several documents in one window
#
# Lesson 4 put all documents in one row, with borders between them, and cut it into windows. A window may
# then hold the end of a letter and the beginning of a tale. Shall the tale see the letter? It can learn to
# ignore it. Or one gives each token **the number of its document**, and a token sees only those with the
# same number.

# %%
documents = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2])  # (T,)
same = documents[:, None] == documents[None, :]  # (T, S)
allowed = same & causal(8)

places = torch.arange(8)
assert sight(places, places, None, Visible(documents=documents[None])).mask[0, 0].equal(allowed)
lengths = torch.tensor([5])
real_keys = (places < 5)[None, :]  # (1, S) columns of padding are hidden, and each token sees itself
padded = (real_keys & causal(8)) | torch.eye(8, dtype=torch.bool)
assert sight(places, places, None, Visible(lengths=lengths)).mask[0, 0].equal(padded)

figure, all_axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
titles = ("causal", "three documents", "five tokens, then padding")
for axes, mask, title in zip(all_axes, (causal(8), allowed, padded), titles, strict=True):
    axes.imshow(mask.numpy(), cmap="BuGn", vmin=0, vmax=1.5)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("is seen")
    axes.set_ylabel("looks")
plt.show()

# %% [markdown]
# Why does padding see itself? A row in which all is forbidden has no largest score: 0 divided by 0. From
# there "not a number" would spread through the whole model. Nobody uses what padding sees, but it must be a
# number.
#
# The proof that a mask does what it promises: three documents **in one window** give the same logits as each
# of them **alone**. (Each document counts its positions from 0; lesson 10 is about them.)

# %%
torch.manual_seed(1)
model = groundup.Decoder(tiny_config()).eval()
ids = torch.randint(0, 50, (1, 8))
with torch.no_grad():
    alone = torch.cat([model(ids[:, documents == number]) for number in range(3)], 1)  # (1, T, V)
    positions = torch.cat([torch.arange(3), torch.arange(4), torch.arange(1)])
    packed = model(ids, positions=positions, visible=Visible(documents=documents[None]))
    mixed = model(ids, positions=positions)
    assert torch.allclose(packed, alone, atol=1e-5)
    assert not torch.allclose(mixed, alone, atol=1e-3)  # without the mask it is another
    filled = model(torch.cat([ids, torch.zeros(1, 3, dtype=torch.long)], 1), visible=Visible(lengths=lengths))
    assert torch.allclose(filled[:, :5], model(ids[:, :5]), atol=1e-5)
print("Packed or padded: what a document's tokens say is the same as alone.")

# %% [markdown]
# ## The experiment: a leak
#
# Now the mistake. Somebody writes `.tril(1)` in place of `.tril()`: each token sees **one token ahead**, and
# this is just what it is asked for. Two small GPTs learn from the village, one with the right mask and one
# with the wrong one. Everything else is the same. For the village we know the *floor*, the best loss possible
# (lesson 6).

# %%
from groundup.doctor import Patient
from groundup.doctor.no_future import CHECK
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

LENGTH = 64
texts = list(village.documents(seed=1, start=0, count=150 if SHORT else 1500))
unseen = list(village.documents(seed=1, start=10**6, count=4 if SHORT else 12))
tokenizer = groundup.train_bpe(texts[:500], vocab_size=512)
rows = [[tokenizer.border_id, *ids] for ids in tokenizer.encode_batch(texts)]
row = np.array([id for ids in rows for id in ids])
windows = groundup.TokenWindows(row, LENGTH)
nats_to_bits_per_byte = len(row) / len("".join(texts).encode()) / math.log(2)
floor = sum(map(village.bits, texts[:200])) / len("".join(texts[:200]).encode())


def peeking(time: int) -> Tensor:
    """The wrong mask: each token sees one token too many."""
    return torch.ones(time, time, dtype=torch.bool).tril(1)


def make_model(mask) -> groundup.Decoder:
    """A small GPT with our attention and this mask."""
    torch.manual_seed(1)
    model = groundup.Decoder(tiny_config(vocab_size=512, context_length=LENGTH, d_model=96))
    for block in model.blocks:
        ours = CausalAttention(96, 96, mask=mask)
        ours.load_state_dict(block.attention.state_dict())
        block.attention = ours
    return model


def learn(model: groundup.Decoder, steps: int) -> list[float]:
    """Train it; the loss of each step in bits per byte."""
    batches = groundup.Batches(
        windows, groundup.Order(len(windows), seed=1), samples_per_step=16, micro_batch=16
    )
    settings = TrainSettings(
        steps=steps,
        tokens_per_step=16 * LENGTH,
        sequence_length=LENGTH,
        micro_batch=16,
        learning_rate=5e-3,
        warmup_steps=10,
        schedule="linear",
        precision="float32",
    )
    losses = []
    groundup.train(NextToken(model), batches, settings, observers=[lambda state: losses.append(state.loss)])
    model.eval()
    return (np.array(losses) * nats_to_bits_per_byte).tolist()


models = {"the right mask": make_model(causal), "one token ahead": make_model(peeking)}
curves = {name: learn(model, 15 if SHORT else 250) for name, model in models.items()}

# %% [markdown]
# How good are they in truth? When a model writes, the next token is *not there yet*. So we give it each
# beginning of the unseen texts by itself, and look only at the last place.

# %%


def bits_without_future(model: groundup.Decoder) -> float:
    """Bits per byte on the unseen texts, where each guess is made from a text that ends there."""
    nats, n_bytes = 0.0, 0
    for text in unseen:
        ids = torch.tensor([tokenizer.border_id, *tokenizer.encode(text)])[:LENGTH]
        n_bytes += len(tokenizer.decode(ids[1:].tolist()).encode())
        with torch.no_grad():
            for end in range(1, len(ids)):
                nats += F.cross_entropy(model(ids[None, :end])[:, -1], ids[None, end]).item()
    return nats / n_bytes / math.log(2)


def write(model: groundup.Decoder, prompt: str, length: int) -> str:
    """Go on, always with the most probable token."""
    ids = [tokenizer.border_id, *tokenizer.encode(prompt)]
    for _ in range(length):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return tokenizer.decode(ids[1:])


honest = {name: bits_without_future(model) for name, model in models.items()}

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.6), width_ratios=[3, 2], sharey=True, layout="constrained"
)
colours = {"the right mask": "#0b6a72", "one token ahead": "#e0a070"}
for name, curve in curves.items():
    left.plot(curve, color=colours[name], label=name)
    right.bar(name, honest[name], color=colours[name], width=0.6)
    right.annotate(
        f"{honest[name]:.2f}", (name, honest[name]), (0, 3), textcoords="offset points", ha="center"
    )
for axes in (left, right):
    axes.axhline(floor, color="#b04a12", linestyle=":", label="the floor")
    axes.set_ylim(0, 7)
    axes.spines[["top", "right"]].set_visible(False)
left.set_title("bits per byte while they learn", loc="left", fontsize=10)
left.set_xlabel("steps")
left.legend(frameon=False)
right.set_title("when the next token is not there yet", loc="left", fontsize=10)
plt.show()
for name, model in models.items():
    print(f"{name}: {write(model, 'Near the mill lived', 24)!r}")

# %% [markdown]
# The one that peeks soon has a loss below the floor, *better than possible*, and tends to zero: it copies its
# answer from the next place. On real texts nobody knows the floor, and such a run would be a reason to
# celebrate. But without the answers it is lost.
#
# One need not train for hours to notice. Change the second half of a text, and look at the first half: if
# anything changes there, somebody sees the future. Before each run groundup's **doctor** does this, on the
# very model and the first batch. Ours first, in three lines, then the doctor's:

# %%
inputs, targets = (torch.stack(part) for part in zip(*(windows[i] for i in range(4)), strict=True))
for mask, healthy in ((causal, True), (peeking, False)):
    new = make_model(mask).eval()
    changed = inputs.clone()
    changed[:, 32:] = (changed[:, 32:] + 1) % 512
    with torch.no_grad():
        unmoved = new(inputs)[:, :32].equal(new(changed)[:, :32])
    finding = CHECK.examine(Patient(new, inputs, targets))
    assert unmoved == finding.ok == healthy
    print(f"{mask.__name__:8} {finding.message}")

# %% [markdown]
# ## Exercises
#
# Replace `...` and run the cell again. The first: **which document does each token belong to?** A border (its
# id is given) begins a document and belongs to it. The first document of a row has the number 0, whether the
# row begins with a border or in the middle of a document. Your numbers are given to a real GPT, which must
# then say the same as for each document alone.


# %%
def document_numbers(ids: Tensor, border: int) -> Tensor:
    """(T,) ids -> (T,) the number of each one's document."""
    ...


# %%
def check_document_numbers(yours) -> str:
    for text, wanted in (
        ([9, 1, 2, 9, 3, 9, 9, 4], [0, 0, 0, 1, 1, 2, 3, 3]),
        ([5, 5, 9, 1], [0, 0, 1, 1]),
        ([5], [0]),
    ):
        got = yours(torch.tensor(text), 9)
        if not isinstance(got, Tensor) or got.tolist() != wanted:
            return f"document_numbers: not yet. With 9 as the border {text} has {wanted}, yours {got}."
    ids = torch.randint(1, 50, (24,), generator=torch.Generator().manual_seed(3))
    ids[[0, 7, 12]] = 0  # three documents
    numbers = yours(ids, 0)
    positions = torch.cat([torch.arange(7), torch.arange(5), torch.arange(12)])
    with torch.no_grad():
        together = model_of_exercises(
            ids[None], positions=positions, visible=Visible(documents=numbers[None])
        )
        alone = torch.cat([model_of_exercises(part[None]) for part in ids.split([7, 5, 12])], 1)
    assert torch.allclose(together, alone, atol=1e-5)
    return "document_numbers: right! A GPT reads three documents in one window as if each were alone."


torch.manual_seed(2)
model_of_exercises = groundup.Decoder(tiny_config()).eval()
print(check_document_numbers(document_numbers))

# %% [markdown]
# The second: **a mask with a window.** Some models save work and let a token look back by a few tokens only:
# with a window of 3 at itself and at the two before it. And at no other document, and not ahead. Your mask is
# put into `CausalAttention`, in all layers of a GPT, and compared with groundup's own.


# %%
def may_look(documents: Tensor, window: int) -> Tensor:
    """(T,) the number of each token's document -> (T, T) True where a token (row) may look at another."""
    ...


# %%
def check_may_look(yours) -> str:
    got = yours(torch.tensor([0, 0, 0, 1]), 2)
    wanted = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    if not isinstance(got, Tensor) or got.shape != (4, 4):
        return "may_look: not yet. Expected a table with a row and a column for each token."
    if got.int().tolist() != wanted:
        return f"may_look: not yet. Documents 0 0 0 1, window 2: {wanted}, yours {got.int().tolist()}."
    documents = torch.tensor([0] * 9 + [1] * 7 + [0] * 4)
    torch.manual_seed(3)
    theirs = groundup.Decoder(tiny_config(window=5, layer_pattern="L")).eval()
    ids = torch.randint(0, 50, (1, 20))
    with torch.no_grad():
        own = theirs(ids, visible=Visible(documents=documents[None]))
        for block in theirs.blocks:
            ours = CausalAttention(32, 32, mask=lambda time: yours(documents, 5).bool())
            ours.load_state_dict(block.attention.state_dict())
            block.attention = ours
        off = (theirs(ids) - own).abs().max().item()
    if not off < 1e-5:
        return f"may_look: not yet. The logits of a GPT differ by {off:.2g}."
    return "may_look: right! A GPT with your mask says the same as with groundup's."


print(check_may_look(may_look))

# %% [markdown]
# The third: **dropout.** Delete each number with the probability `share`, and see to it that the mean
# stays. (`torch.rand(shape, generator=generator)` gives numbers between 0 and 1.) In groundup's attention,
# the mean of many outputs with your dropout must come near the output without any.


# %%
def dropped_out(weights: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """(..., S) weights -> the same shape, some of them deleted."""
    ...


# %%
def check_dropped_out(yours) -> str:
    generator = torch.Generator().manual_seed(4)
    ones = torch.ones(200, 200)
    got = yours(ones, 0.2, generator)
    if not isinstance(got, Tensor) or got.shape != ones.shape:
        return "dropped_out: not yet. It should give back weights of the same shape."
    found = (got == 0).float().mean().item()
    if abs(found - 0.2) > 0.01:
        return f"dropped_out: not yet. With a share of 0.2, {found:.1%} of 40,000 numbers are deleted."
    if min((got == 0).float().mean(dim).std().item() for dim in (0, 1)) < 0.01:
        return "dropped_out: not yet. Whole rows or columns share one fate; each number should have its own."
    if abs(got.mean().item() - 1) > 0.01:
        return f"dropped_out: not yet. The mean of all was 1 and is now {got.mean():.2f}."

    class Yours(nn.Module):
        def forward(self, weights: Tensor) -> Tensor:
            return yours(weights, 0.3, generator)

    real = Attention(tiny_config())
    ours = CausalAttention(32, 32)
    ours.load_state_dict(real.state_dict())
    ours.drop = Yours()
    x = torch.randn(1, 8, 32, generator=generator)
    with torch.no_grad():
        mean = ours(x.expand(4000, -1, -1)).mean(0)
        plain = real(x, None, Sight(mask=None, is_causal=True))[0]
    off = ((mean - plain).norm() / plain.norm()).item()
    if off > 0.05:
        return f"dropped_out: not yet. The mean output of attention is off by {off:.0%}."
    return f"dropped_out: right! Over 4,000 draws, attention's mean output is off by {off:.1%}."


print(check_dropped_out(dropped_out))
