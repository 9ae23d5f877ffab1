# %% [markdown]
# # 1. What is a language model?
#
# You read a text up to some place and stop. **What comes next, and how sure are you?** Whoever can answer this at
# every place of every text has a language model. All the rest, the chats and the assistants, is built on that answer.
#
# In this lesson you guess yourself, then let a table of counts guess, then a small GPT. You will write the rule that
# says who guesses best, and the loop that turns guesses into new text; both are compared with groundup's own.

# %%
import math
import os
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from groundup import Batches, Decoder, Loaded, ModelConfig, Order, TokenWindows, Tokenizer, generate, load
from groundup import train, train_bpe, village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # The tests of groundup run this lesson in a few seconds.
documents = list(village.documents(seed=1, start=0, count=300 if SHORT else 5000))
print(documents[0])

# %% [markdown]
# ## Guess yourself
#
# The texts of this lesson come from the *village*: a small world whose tales, letters and notices groundup makes up,
# as many as you like. Below is the beginning of one that is not among our documents. Which character comes next?

# %%
unseen = list(village.documents(seed=1, start=10**6, count=8 if SHORT else 40))
place = unseen[0].index(" to the ") + len(" to the ")
beginning = unseen[0][:place]
print(beginning + "_")

# %% [markdown]
# A computer can guess by counting: look for other places where the same characters stand, and note what followed.

# %%
corpus = "\n".join(documents)
for length in (1, 4, 8, 16, 64):
    end = beginning[-length:]
    places = [i + length for i in range(len(corpus) - length) if corpus.startswith(end, i)]
    followers = Counter(corpus[i] for i in places).most_common(5)
    shares = ", ".join(f"{character!r} {count / len(places):.0%}" for character, count in followers)
    print(f"after {end[-24:]!r:28} seen {len(places):6} times:  {shares}")

# %% [markdown]
# The more characters we look back, the better the guess, until we look for something that was never there before.
# Most long beginnings are new, so counting alone does not get far. A *learned* model can: it notices what new
# beginnings have in common with old ones. But first, what exactly is a good guess?
#
# ## The smallest example, by hand
#
# A language model is a **function from a text to one probability for each possible next piece**. The pieces may be
# characters, bytes or parts of words; each has a number, its *id*. The simplest model looks back by a single piece.
# Take the one word `bananas`, with `|` as the border before and after it. After `a` comes `n` twice and `s` once:
# so `n` has the probability 2/3 and `s` 1/3. After every other piece there is only one choice, with probability 1.
#
# How good are these guesses? Take the probability that the model gave to what *really* came, and the more it is
# below 1, the worse: the **loss** of one guess is $-\ln p$. It is 0 for $p = 1$ and without limit for $p \to 0$.
# In `|bananas|` there are eight guesses; two of them cost $-\ln 2/3$, one costs $-\ln 1/3$, five cost nothing:

# %%
by_hand = (2 * -math.log(2 / 3) + 1 * -math.log(1 / 3) + 5 * -math.log(1)) / 8
print(f"mean loss by hand: {by_hand:.4f}")

# %% [markdown]
# ## A model that counts pairs
#
# Shapes in the comments: T pieces of a text, V different pieces (the size of the vocabulary).


# %%
class Bigram:
    """Guesses the next id from the last one, by how often it followed. extra: what is added to each count."""

    def __init__(self, ids: torch.Tensor, vocab_size: int, extra: float = 0.0):
        counts = torch.full((vocab_size, vocab_size), extra)
        counts.index_put_((ids[:-1], ids[1:]), torch.ones(len(ids) - 1), accumulate=True)
        self.probabilities = counts / counts.sum(1, keepdim=True)  # (V, V): each row adds up to 1

    def losses(self, ids: torch.Tensor) -> torch.Tensor:
        """(T,) ids -> (T - 1,) the loss of each guess; the first id is only read."""
        return -self.probabilities[ids[:-1], ids[1:]].log()

    def write(self, ids: list[int], length: int, generator: torch.Generator) -> list[int]:
        """Go on from ids: draw the next one by its probability, again and again."""
        for _ in range(length):
            ids = [*ids, int(torch.multinomial(self.probabilities[ids[-1]], 1, generator=generator))]
        return ids


letters = "|abns"
bananas = torch.tensor([letters.index(letter) for letter in "|bananas|"])
tiny = Bigram(bananas, len(letters))
assert math.isclose(tiny.losses(bananas).mean(), by_hand, rel_tol=1e-6)
print(tiny.probabilities)

# %% [markdown]
# Is there a better table than the counted one? If so, the loss would fall in some direction: its *gradient* would not
# be zero. We ask PyTorch, which knows this loss as *cross-entropy* (it takes logarithms of the probabilities).

# %%
table = tiny.probabilities.log().requires_grad_()
loss = F.cross_entropy(table[bananas[:-1]], bananas[1:])
loss.backward()
assert math.isclose(loss.item(), by_hand, rel_tol=1e-6)
assert table.grad.abs().max() < 1e-6  # It falls nowhere: counting is the best that a table of pairs can do.

# %% [markdown]
# Now the same on the village, byte by byte, with a border between the documents. We add a little to each count: an
# unseen pair would have probability 0, and a single one of those makes the loss of a whole text infinite.

# %%
by_byte = Tokenizer.from_bytes()
border = by_byte.border_id


def with_borders(tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    """The ids of all texts in one row, a border before, between and after them."""
    rows = [[tokenizer.border_id, *ids] for ids in tokenizer.encode_batch(texts)]
    return np.concatenate([*rows, [tokenizer.border_id]])


bigram = Bigram(torch.from_numpy(with_borders(by_byte, documents)), by_byte.vocab_size, extra=0.01)
ids = bigram.write([border], 300, torch.Generator().manual_seed(1))
print(by_byte.decode(ids).replace("<|endoftext|>", "\n"))

# %% [markdown]
# This is what a computer says that knows only which character follows which. It can be pronounced, nearly.
#
# ## One number that can be compared: bits per byte
#
# The probability of a whole text is the product of the guesses along it; so its logarithm is the sum of theirs. With
# logarithms to base 2 the sum is counted in **bits**: 1 bit is one coin that must be right. Divided by the bytes of
# the text, it no longer matters whether a model guesses bytes or whole words: this is **bits per byte**. (It is also
# the size to which the model could compress the text: at 2 bits per byte, to a quarter.)
#
# Nobody can guess everything: a tale may go on in more than one way. For the village, and this is rare, the least
# possible number is known, because we know the program that makes its texts: `village.bits` gives the exact
# $-\log_2 p$ of a text. It is the **floor** under every model.

# %%
n_bytes = sum(len(text.encode()) for text in unseen)
n_guesses = n_bytes + len(unseen)  # the border that ends a document must be guessed, too
unseen_bytes = torch.from_numpy(with_borders(by_byte, unseen))
shares = torch.bincount(torch.from_numpy(with_borders(by_byte, documents)), minlength=by_byte.vocab_size) + 0.01
singles = -(shares / shares.sum()).log2()[unseen_bytes[1:]]
results = {
    "no idea: all bytes alike": n_guesses * math.log2(by_byte.vocab_size) / n_bytes,
    "how frequent each byte is": singles.sum().item() / n_bytes,
    "pairs of bytes": bigram.losses(unseen_bytes).sum().item() / math.log(2) / n_bytes,
    "the floor": sum(village.bits(text) for text in unseen) / n_bytes,
}
for name, bits in results.items():
    print(f"{name:28} {bits:.3f} bits per byte")

# %% [markdown]
# ## A model that learns
#
# If you ran `make demo` where you opened this lesson, its model is loaded here. If not, a small one is made: the same
# steps in their shortest form, about a minute. How it computes is the subject of later lessons; today it is a function
# that reads ids and gives a number for each possible next id. Its pieces are *tokens*: bytes that often stand together
# were joined into one.

# %%
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings


def make_model() -> Loaded:
    """Train a small GPT on the village."""
    tokenizer = train_bpe(documents[:1000], vocab_size=512)
    torch.manual_seed(1)
    config = ModelConfig(
        vocab_size=512, context_length=256, d_model=96, n_layers=2, n_heads=3, position="rope"
    )
    model = Decoder(config)
    windows = TokenWindows(with_borders(tokenizer, documents), config.context_length)
    batches = Batches(windows, Order(len(windows), seed=1), samples_per_step=4, micro_batch=4)
    settings = TrainSettings(
        steps=20 if SHORT else 1200,
        tokens_per_step=4 * config.context_length,
        sequence_length=config.context_length,
        micro_batch=4,
        learning_rate=8e-3,
        warmup_steps=5 if SHORT else 60,
        schedule="linear",
    )
    train(NextToken(model), batches, settings)
    return Loaded(model, tokenizer, config)


demos = [folder for folder in (Path("runs/demo"), Path("../runs/demo")) if (folder / "model").is_dir()]
loaded = load(demos[0]) if demos else make_model()
model, tokenizer = loaded.model.eval(), loaded.tokenizer
print(f"{model.n_parameters():,} learned numbers")
print(tokenizer.pieces(tokenizer.encode(beginning)))

# %% [markdown]
# Its guesses for our beginning, beside the truth: how probable it is that a village text goes on with those letters.

# %%
from groundup.village.filter import read


def bits_of_beginning(text: str) -> float:
    """-log2 of the probability that a village text begins so: the same sum as village.bits, of unfinished ones."""
    reading = read(text)
    return reading.shift - math.log2(sum(reading.ends.values()) + reading.unfinished or 1e-300)


def next_logits(ids: list[int]) -> torch.Tensor:
    """(T,) ids -> (V,) a number for each possible next token: the higher, the more probable."""
    with torch.no_grad():
        return model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size]


# The space before a word belongs to the word's token, so we stop before it.
prefix = beginning.rstrip()
prefix_ids = [tokenizer.border_id, *tokenizer.encode(prefix)]
best = next_logits(prefix_ids).softmax(-1).topk(12)
pieces = tokenizer.pieces(best.indices.tolist())
truth = [2 ** (bits_of_beginning(prefix) - bits_of_beginning(prefix + piece)) for piece in pieces]

figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
rows = np.arange(len(pieces))
axes.barh(rows - 0.2, best.values, height=0.4, color="#0b6a72", label="the model")
axes.barh(rows + 0.2, truth, height=0.4, color="#e0a070", label="the village itself")
axes.set_yticks(rows, [repr(piece) for piece in pieces])
axes.invert_yaxis()
axes.set_xlabel("probability")
axes.set_title(f"What follows after “…{prefix[-40:]}”?", loc="left")
axes.legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# ## The loss, by hand, on the real model
#
# The model gives any numbers $z$, the **logits**. The *softmax* makes probabilities of them, $p_i = e^{z_i} / \sum_j
# e^{z_j}$, and the loss of a guess is again $-\ln p$ of what came. To learn, the model must know in which direction
# to change each logit; the gradient of this loss is as simple as can be: **$p$, less 1 at what really came**.


# %%
def loss_and_gradient(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, V) logits, (T,) ids that came -> the sum of the losses, and its gradient by the logits (T, V)."""
    powers = (logits - logits.max(-1, keepdim=True).values).exp()  # less the largest: so that nothing overflows
    p = powers / powers.sum(-1, keepdim=True)
    rows = torch.arange(len(targets))
    loss = -p[rows, targets].log().sum()
    p[rows, targets] -= 1
    return loss, p


text_ids = with_borders(tokenizer, [min(unseen, key=len)])[: model.config.context_length + 1]
inputs, targets = torch.from_numpy(text_ids[:-1]), torch.from_numpy(text_ids[1:])
with torch.no_grad():
    hidden = model.hidden(inputs[None])[0]  # (T, D): what the model thinks at each place, before the logits
ours, our_gradient = loss_and_gradient((hidden @ model.unembed.weight.T).detach(), targets)

# %% [markdown]
# Equal to what groundup reports as a score, to PyTorch's cross-entropy, and to the loss with which groundup trains
# (it goes one step further back, to `hidden`, and never keeps the whole table of logits):

# %%
from groundup.evaluation.score import rolling
from groundup.training.loss import linear_cross_entropy

assert math.isclose(ours, rolling(model, [text_ids]).nats.sum(), rel_tol=1e-5)

logits = model.unembed(hidden).detach().requires_grad_()
F.cross_entropy(logits, targets, reduction="sum").backward()
assert torch.allclose(our_gradient, logits.grad, atol=1e-5)

hidden.requires_grad_()
theirs = linear_cross_entropy(hidden, model.unembed.weight.detach(), targets)
theirs.backward()
assert math.isclose(ours, theirs, rel_tol=1e-5)
assert torch.allclose(our_gradient @ model.unembed.weight, hidden.grad, atol=1e-4)
print(f"{len(targets)} guesses, {ours / len(targets):.3f} nats each, by all three")

# %% [markdown]
# ## Who guesses best?
#
# groundup's own task `perplexity` measures the model on the unseen texts, in bits per byte too. A model that has
# learned nothing yet stands in the same chart: why is it so much better than "no idea"? (Its tokens are long.)

# %%
from groundup.evaluation.texts import Texts
from groundup.tasks.perplexity import TASK

texts = Texts.from_strings(tokenizer, unseen)
untrained = Loaded(Decoder(model.config), tokenizer, model.config)
results["this GPT, untrained"] = TASK.score(untrained, texts)[0].value
results["this GPT, trained"] = TASK.score(loaded, texts)[0].value
ranking = sorted(results, key=results.__getitem__, reverse=True)

figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
colours = {"the floor": "#b04a12", "this GPT, trained": "#0b6a72"}
bars = axes.barh(ranking, [results[name] for name in ranking], color=[colours.get(n, "#b9c4c6") for n in ranking])
axes.bar_label(bars, fmt="%.2f", padding=4)
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("bits per byte: less is better")
plt.show()

# %% [markdown]
# ## From guesses to text
#
# Ask for the next token, add it to the text, ask again. That is all. `pick` decides which token is taken; the
# simplest way is *greedy*: always the most probable one. groundup's own `generate` does the same (faster: it remembers
# what it has read), so both must agree, token for token.


# %%
def write(prompt: str, length: int, pick) -> list[int]:
    """The ids of at most `length` new tokens. pick: (V,) logits -> the id to take."""
    ids, new = [tokenizer.border_id, *tokenizer.encode(prompt)], []
    while len(new) < length and (taken := int(pick(next_logits(ids + new)))) != tokenizer.border_id:
        new.append(taken)
    return new


def groundup_writes(prompt: str, length: int, **how) -> list[int]:
    """The same by groundup's own function."""
    return [id for piece in generate(loaded, prompt, max_tokens=length, **how) for id in piece.ids]


greedy = write(prefix, 60, torch.argmax)
assert greedy == groundup_writes(prefix, 60, temperature=0)
print(prefix + tokenizer.decode(greedy))

# %% [markdown]
# Or let chance decide, by the model's own probabilities: the texts differ, as tales do. The village knows which words
# are impossible where they stand, so it can play the teacher.


# %%
def at_random(probabilities, seed: int):
    """A way to pick: draw by probabilities(logits), a function (V,) -> (V,)."""
    generator = torch.Generator().manual_seed(seed)
    return lambda logits: torch.multinomial(probabilities(logits), 1, generator=generator)


for seed in range(3):
    tale = prefix + tokenizer.decode(write(prefix, 60, at_random(lambda logits: logits.softmax(-1), seed)))
    mistake = village.check(tale, complete=False)
    print(tale, "\n   -->", f"{mistake.word!r}: {mistake.why}" if mistake else "no mistake", "\n")

# %% [markdown]
# ## Exercises
#
# Replace `...` and run the cell again: your function is put into the real model, and what comes out is compared with
# groundup's own. The first: **perplexity** is $e$ to the power of the mean loss. It says among how many equally
# probable tokens the model hesitates; one that guesses blindly has the size of its vocabulary.


# %%
def perplexity(losses: torch.Tensor) -> float:
    """(T,) the losses of a text's tokens, in nats -> one number."""
    ...


def check_perplexity(yours) -> str:
    with torch.no_grad():
        losses = F.cross_entropy(model(inputs[None])[0], targets, reduction="none")
    got, own = yours(losses), TASK.score(loaded, Texts([text_ids], np.array([1])))[1].value
    if got is None or not math.isclose(got, own, rel_tol=1e-4):
        return f"Not yet: for the text above yours is {got}; groundup's is {own:.4f}."
    return f"Right: this model hesitates among {got:.2f} tokens, a blind one among {tokenizer.vocab_size}."


print(check_perplexity(perplexity))

# %% [markdown]
# The second: **temperature**. Logits are divided by it before the softmax. Below 1 the model becomes careful, above 1
# adventurous. The third: **top-k**. Only the k most probable tokens stay; the others get probability 0, and those
# that stay are scaled so that they add up to 1 again (`torch.topk` helps).


# %%
def with_temperature(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """(V,) logits -> (V,) probabilities."""
    ...


def top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """(V,) logits -> (V,) probabilities, all but the k highest 0."""
    ...


# %%
from groundup.generation.sample import Sampling, probabilities


def compared(yours, value, **how) -> str:
    """Compare the probabilities for one place, then the tokens that the model writes with them."""
    logits = next_logits(prefix_ids)
    got, own = yours(logits, value), probabilities(logits, Sampling(**how))
    if got is None or not torch.allclose(got, own, atol=1e-5):
        return f"Not yet: {got} should be {own}."
    written = write(prefix, 40, at_random(lambda z: yours(z, value), seed=5))
    assert written == groundup_writes(prefix, 40, seed=5, **how)
    return "Right: " + prefix + tokenizer.decode(written)


def check_with_temperature(yours) -> str:
    return compared(yours, 0.6, temperature=0.6, top_k=0)


def check_top_k(yours) -> str:
    return compared(yours, 5, temperature=1.0, top_k=5)


print(check_with_temperature(with_temperature))
print(check_top_k(top_k))
