# %% [markdown]
# # 6. The best possible loss
#
# A model has a loss of 0.51 bits per byte. Is that good? **How much better could it become, and what is it
# still missing?**
#
# Nobody can foresee which way up a coin falls. A text, too, contains real surprises, and no model can do
# anything about them. How many bits of them there are on average is the *entropy* of the source. For texts
# from the world nobody knows it. For the village we do, because a program of known chances writes it. In this
# lesson you compute it, at first by hand and at last with a program of twenty lines that takes every hidden
# choice into account. Then you divide the loss of some models into what is unavoidable and what they have
# not learned, and see which *sort* of thing it is.

# %%
import math
import os
import random
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
documents = list(village.documents(seed=1, start=0, count=200 if SHORT else 2500))
unseen = list(village.documents(seed=1, start=10**6, count=8 if SHORT else 120))

# %% [markdown]
# ## The smallest example, by hand
#
# What happens with probability p costs $-\log_2 p$ bits (lesson 1). The **entropy** of a source is what it
# costs on average if one knows its true chances: each outcome's bits, weighted by how often it comes.
#
# - A coin: each side costs 1 bit. Entropy 1.
# - A coin that falls on heads 9 times in 10: heads costs 0.152 bits, tails 3.322. On average
#   0.9 · 0.152 + 0.1 · 3.322 = 0.469. One is rarely surprised.
# - A die: $\log_2 6$ = 2.585 bits.
# - Two steps: throw a coin, and *if it is heads* a die. The first step costs 1 bit, the second 2.585 bits in
#   half of all cases: 1 + 2.585 / 2 = 2.292. **The entropies of the steps add up**, each weighted by how
#   often the step is taken.


# %%
def entropy(chances) -> float:
    """The mean of -log2 p, in bits. What never happens costs nothing."""
    return sum(-p * math.log2(p) for p in chances if p)


assert entropy([0.5, 0.5]) == 1
assert math.isclose(entropy([0.9, 0.1]), 0.469, abs_tol=5e-4)
assert math.isclose(entropy([1 / 6] * 6), math.log2(6))
assert math.isclose(entropy([1 / 2, *[1 / 12] * 6]), 1 + math.log2(6) / 2)  # tails, or heads and a number

# %% [markdown]
# ## Why nobody is better than the truth
#
# A model believes that outcome i has the chance $q_i$, while in truth it has $p_i$. On average it pays the
# **cross-entropy** $\sum_i p_i \cdot (-\log_2 q_i)$. The difference to the entropy is called
# *Kullback–Leibler divergence*, KL:
#
# $$\underbrace{\sum_i p_i (-\log_2 q_i)}_{\text{what the model pays}} = \underbrace{\sum_i p_i (-\log_2
# p_i)}_{\text{entropy: the floor}} + \underbrace{\sum_i p_i \log_2 \frac{p_i}{q_i}}_{\text{KL: the excess}}$$
#
# KL is never below 0: since $\ln x \le x - 1$ for every x, we have $\sum p_i \ln \frac{q_i}{p_i} \le \sum p_i
# (\frac{q_i}{p_i} - 1) = \sum q_i - \sum p_i = 0$. It is 0 only where q = p. For the crooked coin and a model
# that believes in a fair one: it pays 1 bit, the floor is 0.469, the excess 0.531.
#
# Whoever learns by the gradient of the loss is led there: by the logits, the gradient is $q - p$ (lesson 1
# had the case of a single outcome). Three programs must agree: PyTorch's cross-entropy with given chances,
# its KL, and the loss with which groundup trains, on outcomes that come exactly as often as they should.

# %%
from groundup.training.loss import linear_cross_entropy

p = torch.tensor([0.5, 0.3, 0.1, 0.1], dtype=torch.float64)
logits = torch.tensor([0.2, 1.0, -0.5, 0.0], dtype=torch.float64, requires_grad=True)
q = logits.softmax(0)
cross_entropy = F.cross_entropy(logits, p)  # nats; divide by ln 2 for bits
gradient = torch.autograd.grad(cross_entropy, logits)[0]
by_hand = (p * -q.log2()).sum().item()
divergence = (p * (p / q).log2()).sum().item()
assert torch.allclose(gradient, q - p)
assert math.isclose(by_hand, cross_entropy.item() / math.log(2))
assert math.isclose(by_hand, entropy(p.tolist()) + divergence)
assert math.isclose(divergence, F.kl_div(q.log(), p, reduction="sum").item() / math.log(2))

outcomes = torch.tensor([0] * 5 + [1] * 3 + [2, 3])  # ten throws, as often as p says
table = logits.detach()[:, None].requires_grad_()  # (4, 1): with an input of 1 these are the logits
loss = linear_cross_entropy(torch.ones(10, 1, dtype=torch.float64), table, outcomes) / 10
loss.backward()
assert math.isclose(loss.item(), cross_entropy.item())
assert torch.allclose(table.grad[:, 0], q - p)
print(f"pays {by_hand:.4f} = floor {entropy(p.tolist()):.4f} + excess {divergence:.4f} bits")

# %% [markdown]
# So a loss can be *divided*: loss = floor + excess. The floor belongs to the source, the excess to the model.
#
# ## A tiny source of texts
#
# A source of texts is a walk: in each *state* it says what may come next, with a whole-number weight and the
# state after it. The village is written in this way, and so is our tiny one. A step may write nothing. Then
# it is a **hidden choice**: the mood of the day is never said, but in a good one people are merry three times
# in four, else tired three times in four.


# %%
class Tiny:
    """One sentence or two; the mood is the same in both."""

    start = ("mood", "", 0)

    def step(self, state: tuple) -> list[tuple[int, str, tuple]]:
        """All that can come next: (weight, text, state after it). Nothing, if the text is finished."""
        what, mood, sentence = state
        if what == "mood":
            return [(1, "", ("who", "good", 1)), (1, "", ("who", "bad", 1))]
        if what == "who":
            return [(2, "Ana", ("how", mood, sentence)), (1, "Tom", ("how", mood, sentence))]
        if what == "how":
            merry, tired = (3, 1) if mood == "good" else (1, 3)
            return [
                (merry, " is merry", ("stop", mood, sentence)),
                (tired, " is tired", ("stop", mood, sentence)),
            ]
        if what == "stop" and sentence == 1:
            return [(1, ".", ("end", mood, 1)), (1, ". ", ("who", mood, 2))]
        return [(1, ".", ("end", mood, 2))] if what == "stop" else []


def walks(source, state, chance=Fraction(1), text=""):
    """Every walk from a state to the end: its text and its chance."""
    options = source.step(state)
    if not options:
        yield text, chance
    total = sum(weight for weight, _, _ in options)
    for weight, piece, after in options:
        yield from walks(source, after, chance * Fraction(weight, total), text + piece)


def all_texts(source) -> dict[str, Fraction]:
    """Every text with its probability: the sum over all walks that write it."""
    found = defaultdict(Fraction)
    for text, chance in walks(source, source.start):
        found[text] += chance
    return found


tiny = all_texts(Tiny())
assert sum(tiny.values()) == 1  # exactly: these are fractions
assert (
    tiny["Ana is merry."]
    == Fraction(2, 3) * (Fraction(1, 2) * Fraction(3, 4) + Fraction(1, 2) * Fraction(1, 4)) / 2
)
for text in sorted(tiny, key=lambda text: -tiny[text])[:6]:
    print(f"{str(tiny[text]):>6} = {-math.log2(tiny[text]):.3f} bits  {text}")
print(f"{len(tiny)} texts, entropy {entropy(map(float, tiny.values())):.4f} bits")

# %% [markdown]
# What if there were too many texts to list them? Then draw some and take the **mean** of their bits. It comes
# close, and one can say how close: with n texts whose bits have the standard deviation s, the truth lies in
# mean ± 1.96 · s / √n in 95 of 100 cases.


# %%
def draw(source, rng: random.Random) -> str:
    """A text, by the chances of the source."""
    state, text = source.start, ""
    while options := source.step(state):
        [(_, piece, state)] = rng.choices(options, weights=[weight for weight, _, _ in options])
        text += piece
    return text


rng, truth = random.Random(1), entropy(map(float, tiny.values()))
for n in (100, 1000, 10_000):
    drawn = [-math.log2(tiny[draw(Tiny(), rng)]) for _ in range(n)]
    half = 1.96 * np.std(drawn) / math.sqrt(n)
    print(f"{n:6} texts: {np.mean(drawn):.4f} ± {half:.4f}, the truth is {truth:.4f}")
assert abs(np.mean(drawn) - truth) < 2 * half

# %% [markdown]
# ## Reading with hidden choices
#
# One thing is missing. For a *given* text we need its probability without listing all others, and one text
# can come about by several walks: here in a good mood or a bad one. In the village there are thousands.
#
# Walk through the text from left to right, and note at each place **all states in which the source may be
# now**, each with its *mass*: the chance that it has written exactly this beginning and is in this state.
# What writes something else drops out. What meets in the same state is added up. At the end of the text, the
# masses of the finished states add up to the probability. This is the *forward algorithm* of hidden Markov
# models (Rabiner, 1989). By hand, for `Ana is merry.`:
#
# | place | good | bad |
# |---|---|---|
# | before the first letter | 1/2 | 1/2 |
# | after `Ana` | 1/2 · 2/3 = 1/3 | 1/3 |
# | after `Ana is merry` | 1/3 · 3/4 = 1/4 | 1/3 · 1/4 = 1/12 |
# | after `.`, finished | 1/4 · 1/2 = 1/8 | 1/24 |
#
# Together 1/6. And more: after these words the mood is good with the chance (1/8) / (1/6) = 3/4.


# %%
def forward(text: str, source, one=Fraction(1)) -> tuple[dict, Fraction | float]:
    """(each final state in which the text is complete, with its mass; the mass of all that go on from it)."""
    waiting, ends, going_on = {0: {source.start: one}}, {}, 0 * one
    while waiting:
        place = min(waiting)
        here = waiting.pop(place)
        while here:
            state, mass = here.popitem()
            options = source.step(state)
            if not options and place == len(text):
                ends[state] = ends.get(state, 0) + mass
            total = sum(weight for weight, _, _ in options)
            for weight, piece, after in options:
                share = mass * weight / total
                if text.startswith(piece, place):
                    there = here if not piece else waiting.setdefault(place + len(piece), {})
                    there[after] = there.get(after, 0) + share
                elif piece.startswith(text[place:]):
                    going_on += share  # it writes the rest of the text, and more
    return ends, going_on


by_hand = {("end", "good", 1): Fraction(1, 8), ("end", "bad", 1): Fraction(1, 24)}
assert forward("Ana is merry.", Tiny())[0] == by_hand
for text, chance in tiny.items():
    assert sum(forward(text, Tiny())[0].values()) == chance

# %% [markdown]
# Now the village itself. Its source has the same form: `village.bits` follows the walks just like that, only
# faster. First on a reduced village whose texts can be listed: a single kind of note, four people, few words.
# Is ours equal to the list, as a fraction? Is groundup's?

# %%
from groundup.village.grammar import Grammar
from groundup.village.grammar import village as full_village
from groundup.village.patterns import Kind, Line, beat

few = full_village().lexicon.smaller(1, people=4, most=3)  # such as one warm word and one cold
note = Kind(
    "note",
    weight=1,
    opening=(
        beat(Line("{a?} is {~feel}.", then=lambda facts: facts._replace(i=facts.a)), glue=""),
        beat("{a.He} has lost {an h?} {x?}.", "{a.He} waits for {b?}."),
    ),
    ending=(beat("Greetings from {a}!", "{a} is {~feel} again."),),
    course=((0, 0, 1),),
)
reduced = Grammar(few, (note,), (), {})
listed = all_texts(reduced)
assert sum(listed.values()) == 1
for text, chance in listed.items():
    assert sum(forward(text, reduced)[0].values()) == village.probability(text, grammar=reduced) == chance
print(
    f"{len(listed)} notes, {entropy(map(float, listed.values())):.3f} bits. One of them: {draw(reduced, rng)}"
)

# %% [markdown]
# And on the full village, where nobody could list anything:

# %%
for text in unseen[:8]:
    ends, _ = forward(text, full_village(), one=1.0)
    assert math.isclose(-math.log2(sum(ends.values())), village.bits(text), rel_tol=1e-9)
    ends, going_on = forward(text[:100], full_village(), one=1.0)  # of all texts that begin so
    begun = -math.log2(sum(ends.values()) + going_on)
    assert math.isclose(begun, village.bits(text[:100], complete=False), rel_tol=1e-9)

bits = np.array([village.bits(text) for text in unseen])
half = 1.96 * bits.std() / math.sqrt(len(bits))
floor = bits.sum() / len("".join(unseen).encode())
print(unseen[0])
print(f"{bits[0]:.1f} bits: of all texts that the village may write, one in 2^{bits[0]:.0f} is this one.")
print(f"The mean of {len(bits)} documents is {bits.mean():.1f} ± {half:.1f} bits, {floor:.3f} per byte.")

# %% [markdown]
# This is **the floor**. Written as plain ASCII each letter would take 8 bits; the best compression in the
# world needs this much and no less.
#
# ## What a model pays beyond it
#
# Now three sorts of models read the same texts: tables that count letters and look back by 1, 3 or 8 of them
# (with the shorter contexts of lesson 5), and a small GPT. If you ran `make demo`, its model is read, too.


# %%
class Letters:
    """Counts which letter followed each sequence of up to `most` letters. "\\0" stands between the texts."""

    def __init__(self, texts: list[str], most: int):
        self.corpus = "\0" + "\0".join(texts) + "\0"
        self.count = Counter()
        for length in range(most + 2):
            self.count.update(self.corpus[i : i + length] for i in range(len(self.corpus) - length + 1))

    def bits(self, text: str, before: int, k: float = 3) -> list[float]:
        """-log2 p of each letter and of the end, if `before` letters are seen."""
        row, found = "\0" + text + "\0", []
        for place in range(1, len(row)):
            p = 1 / 256
            for length in range(min(before, place) + 1):
                context = row[place - length : place]
                seen = self.count[context] - self.corpus.endswith(context)  # nothing follows at the very end
                p = (self.count[context + row[place]] + k * p) / (seen + k)
            found.append(-math.log2(p))
        return found


counting = Letters(documents, most=2 if SHORT else 8)

# %%
from groundup.data.writing import encode
from groundup.evaluation.score import windows_of
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings


def make_model() -> groundup.Loaded:
    """Train a small GPT on the village."""
    length = 256
    tokenizer = groundup.train_bpe(documents[:1000], vocab_size=512)
    torch.manual_seed(1)
    sizes = {"vocab_size": 512, "context_length": 512, "d_model": 96, "n_layers": 2, "n_heads": 3}
    model = groundup.Decoder(groundup.ModelConfig(**sizes, position="rope"))
    windows = groundup.TokenWindows(encode(documents, tokenizer).tokens, length)
    batches = groundup.Batches(windows, groundup.Order(len(windows), 1), samples_per_step=4, micro_batch=4)
    settings = TrainSettings(
        steps=15 if SHORT else 1000,
        tokens_per_step=4 * length,
        sequence_length=length,
        micro_batch=4,
        learning_rate=8e-3,
        warmup_steps=5 if SHORT else 60,
        schedule="linear",
    )
    groundup.train(NextToken(model), batches, settings)
    return groundup.Loaded(model, tokenizer, model.config)


Paid = list[tuple[int, int, float]]  # (start, end, bits) of each token; the end of the text is a letter, too


def paid_by(loaded: groundup.Loaded, text: str) -> Paid:
    """What a GPT pays for each token of a text."""
    tokenizer = loaded.tokenizer
    ids = torch.tensor([tokenizer.border_id, *tokenizer.encode(text), tokenizer.border_id])
    bits, context = [], loaded.config.context_length
    for start, first, end in windows_of(len(ids) - 1, context, context // 2):  # as in lesson 4
        with torch.no_grad():
            logits = loaded.model(ids[None, start:end])[0, first - start :]
        nats = F.cross_entropy(logits, ids[first + 1 : end + 1], reduction="none")
        bits += (nats / math.log(2)).tolist()
    sizes = [len(tokenizer.decode_bytes([id])) for id in ids[1:-1].tolist()]
    ends = np.cumsum([*sizes, 1]).tolist()
    return list(zip([0, *ends[:-1]], ends, bits, strict=True))


gpt = make_model()
readers = {
    f"{before} letter{'s' if before > 1 else ''} before": lambda text, before=before: [
        (place, place + 1, bits) for place, bits in enumerate(counting.bits(text, before))
    ]
    for before in ((1, 2) if SHORT else (1, 3, 8))
}
readers["a small GPT"] = lambda text: paid_by(gpt, text)
demos = [run for run in (Path("runs/demo"), Path("../runs/demo")) if (run / "model").is_dir()]
if demos:
    demo = groundup.load(demos[0])
    readers["the demo"] = lambda text: paid_by(demo, text)

# %% [markdown]
# What have they not learned? The village knows for each letter **why** it stands there:
#
# - **spelling**: after these letters of a word there is only one that can follow. `lanter` becomes `lantern`.
# - **grammar**: no choice either, but because of the sentence: the `to` in `gave it to`.
# - **fact**: it was settled by something said before. *Who* has the jug? On *which* day was it promised?
# - **free**: here the village itself was free. This is where the floor is paid.
#
# The excess of a model is divided by these causes. (A token can have several; it counts for the first of
# fact, free, grammar, spelling.)

# %%
from groundup.evaluation.texts import Texts
from groundup.tasks.perplexity import TASK
from groundup.village.tasks.causes import CAUSES, excess

shown = {"free": "#0b6a72", "spelling": "#b9c4c6", "grammar": "#8a9a5b", "fact": "#b04a12"}
assert set(shown) == set(CAUSES)
by_cause = {name: dict.fromkeys(shown, 0.0) for name in readers}
for name, reader in readers.items():
    for text in unseen:
        shares = excess(text, reader(text))
        assert math.isclose(sum(share.floor for share in shares.values()), village.bits(text), rel_tol=1e-6)
        for cause, share in shares.items():
            by_cause[name][cause] += share.excess / len(unseen)

texts = Texts.from_strings(gpt.tokenizer, unseen, village.bits)
measured = {score.metric: score.value for score in TASK.score(gpt, texts)}["excess_percent"]
assert math.isclose(100 * sum(by_cause["a small GPT"].values()) / bits.mean(), measured, rel_tol=1e-4)

figure, axes = plt.subplots(figsize=(8.5, 3.2), layout="constrained")
left = np.full(len(readers), bits.mean())
axes.barh(
    list(readers), left, color="white", edgecolor="#b04a12", hatch="///", linewidth=0, label="the floor"
)
for cause, colour in shown.items():
    widths = [by_cause[name][cause] for name in readers]
    axes.barh(list(readers), widths, left=left, color=colour, label=f"excess: {cause}")
    left = left + widths
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("bits per document")
axes.legend(frameon=False, loc="lower right")
plt.show()
for name, found in by_cause.items():
    parts = ", ".join(f"{cause} {value:.0f}" for cause, value in found.items())
    print(f"{name:16} excess {100 * sum(found.values()) / bits.mean():4.0f} % of the floor: {parts} bits")

# %% [markdown]
# A table that looks back one letter cannot even spell. With more letters the spelling is learned, and more
# and more of the grammar. What is left under *free*: the model does not know the chances of the words quite
# right, or which of them fit at all. Under *fact*: it must remember who is who, over many sentences. No
# counting of letters gets there. A GPT can, but this one is small, and has only begun to.
#
# ## Where the bits are paid
#
# One document, letter by letter. The height of a bar counts: upwards what the GPT pays for each of its
# tokens, downwards what the village itself pays there. Where both are high, there was a real choice. Where
# only the upper one is, the model could have known.

# %%
from groundup.village.tasks.causes import letters, span

text = min((text for text in unseen if len(text) > 250), key=len)
pieces, paid, width = letters(text), paid_by(gpt, text), 84
rows = range(0, min(len(text), 4 * width), width)
figure, all_axes = plt.subplots(len(rows), 1, figsize=(10, 1.7 * len(rows)), layout="constrained")
for axes, first in zip(np.atleast_1d(all_axes), rows, strict=True):
    for start, end, bits_paid in paid:
        floor_paid, cause = span(pieces, start, end)
        if first <= start < first + width:
            middle, thick = (start + end - 1) / 2, end - start - 0.2
            axes.bar(middle, bits_paid, thick, bottom=1.3, color=shown[cause])
            axes.bar(middle, -floor_paid, thick, bottom=-1.3, color=shown[cause], alpha=0.6)
    for place, letter in enumerate(text[first : first + width], first):
        axes.text(place, 0, letter.strip(), ha="center", va="center", family="monospace", fontsize=9)
    axes.set(xlim=(first - 1, first + width), ylim=(-11, 13))
    axes.axis("off")
figure.legend(
    [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in shown.values()],
    shown,
    ncols=4,
    loc="outside upper left",
)
plt.show()

# %% [markdown]
# ## Exercises
#
# Replace `...` and run the cell again. The first: **KL by yourself**, in bits, for any two rows of chances.
# Think of outcomes that never happen (p = 0), and of a model that takes for impossible what does happen
# (q = 0).


# %%
def divergence_of(p: list[float], q: list[float]) -> float:
    """What a model that believes in q pays beyond the floor, where p is true; math.inf if without limit."""
    ...


# %%
def check_divergence_of(yours) -> str:
    blind = {
        text: 2 ** -sum(counting.bits(text, 1)) for text in tiny
    }  # what a table of letter pairs believes
    cases = [
        ([0.9, 0.1], [0.5, 0.5]),
        ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5]),
        ([0.5, 0.5, 0.0], [0.25, 0.25, 0.5]),
        ([0.5, 0.5], [1.0, 0.0]),
        ([float(chance) for chance in tiny.values()], list(blind.values())),
    ]
    for p, q in cases:
        own = math.inf if any(b == 0 < a for a, b in zip(p, q, strict=True)) else 0.0
        if not own:
            own = F.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction="sum").item() / math.log(2)
        try:
            got = yours(p, q)
        except (ValueError, ZeroDivisionError) as error:
            return f"divergence_of: not yet. For {p} and {q} yours failed: {error}"
        if got is None or not math.isclose(got, own, rel_tol=1e-4):
            return f"divergence_of: not yet. For {p[:4]} and {q[:4]} it is {own:.4f}, yours is {got}."
    return f"divergence_of: right! On our tiny source a table of letter pairs pays {got:.1f} bits too much."


print(check_divergence_of(divergence_of))

# %% [markdown]
# The second: **guess the mood** of a document from its words. The village never says whether a tale is told
# in a warm mood (0) or a cold one (1), but it tilts the choice of words. The forward algorithm keeps the
# masses of all final states, and with a state goes its mood.


# %%
def warm(ends: list[tuple[int, float]]) -> float:
    """(mood, mass) of each final state -> the probability that the mood is warm, given the whole text."""
    ...


# %%
def check_warm(yours) -> str:
    surest = (0.5, "")
    for text in unseen[:8]:
        ends, _ = forward(text, full_village(), one=1.0)
        worlds = village.worlds(text)
        own = sum(chance for facts, chance in worlds.items() if facts.mood == 0)
        got = yours([(facts.mood, mass) for (_, _, facts), mass in ends.items()])
        if got is None or not math.isclose(got, own, rel_tol=1e-6):
            return f"warm: not yet. The village says {own:.4f}, yours is {got}: {text[:60]} ..."
        surest = max(surest, (abs(got - 0.5), f"{got:.0%} warm: {text}"))
    return "warm: right! The clearest case: " + surest[1]


print(check_warm(warm))

# %% [markdown]
# The third: **the perfect model.** Say what it pays for each letter of a text, if it is given `chance`: a
# function that says how probable it is that a text *begins* so, and begins so and ends there. With it nobody
# needs to learn anything. (After the last letter comes the end, which must be paid for as well. The
# probability of a letter, given what stands before it, is the chance of the longer beginning divided by that
# of the shorter.)


# %%
def perfect_bits(chance, text: str) -> list[float]:
    """Bits of each letter and of the end. chance(beginning), chance(text, ends=True) -> a probability."""
    ...


# %%
def check_perfect_bits(yours) -> str:
    def chance(text: str, ends: bool = False) -> float:
        finished, going_on = forward(text, reduced, one=1.0)
        return sum(finished.values()) + (0 if ends else going_on)

    for text in sorted(listed)[:: len(listed) // 6]:
        got, own = yours(chance, text), [piece.bits for piece in letters(text, grammar=reduced)]
        if got is None or len(got) != len(own):
            n = "nothing" if got is None else f"{len(got)} numbers"
            return f"perfect_bits: not yet. For {len(text)} letters and the end yours gives {n}."
        for place, (one, other) in enumerate(zip(got, own, strict=True)):
            if not math.isclose(one, other, abs_tol=1e-6):
                return f"perfect_bits: not yet. {text!r}, letter {place}: {other:.4f}, yours says {one:.4f}."
        assert math.isclose(sum(got), village.bits(text, grammar=reduced), rel_tol=1e-9)
    priced = zip(text, got[:-1], strict=True)
    line = " ".join(f"{letter}{bits:.1f}" if bits > 0.05 else letter for letter, bits in priced)
    return f"perfect_bits: right! Nobody can pay less than this: {line}"


print(check_perfect_bits(perfect_bits))
