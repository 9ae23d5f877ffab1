# %% [markdown]
# # 5. Embeddings and a neural language model
#
# A table of counts knows each sequence of words by itself. That somebody lent a *jug* on Monday tells it
# nothing about lending a *bowl* on Tuesday. **How can a computer learn that two words are alike, when an id
# is only a number?**
#
# Give each word not one number but several, and let these be *learned*. Words that are used alike then get
# numbers that are alike. This row of numbers is called the word's **embedding**, and every language model of
# today begins with it. In this lesson you build the first model that learned it, by Bengio, Ducharme, Vincent
# and Jauvin ("A Neural Probabilistic Language Model", 2003). With the same texts it beats all counting, and
# then we look at what it has found out about the words.

# %%
import math
import os
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
documents = list(village.documents(seed=1, start=0, count=150 if SHORT else 1500))
unseen = list(village.documents(seed=1, start=10**6, count=15 if SHORT else 150))

# %% [markdown]
# ## The smallest example, by hand
#
# Four words, and two numbers for each. Shapes in the comments: V words in the vocabulary, D numbers for each
# (here 2), T words of a text, B texts in a batch.
#
# | id | word | | |
# |---|---|---|---|
# | 0 | the | 0.1 | 0.5 |
# | 1 | cat | 0.9 | −0.2 |
# | 2 | dog | 0.8 | −0.3 |
# | 3 | saw | −0.4 | 0.7 |
#
# The text `the dog saw the` is `0 2 3 0`, and its embeddings are the rows 0, 2, 3 and 0 of the table: to
# embed is to **look up a row**. One can write it as a multiplication, too. Instead of the id 2 take the row
# `0 0 1 0`, which is zero everywhere but at place 2: the word *one-hot*. This row times the table is row 2 of
# the table.
#
# And learning? Suppose the loss would fall if the numbers at the four places changed in some directions: its
# gradient by them is `1 0`, `0 2`, `3 3`, `5 0`. The row of `the` was used at the first and the last place.
# So its gradient is **the sum**, `1 0` + `5 0` = `6 0`. The row of `cat` was not used, and gets zero.

# %%
table = torch.tensor([[0.1, 0.5], [0.9, -0.2], [0.8, -0.3], [-0.4, 0.7]], requires_grad=True)  # (V, D)
ids = torch.tensor([0, 2, 3, 0])  # (T,)
at_places = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [5.0, 0.0]])  # (T, D)

one_hot = F.one_hot(ids, 4).float()  # (T, V)
(one_hot @ table).backward(at_places)
assert (one_hot @ table).equal(table[ids])
assert table.grad.tolist() == [[6, 0], [0, 0], [0, 2], [3, 3]]
assert table.grad.equal(one_hot.T @ at_places)  # the multiplication, backwards
print(one_hot)

# %% [markdown]
# PyTorch calls this `nn.Embedding`, and it is the first thing in groundup's GPT. We take it out, put ours in
# its place, and nothing may change: neither what the model says nor how each of its numbers learns.


# %%
class Embedding(nn.Module):
    """A learned row of numbers for each id."""

    def __init__(self, vocab_size: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(vocab_size, width))  # (V, D)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, D)."""
        return F.one_hot(ids, len(self.weight)).to(self.weight.dtype) @ self.weight


torch.manual_seed(1)
sizes = {"vocab_size": 50, "context_length": 16, "d_model": 32, "n_layers": 2, "n_heads": 2}
theirs = groundup.Decoder(groundup.ModelConfig(**sizes, tie_embeddings=False))
ours = groundup.Decoder(theirs.config)
ours.tokens = Embedding(50, 32)
ours.load_state_dict(theirs.state_dict())

batch = torch.randint(0, 50, (4, 17))  # (B, T + 1)
for model in (theirs, ours):
    F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).backward()
assert torch.allclose(ours(batch[:, :-1]), theirs(batch[:, :-1]), atol=1e-6)
assert torch.allclose(ours.tokens.weight.grad, theirs.tokens.weight.grad, atol=1e-7)
unused = sorted(set(range(50)) - set(batch[:, :-1].flatten().tolist()))
assert (theirs.tokens.weight.grad[unused] == 0).all()
print(f"The same. The ids {unused} did not occur; their rows learn nothing in this step.")

# %% [markdown]
# The multiplication is only a way to think of it. In truth a row is looked up, for nobody wants to multiply
# by millions of zeros. So from here on we take PyTorch's.
#
# ## A model that learns what words are like
#
# Bengio's model guesses the next word from the n − 1 words before it. In the words of the paper:
#
# $$x = (C(w_{t-n+1}), \ldots, C(w_{t-1})) \qquad y = b + Wx + U \tanh(d + Hx)$$
#
# - $C$ is the table of embeddings, one for all places. $x$ is what it gives for the words before, one after
#   the other: a row of (n − 1) · D numbers.
# - $Hx$ mixes these numbers, each with each, into h new ones, and tanh bends them, so that more than sums can
#   be said: "if this *and* that".
# - $U$ makes of these a number for each word of the vocabulary, the logits $y$ of lesson 1. Then comes the
#   softmax. $Wx$ is a direct way past the bend; the paper tried it with and without.


# %%
class NeuralModel(nn.Module):
    """Bengio et al. 2003: guesses a word from the embeddings of the `before` words before it."""

    def __init__(self, vocab_size: int, before: int, width: int, hidden: int):
        super().__init__()
        self.C = nn.Embedding(vocab_size, width)
        self.H = nn.Linear(before * width, hidden)  # with its bias d
        self.U = nn.Linear(hidden, vocab_size)  # with its bias b
        self.W = nn.Linear(before * width, vocab_size, bias=False)
        nn.init.normal_(self.C.weight, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) the T words before -> (B, V) the logits of the next word."""
        x = self.C(ids).flatten(1)  # (B, T * D)
        return self.U(torch.tanh(self.H(x))) + self.W(x)


# %% [markdown]
# Is it right? Two checks on a tiny one. **First**, the loss is compared with groundup's. That one takes the
# last matrix and what it is multiplied with, and no bias. So we write everything as one multiplication: $y$
# is the matrix $(U, W, b)$ times the row $(\tanh(\ldots), x, 1)$. Value and gradients must agree.

# %%
from groundup.training.loss import linear_cross_entropy


def groundup_loss(model: NeuralModel, ids: Tensor, targets: Tensor) -> Tensor:
    """The sum of the losses, by the function with which groundup trains."""
    x = model.C(ids).flatten(1)
    row = torch.cat([torch.tanh(model.H(x)), x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    matrix = torch.cat([model.U.weight, model.W.weight, model.U.bias[:, None]], 1)
    return linear_cross_entropy(row, matrix, targets)


tiny = NeuralModel(vocab_size=7, before=3, width=2, hidden=5).double()
ids, targets = torch.tensor([[0, 2, 3], [2, 3, 0], [3, 0, 1]]), torch.tensor([0, 1, 4])
names = [name for name, _ in tiny.named_parameters()]
loss = F.cross_entropy(tiny(ids), targets, reduction="sum")
gradients = torch.autograd.grad(loss, list(tiny.parameters()))
other = groundup_loss(tiny, ids, targets)
others = torch.autograd.grad(other, list(tiny.parameters()))
assert math.isclose(loss.item(), other.item(), rel_tol=1e-12)
for one, another in zip(gradients, others, strict=True):
    assert torch.allclose(one, another, atol=1e-12)

# %% [markdown]
# **Second**, without trusting anybody's derivatives: change one number a little up and a little down, and see
# by how much the loss changes. Word 0 stands in all three rows, each time at another place, so all of the
# model is between its embedding and the loss.

# %%
weight, little = tiny.C.weight, 1e-5
with torch.no_grad():
    weight[0, 1] += little
    above = F.cross_entropy(tiny(ids), targets, reduction="sum")
    weight[0, 1] -= 2 * little
    below = F.cross_entropy(tiny(ids), targets, reduction="sum")
    weight[0, 1] += little
by_trying = (above - below).item() / (2 * little)
by_autograd = gradients[names.index("C.weight")][0, 1].item()
assert math.isclose(by_trying, by_autograd, rel_tol=1e-6)
print(f"by trying {by_trying:.9f}, by the chain rule {by_autograd:.9f}")

# %% [markdown]
# ## The words of the village
#
# As in lesson 2: words with their spaces, a border between the documents, one id for all rare words. The
# samples are the sliding windows of lesson 4, with a stride of one word: n − 1 words, and the word after
# them. groundup's own loop does the training. It only wants something that gives a sum of losses and how many
# they are.

# %%
from groundup.text.bpe import PIECE
from groundup.training.settings import TrainSettings

BORDER, UNKNOWN = 0, 1
counts = Counter(word for text in documents for word in PIECE.findall(text))
words = ["<|endoftext|>", "<|unknown|>", *(word for word, count in counts.most_common() if count > 1)]
id_of = {word: id for id, word in enumerate(words)}
V = len(words)


def in_a_row(texts: list[str]) -> np.ndarray:
    """(N,) the ids of all words of all texts, with a border before, between and after."""
    found = [[BORDER, *(id_of.get(word, UNKNOWN) for word in PIECE.findall(text))] for text in texts]
    return np.array([*(id for row in found for id in row), BORDER])


read, new = in_a_row(documents), in_a_row(unseen)
LONGEST = 6  # words before; each model is examined on the same words, those that have so many before them
print(f"{V} words; {len(read):,} to learn from, {len(new):,} to be examined on", end=", ")
print(f"{(new == UNKNOWN).mean():.2%} of these unknown")


class NextWord(nn.Module):
    """What the loop trains: of each window, only the last target counts."""

    def __init__(self, model: NeuralModel):
        super().__init__()
        self.model = model

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
        targets = batch["targets"][:, -1]
        return F.cross_entropy(self.model(batch["ids"]), targets, reduction="sum"), len(targets)


def learn(before: int, steps: int) -> NeuralModel:
    """Train a model that sees so many words."""
    torch.manual_seed(1)
    model = NeuralModel(V, before, width=30, hidden=100)
    windows = groundup.TokenWindows(read, before, stride=1)
    order = groundup.Order(len(windows), seed=1)
    batches = groundup.Batches(windows, order, samples_per_step=256, micro_batch=256)
    settings = TrainSettings(
        steps=steps,
        tokens_per_step=256 * before,
        sequence_length=before,
        micro_batch=256,
        learning_rate=3e-3,
        warmup_steps=10,
        schedule="linear",
    )
    groundup.train(NextWord(model), batches, settings)
    return model.eval()


def bits_per_word(model: NeuralModel, before: int) -> float:
    """The mean loss on the new words, in bits."""
    windows = groundup.TokenWindows(new[LONGEST - before :], before, stride=1)
    samples = [windows[i] for i in range(len(windows))]
    ids, targets = torch.stack([x for x, _ in samples]), torch.stack([y[-1] for _, y in samples])
    with torch.no_grad():
        return F.cross_entropy(model(ids), targets).item() / math.log(2)


# %% [markdown]
# ## The opponent: counting, as well as one can
#
# The table of pairs of lesson 1 adds a little to each count. That is a poor way to treat what was never seen:
# it takes all words for equally probable then. Better: **ask the shorter context.** If a context was seen c
# times, and the word followed f times, then
#
# $$p(\text{word} \mid \text{context}) = \frac{f + k \cdot p(\text{word} \mid \text{shorter})}{c + k}$$
#
# A frequent context decides by itself, a rare one listens to the shorter one, and a new one repeats it. At
# the end of the chain all words are alike. By hand: the context was seen twice, the word followed once, the
# shorter context says 0.1, and k = 10. Then p = (1 + 10 · 0.1) / (2 + 10) = 1/6.


# %%
class CountingModel:
    """Counts what followed each sequence of up to `before` words."""

    def __init__(self, row: list[int], before: int, vocab_size: int):
        self.before, self.vocab_size = before, vocab_size
        self.followed, self.seen = Counter(), Counter()
        for place in range(before, len(row)):
            for length in range(before + 1):
                context = tuple(row[place - length : place])
                self.followed[context, row[place]] += 1
                self.seen[context] += 1

    def probabilities(self, context: tuple[int, ...], word: int, k: float) -> list[float]:
        """Of the word, after the last 0, 1, 2, ... words of the context."""
        found, p = [], 1 / self.vocab_size
        for length in range(self.before + 1):
            last = context[len(context) - length :]
            p = (self.followed[last, word] + k * p) / (self.seen[last] + k)
            found.append(p)
        return found


small = CountingModel([0, 1, 0, 2], before=1, vocab_size=5)
without = (1 + 10 * (1 / 5)) / (3 + 10)  # word 2, with no word before: one of three
by_hand = [without, (1 + 10 * without) / (2 + 10)]
assert np.allclose(small.probabilities((0,), 2, k=10), by_hand)
assert np.allclose(sum(np.array(small.probabilities((0,), word, k=10)) for word in range(5)), 1)


def counting_bits() -> np.ndarray:
    """Bits per new word after 0, 1, 2, ... words; each with the k that turns out best for it here."""
    model, row = CountingModel(read.tolist(), LONGEST, V), new.tolist()
    places = [(tuple(row[i - LONGEST : i]), row[i]) for i in range(LONGEST, len(row))]
    of_k = [[model.probabilities(*place, k) for place in places] for k in (3, 10, 30)]
    return -np.log2(of_k).mean(1).max(0)  # the best k is a gift, so that nobody can complain


# %% [markdown]
# ## The experiment
#
# The same texts for both. How many words before help whom?

# %%
lengths = [1, 2] if SHORT else [1, 3, LONGEST]
counted = dict(enumerate(counting_bits()))
del counted[0]  # with no word before there is nothing to compare
models = {before: learn(before, steps=20 if SHORT else 1600) for before in lengths}
learned = {before: bits_per_word(model, before) for before, model in models.items()}

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.plot(counted.keys(), counted.values(), "o-", color="#e0a070", label="counting")
axes.plot(learned.keys(), learned.values(), "o-", color="#0b6a72", label="Bengio's model")
for values, other in ((counted, learned), (learned, counted)):
    for before, bits in values.items():
        side = 8 if bits >= other.get(before, 0) else -16  # above the point or below it, in 1/72 inch
        axes.annotate(f"{bits:.2f}", (before, bits), (0, side), textcoords="offset points", ha="center")
axes.margins(y=0.15)
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("words that are seen before")
axes.set_title("Bits per word of new texts", loc="left")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# With one word before, there is nothing to gain over counting: most pairs were seen often enough. Then
# counting comes to its end: long sequences are nearly always new, and what it learned about one says nothing
# about another. The neural model can use more words, because from each sequence it learns something about
# all that are *alike*. (It still sees only a handful of words, always at the same places. Whose jug it was,
# twenty words ago, it cannot know. This is what the later lessons are about.)
#
# ## What did it find out about words?
#
# Nobody told it what a person is or a place. Two embeddings are compared by the *cosine* of the angle between
# them: 1 if they point the same way, 0 if they have nothing to do with each other.

# %%
from groundup.village.grammar import village as full_village

lexicon = full_village().lexicon
model = models[lengths[-1]]
table = model.C.weight.detach()  # (V, D)
kinds = {
    "people": [person.name for person in lexicon.people],
    "trades": [person.trade for person in lexicon.people],
    "things": [thing.name for thing in lexicon.things],
    "places": [place.name.split()[-1] for place in lexicon.places],
    "days": list(lexicon.days),
    "numbers": "two three four five six seven eight nine ten".split(),
}
groups = {kind: [id_of[" " + w] for w in some if " " + w in id_of] for kind, some in kinds.items()}
directions = F.normalize(table, dim=1)

for kind, ids in groups.items():
    word = min(ids)  # the most frequent of its kind
    closest = (directions @ directions[word]).argsort(descending=True)[1:7]
    print(f"{kind:8}{words[word]:>10} is like{', '.join(words[id] for id in closest.tolist())}")

# %% [markdown]
# To draw 30 numbers for each word on paper, look at them from the side from which the words are furthest
# apart. This *principal component analysis* is one line of linear algebra: the singular value decomposition
# of the table, after its mean has been taken off.

# %%
chosen = [id for ids in groups.values() for id in ids]
centred = directions[chosen] - directions[chosen].mean(0)
_, _, axes_found = torch.linalg.svd(centred, full_matrices=False)  # (D, D): the best axes first
flat = dict(zip(chosen, (centred @ axes_found[:2].T).tolist(), strict=True))  # two numbers for each word

colours = ["#0b6a72", "#6f5aa8", "#b04a12", "#8a9a5b", "#c58b00", "#555555"]
figure, axes = plt.subplots(figsize=(8.5, 6), layout="constrained")
for (kind, ids), colour in zip(groups.items(), colours, strict=True):
    axes.plot(*zip(*(flat[id] for id in ids), strict=True), ".", color=colour, label=kind)
    for id in ids[:7]:
        axes.annotate(words[id], flat[id], color=colour, fontsize=8)
axes.set_xticks([])
axes.set_yticks([])
axes.spines[:].set_visible(False)
axes.legend(frameon=False)
plt.show()

same, chance = [], []
for ids in groups.values():
    for id in ids:
        others = [other for other in chosen if other != id]
        best = max(others, key=lambda other: float(directions[id] @ directions[other]))
        same.append(best in ids)
        chance.append((len(ids) - 1) / len(others))
print(f"The nearest one is of the same kind: {np.mean(same):.0%}, by chance {np.mean(chance):.0%}")

# %% [markdown]
# It has sorted the words into kinds, because this helps to guess what comes next. After all embeddings of
# things the same words may follow, so they were pushed in the same direction, step by step.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the gradient of an embedding without one-hot rows**, as
# it is really computed. Add up, for each id, the gradients of all places where it stands. A GPT will be asked
# whether you are right. (Beware of `grad[ids] += ...`: of an id that occurs several times, it keeps only one.
# `index_add_` does better.)


# %%
def embedding_gradient(ids: Tensor, at_places: Tensor, vocab_size: int) -> Tensor:
    """(B, T) ids, (B, T, D) the gradient at each place -> (V, D) the gradient of the table."""
    ...


# %%
def check_embedding_gradient(yours) -> str:
    kept = []
    handle = theirs.tokens.register_forward_hook(lambda module, inputs, output: kept.append(output))
    theirs.zero_grad()
    logits = theirs(batch[:, :-1])
    handle.remove()
    kept[0].retain_grad()
    F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
    own, got = theirs.tokens.weight.grad, yours(batch[:, :-1], kept[0].grad, 50)
    if got is None or got.shape != own.shape:
        shape = None if got is None else tuple(got.shape)
        return (
            f"embedding_gradient: not yet. Expected a tensor of shape {tuple(own.shape)}, yours is {shape}."
        )
    if not torch.allclose(got, own, atol=1e-7):
        wrong = (got - own).abs().amax(1).argmax().item()
        times = (batch[:, :-1] == wrong).sum().item()
        return f"embedding_gradient: not yet. Row {wrong}, whose id occurs {times} times, is another."
    return "embedding_gradient: right! Each row of the GPT's table learns what you say."


print(check_embedding_gradient(embedding_gradient))

# %% [markdown]
# The second: **the k words that are most like a word**, by the cosine, the nearest first, without the word
# itself.


# %%
def nearest(table: Tensor, id: int, k: int) -> list[int]:
    """(V, D) the embeddings, an id -> the ids of its k nearest neighbours."""
    ...


# %%
def check_nearest(yours) -> str:
    torch.manual_seed(2)
    uneven = torch.randn(60, 4) * torch.rand(60, 1) * 10  # rows of very different lengths
    for one, id in ((uneven, 3), (uneven, 40), (table, groups["people"][0]), (table, groups["days"][0])):
        alike = F.cosine_similarity(one, one[id][None])
        alike[id] = -2
        own, got = alike.topk(5).indices.tolist(), yours(one, id, 5)
        if got is None or [int(other) for other in got] != own:
            return f"nearest: not yet. The neighbours of row {id} are {own}, yours are {got}."
    return "nearest: right!" + "".join(
        f"\n{words[id]:>10}:{','.join(words[other] for other in yours(table, id, 5))}"
        for id in (ids[1] for ids in groups.values())
    )


print(check_nearest(nearest))

# %% [markdown]
# The third: **where are the learned numbers?** Say how many there are in each part of Bengio's model: the
# embeddings $C$; the mixing $H$ with $d$; the output $U$ with $b$; the direct way $W$. Which one grows how,
# when the model sees one word more?


# %%
def learned_numbers(vocab_size: int, before: int, width: int, hidden: int) -> dict[str, int]:
    """How many numbers are learned in the parts "C", "H", "U" and "W"."""
    ...


# %%
def check_learned_numbers(yours) -> str:
    for shape in ((7, 3, 2, 5), (20, 1, 6, 3), (V, LONGEST, 30, 100)):
        real = NeuralModel(*shape)
        own = {name: sum(p.numel() for p in getattr(real, name).parameters()) for name in "CHUW"}
        if (got := yours(*shape)) != own:
            return f"learned_numbers: not yet. Of NeuralModel{shape} there are {own}, you say {got}."
    paper = yours(17964, 5, 60, 50)  # of the paper's sizes: n = 6, on the news of a year
    return f"learned_numbers: right! With sizes as in the paper: {sum(paper.values()):,}, most of them in W."


print(check_learned_numbers(learned_numbers))
