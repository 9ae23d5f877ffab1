# %% [markdown]
# # 19. Decoding
#
# A model never says a word. It gives a probability to *each* token that may come next, and waits. **Which one
# should be taken?** Always the likeliest? Or should chance decide, and how freely?
#
# You will build the four usual answers (greedy, temperature, top-k, top-p), each in two or three lines, and
# let them write with a real model, token for token what groundup writes. Then the village plays the judge:
# which answer gives sentences that are possible *and* different?

# %%
import contextlib
import math
import os
import re
from dataclasses import asdict

import matplotlib.pyplot as plt
import torch
from torch import Tensor

import groundup
from groundup import village
from groundup.data.writing import encode
from groundup.generation import sample
from groundup.generation.engine import prompt_ids, write_documents
from groundup.generation.sample import Sampling, probabilities
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## The smallest example, by hand
#
# Four tokens may come next, with the probabilities 0.5, 0.25, 0.15 and 0.1.
#
# - **Greedy** takes the first, always.
# - **Temperature** T: each probability to the power of 1/T, and then divided by the sum, so that they add
#   up to 1. With T = 0.5 these are squares, 0.25, 0.0625, 0.0225 and 0.01, together 0.345; divided: 0.725,
#   0.181, 0.065 and 0.029. With T = 2 they are roots, 0.707, 0.5, 0.387 and 0.316; divided by 1.911: 0.370,
#   0.262, 0.203 and 0.166. So below 1 the likely tokens gain, above 1 the unlikely ones do.
# - **Top-k** keeps the k likeliest. With k = 2: 0.5 and 0.25, divided by 0.75: 2/3 and 1/3.
# - **Top-p** keeps as few of the likeliest as reach the probability p together. With p = 0.8: 0.5 + 0.25 =
#   0.75 is too little, with 0.15 it is 0.9. Three stay: 0.556, 0.278 and 0.167. (It is also called *nucleus
#   sampling*; Holtzman et al. 2020.)
#
# A model gives logits $z$, and their softmax are the probabilities. What is a power there? $p^{1/T}$ goes
# with $e^{z/T}$: **the logits are divided by T.** And "is not kept" means the logit $-\infty$, because
# $e^{-\infty} = 0$. The softmax then takes care that the rest adds up to 1. Shapes in the comments: V tokens
# of the vocabulary, B texts in a batch.


# %%
def warm(logits: Tensor, temperature: float) -> Tensor:
    """Below 1 the likely tokens become likelier still, above 1 all become more alike."""
    return logits / temperature


def top_k(logits: Tensor, k: int) -> Tensor:
    """(V,) logits -> the same, but only the k highest (and what is as high) are kept."""
    return logits.masked_fill(logits < logits.sort(descending=True).values[k - 1], -math.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """(V,) logits -> the same, but only as few of the likeliest are kept as reach p together."""
    ordered, places = logits.softmax(0).sort(descending=True)
    before = ordered.cumsum(0) - ordered  # (V,) what the likelier ones have together
    kept = places[before < p]  # whoever is needed to reach p; the first always is
    return torch.full_like(logits, -math.inf).index_copy(0, kept, logits[kept])


by_hand = torch.tensor([0.5, 0.25, 0.15, 0.1])
for filtered, expected in (
    (warm(by_hand.log(), 0.5), [0.725, 0.181, 0.065, 0.029]),
    (warm(by_hand.log(), 2), [0.370, 0.262, 0.203, 0.166]),
    (top_k(by_hand.log(), 2), [0.667, 0.333, 0, 0]),
    (top_p(by_hand.log(), 0.8), [0.556, 0.278, 0.167, 0]),
):
    assert torch.allclose(filtered.softmax(0), torch.tensor(expected), atol=1e-3)

# %% [markdown]
# They can be combined, and then the order counts. After T = 0.5 the first two have 0.725 + 0.181 = 0.906, so
# top-p 0.8 keeps two; after T = 2 it keeps three. Like transformers and others, groundup warms first, and
# then filters by k and by p.


# %%
def chances(logits: Tensor, temperature: float = 1, k: int = 0, p: float = 1) -> Tensor:
    """(V,) logits -> (V,) the probabilities by which to draw. k = 0 and p = 1 keep all tokens."""
    if temperature == 0:
        return (torch.arange(len(logits)) == logits.argmax()).float()  # greedy: all for the likeliest
    logits = warm(logits, temperature)
    logits = top_k(logits, k) if k else logits
    return (top_p(logits, p) if p < 1 else logits).softmax(0)


assert (chances(by_hand.log(), temperature=0.5, p=0.8) > 0).sum() == 2
assert (chances(by_hand.log(), temperature=2, p=0.8) > 0).sum() == 3

# %% [markdown]
# groundup's part for all of this is `probabilities`. For a thousand random rows of logits it must give the
# same. And the gradient? Decoding learns nothing, but methods that learn from a model's own texts need it:
# how does the probability of what was drawn change with each logit? What was not kept has the gradient 0.

# %%
WAYS = (
    {"temperature": 0.0},
    {"temperature": 0.7},
    {"temperature": 1.6},
    {"temperature": 1.0, "k": 7},
    {"temperature": 1.0, "p": 0.9},
    {"temperature": 0.8, "k": 20, "p": 0.7},
)


def of_groundup(temperature: float, k: int = 0, p: float = 1.0) -> Sampling:
    """The same under groundup's names."""
    return Sampling(temperature=temperature, top_k=k, top_p=p)


torch.manual_seed(1)
for way in WAYS:
    rows = (3 * torch.randn(1000, 50)).requires_grad_()
    ours = torch.stack([chances(row, **way) for row in rows])
    theirs = probabilities(rows, of_groundup(**way))
    assert torch.allclose(ours, theirs, atol=1e-6)
    if way["temperature"]:  # greedy has none: a small change of the logits changes nothing, or all
        direction = torch.randn(1000, 50)
        gradients = [torch.autograd.grad((one * direction).sum(), rows)[0] for one in (ours, theirs)]
        assert torch.allclose(*gradients, atol=1e-6)
        assert (gradients[0][ours == 0] == 0).all()
print(f"{len(WAYS)} ways, 1000 rows each: the same probabilities, the same gradients.")

# %% [markdown]
# ## From probabilities to a text
#
# Lay the tokens side by side on a line from 0 to 1, each as wide as its probability, and throw a point onto
# it: the token on which it falls is taken. Append it to the text, and ask the model again.
#
# For a real text we need a real model. This one learns only the **first sentences** of the village's
# documents. They are short, so that a small model gets far in half a minute.


# %%
def first_sentence(text: str) -> str:
    """The text up to its first end of a sentence."""
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def make_model() -> groundup.Loaded:
    """Train a small GPT on first sentences."""
    sentences = [first_sentence(text) for text in village.documents(1, 0, 400 if SHORT else 6000)]
    tokenizer = groundup.train_bpe(sentences[:1000], vocab_size=512)
    windows = groundup.TokenWindows(encode(sentences, tokenizer).tokens, 64)
    batches = groundup.Batches(windows, groundup.Order(len(windows), 1), samples_per_step=8, micro_batch=8)
    torch.manual_seed(1)
    sizes = {"vocab_size": 512, "context_length": 128, "d_model": 64, "n_layers": 2, "n_heads": 2}
    modern = {"position": "rope", "norm": "rms", "mlp": "gated"}
    model = groundup.Decoder(groundup.ModelConfig(**sizes, **modern))
    settings = TrainSettings(
        steps=30 if SHORT else 1100,
        tokens_per_step=512,
        sequence_length=64,
        micro_batch=8,
        optimizer="muon",
        learning_rate=1e-2,
        matrix_learning_rate=0.02,
        schedule="wsd",
    )
    groundup.train(NextToken(model), batches, settings)
    return groundup.Loaded(model.eval(), tokenizer, model.config)


loaded = make_model()
model, tokenizer = loaded.model, loaded.tokenizer


# %%
def next_logits(ids: list[int]) -> Tensor:
    """(T,) ids -> (V,) a number for each possible next token."""
    with torch.no_grad():
        return model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size]


def draw(chances: Tensor, generator: torch.Generator) -> int:
    """The token on whose part of the line a point falls."""
    ends = chances.double().cumsum(0)  # (V,) where the part of each token ends
    point = torch.rand(1, generator=generator, dtype=torch.float64) * ends[-1]
    return int((ends <= point).sum())  # so many parts end before the point


def write(prompt: str, length: int, seed: int, **way) -> list[int]:
    """The ids of at most `length` tokens after the prompt."""
    ids, new, generator = prompt_ids(loaded, prompt), [], torch.Generator().manual_seed(seed)
    while len(new) < length:
        token = draw(chances(next_logits(ids + new), **way), generator)
        if token == tokenizer.border_id:  # the sentence is complete
            break
        new.append(token)
    return new


def groundup_writes(prompt: str, length: int, seed: int, sampling: Sampling) -> list[int]:
    """The same by groundup's engine."""
    pieces = groundup.generate(loaded, prompt, max_tokens=length, seed=seed, **asdict(sampling))
    return [id for piece in pieces for id in piece.ids]


for way in WAYS:
    for seed in range(3):
        ours = write("Ida", 50, seed, **way)
        assert ours == groundup_writes("Ida", 50, seed, of_groundup(**way))
    print(f"{str(way):42} Ida{tokenizer.decode(ours)}")
print("All three texts of each way are groundup's, token for token.")

# %% [markdown]
# The engine remembers what it has read (a *cache* of keys and values) instead of reading it again for each
# token, and lets many texts grow side by side. Neither changes a single token.
#
# What do the ways do to the model's own probabilities? Below, those of one place:

# %%
place = next_logits(prompt_ids(loaded, "Ida"))
likeliest = place.topk(14).indices
shown = {
    "T = 1: as the model says": {"temperature": 1},
    "T = 0.5": {"temperature": 0.5},
    "T = 2": {"temperature": 2},
    "top-k 5": {"temperature": 1, "k": 5},
    "top-p 0.8": {"temperature": 1, "p": 0.8},
}
figure, panels = plt.subplots(1, len(shown), figsize=(11, 3.2), layout="constrained", sharex=True)
for axes, (title, way) in zip(panels, shown.items(), strict=True):
    axes.barh(range(len(likeliest)), chances(place, **way)[likeliest].tolist(), color="#0b6a72")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
names = [tokenizer.decode([int(token)]).replace(" ", "·") for token in likeliest]
panels[0].set_yticks(range(len(names)), names, family="monospace", fontsize=8)
plt.show()

# %% [markdown]
# ## Is greedy not the best?
#
# The likeliest token at each place does not make the likeliest text. By hand: `Ana` has the probability 0.6,
# `Tom` 0.4. After `Ana` two words are equally likely, after `Tom` there is only one. Greedy begins with `Ana`
# and gets 0.6 · 0.5 = 0.3; `Tom` would have got 0.4 · 1 = 0.4.
#
# And the likeliest text is not what one wants, either. A crooked coin falls on heads 9 times in 10; the
# likeliest row of 100 throws has no tails at all, and no such row ever comes. Whoever wants texts *like those
# of the source* must draw at temperature 1 from a model that is perfect. But ours is not: it gives a little
# probability to thousands of wrong tokens, and at each place one of them may be drawn.
#
# ## The experiment: possible, and different
#
# So there are two wishes. A sentence should be **possible**: the village says exactly whether a document of
# its own can begin so (`village.bits` is the $-\log_2 p$ of that, and infinite if it cannot). And the
# sentences should be **different**. We count pairs of neighbouring words in all that was written: which
# share of them is there for the first time? One that says the same thing again and again has 0.
#
# Each way writes some hundred sentences, with weak filters and strong ones. The village itself is the mark to
# reach.

# %%
COUNT = 40 if SHORT else 300


def variety(sentences: list[str]) -> float:
    """The share of pairs of neighbouring words that were not there before (Li et al. 2016: distinct-2)."""
    pairs = [pair for words in map(str.split, sentences) for pair in zip(words, words[1:], strict=False)]
    return len(set(pairs)) / max(1, len(pairs))


def is_possible(sentence: str) -> bool:
    """Whether a document of the village can begin so."""
    return village.bits(sentence, complete=False) < math.inf


def judge(sampling: Sampling) -> tuple[float, float, float]:
    """What the model writes: the share of possible sentences, the variety, the share that comes to an end."""
    written = write_documents(loaded, COUNT, 60, sampling, torch.Generator().manual_seed(1))
    sentences = [tokenizer.decode(ids) for ids, _ in written]
    possible = [ended and is_possible(text) for text, (_, ended) in zip(sentences, written, strict=True)]
    return sum(possible) / COUNT, variety(sentences), sum(ended for _, ended in written) / COUNT


tried = {
    "temperature": [{"temperature": t} for t in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4)],
    "top-k": [{"temperature": 1.0, "k": k} for k in (1, 2, 3, 5, 10, 20, 50)],
    "top-p": [{"temperature": 1.0, "p": p} for p in (0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95)],
}
if SHORT:
    tried = {name: ways[::3] for name, ways in tried.items()}
judged = {name: [judge(of_groundup(**way)) for way in ways] for name, ways in tried.items()}
real = [first_sentence(text) for text in village.documents(1, 10**6, COUNT)]
assert all(map(is_possible, real))

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", width_ratios=(2, 3))
heats = [way["temperature"] for way in tried["temperature"]]
parts = zip(*judged["temperature"], strict=True)
titles = ("possible sentences", "new pairs of words", "sentences with an end")
for values, title, colour in zip(parts, titles, ("#0b6a72", "#e0a070", "#b9c4c6"), strict=True):
    left.plot(heats, values, "o-", markersize=3, color=colour, label=title)
left.set_xlabel("temperature")
left.set_title("Share of ...", loc="left", fontsize=10)
left.legend(frameon=False, fontsize=9)

for (name, results), colour in zip(judged.items(), ("#0b6a72", "#b04a12", "#8a9a5b"), strict=True):
    possible, different, _ = zip(*results, strict=True)
    right.plot(different, possible, "o-", markersize=3, color=colour, label=name)
for name, point in {"the village": (variety(real), 1.0), "greedy": judged["top-k"][0][1::-1]}.items():
    right.plot(*point, "s", color="black", markersize=5)
    right.annotate(name, point, (8, -4), textcoords="offset points")
right.set_xlabel("new pairs of words (variety)")
right.set_title("possible sentences", loc="left", fontsize=10)
right.legend(frameon=False, fontsize=9, loc="upper center")
for axes in (left, right):
    axes.set_ylim(0, 1.05)
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

for name, results in judged.items():
    best, value = max(zip(results, tried[name], strict=True), key=lambda pair: pair[0][0])
    print(f"{name:12} most possible sentences: {best[0]:.0%} (variety {best[1]:.2f}) with {value}")
half = 1.96 * math.sqrt(0.45 * 0.55 / COUNT)
print(f"As shares of {COUNT} these are known to ± {half:.0%}.")
if not SHORT:
    possible = {t: result[0] for t, result in zip(heats, judged["temperature"], strict=True)}
    assert max(possible.values()) > possible[1.0] > possible[1.4]

# %% [markdown]
# Too hot, and the model stumbles over unlikely tokens. Too cold, and it does not become more right, either:
# it says the same again and again, and some sentences never come to an end. They run in a circle, because
# what was said twice is the likeliest thing to be said a third time. Greedy wrote one sentence 300 times, so
# its share of possible ones is all or nothing. In between there is a best place. The three ways to it differ
# by little more than chance: **that unlikely tokens are left out matters more than how.** At temperature 1
# the variety is that of the village, as it must be for a model that has learned its chances; what it lacks
# to the black square is not courage, but knowledge.
#
# groundup's `generate` takes 0.8 and top-k 50 unless told otherwise. A better model needs less help: it
# gives less probability to what is wrong. Where a single right answer is wanted, as in arithmetic, greedy is
# a good choice even so.
#
# ## Exercises
#
# Replace `...` and run the cell again: your function takes the place of groundup's own **inside its
# engine**, and what it writes there is compared. The first: **min-p** (Nguyen et al. 2024). Keep the tokens
# that have at least a certain share of the likeliest one's probability. With 0.5, 0.25, 0.15, 0.1 and the
# share 0.4 these are those from 0.2 on: two. Where the model is sure few stay, where it is not many do.


# %%
def min_p(logits: Tensor, share: float) -> Tensor:
    """(B, V) logits -> the same, with -math.inf for what is not kept."""
    ...


# %%
@contextlib.contextmanager
def in_the_engine(name: str, function):
    """For a while, the function stands in groundup's engine in place of its own."""
    own = getattr(sample, name)
    setattr(sample, name, function)
    try:
        yield
    finally:
        setattr(sample, name, own)


def texts_with(name: str, function, sampling: Sampling) -> list[list[int]]:
    """What the engine writes with the function: the ids of some texts."""
    with in_the_engine(name, function):
        return [groundup_writes(start, 40, 5, sampling) for start in ("", "On", "From", "Ida")]


def told_apart(yours, own, *arguments) -> str | None:
    """What is wrong with the logits that yours gives, in words; None if they are groundup's."""
    got, wanted = yours(*arguments), own(*arguments)
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        return f"not yet. It must give logits of the shape {tuple(wanted.shape)}."
    if not torch.allclose(got.softmax(-1), wanted.softmax(-1), atol=1e-5):
        kept = [int((one.softmax(-1) > 0).sum()) for one in (got, wanted)]
        return f"not yet. Yours keeps {kept[0]} tokens and groundup's {kept[1]}, or they weigh otherwise."
    return None


def check_min_p(yours) -> str:
    small = by_hand.log().expand(2, 4)
    for logits, share in ((small, 0.4), (small, 1.0), (place[None], 0.1), (5 + place[None], 0.01)):
        if wrong := told_apart(yours, sample.keep_min_p, logits, share):
            return f"min_p: {wrong}"
    sampling = Sampling(temperature=1.0, top_k=0, min_p=0.1)
    got, own = (texts_with("keep_min_p", one, sampling) for one in (yours, sample.keep_min_p))
    if got != own:
        return "min_p: not yet. With it the engine writes something else."
    return f"min_p: right! With it the engine writes: {tokenizer.decode(got[0])}"


print(check_min_p(min_p))

# %% [markdown]
# The second helps against circles: the **repetition penalty** (Keskar et al. 2019). Make each token that was
# there before less likely: its logit is divided by the penalty. But think of logits below 0!


# %%
def penalise(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """(B, V) logits, (B, V) bool: whether a token was there -> (B, V) logits. penalty: such as 1.3."""
    ...


# %%
def check_penalise(yours) -> str:
    own, logits = sample.penalise_repetition, torch.tensor([[2.0, -2.0, 1.0, -1.0]])
    seen = torch.tensor([[True, True, False, False]])
    everywhere = torch.arange(len(place))[None] % 2 == 0
    for arguments in ((logits, seen, 2.0), (place[None], everywhere, 1.3), (place[None], ~everywhere, 1.0)):
        if wrong := told_apart(yours, own, *arguments):
            return f"penalise: {wrong}"
    sampling = Sampling(temperature=0.0, top_k=0, repetition_penalty=1.2)
    got, wanted = (texts_with("penalise_repetition", one, sampling) for one in (yours, own))
    if got != wanted:
        return "penalise: not yet. With it the engine writes something else."
    return f"penalise: right! Greedy, but not in circles: {tokenizer.decode(got[0])}"


print(check_penalise(penalise))

# %% [markdown]
# The third: **as surprising as you like.** The entropy (lesson 6) of the next token, in bits, grows with the
# temperature, from 0 for greedy to $\log_2 V$. Find the temperature, between 0.01 and 100, at which it has a
# given value. Trying out the middle again and again, and going on with the half in which it must lie, is
# fast: 50 halvings are exact. `chances` above may help.


# %%
def temperature_for(logits: Tensor, bits: float) -> float:
    """(V,) logits -> the temperature at which the next token has an entropy of so many bits."""
    ...


# %%
def check_temperature_for(yours) -> str:
    generator, ids = torch.Generator().manual_seed(1), prompt_ids(loaded, "")
    for _ in range(15):  # a text of which each token surprises by two bits, on average
        logits = next_logits(ids)
        got = yours(logits, 2.0)
        if not isinstance(got, float) or not 0.005 < got < 200:
            return f"temperature_for: not yet. It gives {got}."
        drawn_by = probabilities(logits[None], of_groundup(got))[0]
        bits = torch.special.entr(drawn_by).sum().item() / math.log(2)
        if abs(bits - 2.0) > 1e-3:
            return f"temperature_for: not yet. At {got:.3f} the entropy is {bits:.3f} bits, not 2."
        ids.append(draw(drawn_by, generator))
    return f"temperature_for: right! Two bits for each token: {tokenizer.decode(ids[1:])}"


print(check_temperature_for(temperature_for))
