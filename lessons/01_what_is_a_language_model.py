# %% [markdown]
# # 1. What is a language model?
#
# You read a text up to some place and stop. **What comes next, and how sure are you?** Whoever can answer
# this at every place of every text has a language model. All chats and assistants are built on it.
#
# In this lesson you guess yourself, then a table of counts guesses, then a small GPT. You will see the rule
# that says who guesses best, and the loop that turns guesses into new text. Both are written here in a few
# lines, and compared with the ones that groundup uses.

# %%
import math
import os
import re
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
documents = list(village.documents(seed=1, start=0, count=300 if SHORT else 5000))
print(documents[0])

# %% [markdown]
# ## Guess yourself
#
# The texts of this lesson come from the *village*: a small world about which groundup makes up tales,
# letters and notices, as many as you like. Here is the beginning of one that is not among our documents.
# Which character comes next?

# %%
unseen = list(village.documents(seed=1, start=10**6, count=8 if SHORT else 40))
beginning = next(text[: text.index(" to the ") + 8] for text in unseen if " to the " in text)
print(beginning + "_")

# %% [markdown]
# A computer can guess by counting: it looks for places where the same characters stand, and notes what
# followed.

# %%
corpus = "\n".join(documents)
for length in (1, 4, 8, 16, 32):
    end = beginning[-length:]
    followers = re.findall(re.escape(end) + "(.)", corpus, re.DOTALL)
    shares = [f"{c!r} {count / len(followers):.0%}" for c, count in Counter(followers).most_common(5)]
    print(f"after {end!r:34} seen {len(followers):6} times:  {', '.join(shares)}")

# %% [markdown]
# The further we look back, the more the guess fits this very text, until we look for something that was
# never there before. Most beginnings that are a little longer are new, so counting them does not get far. A
# model that *learns* can do better: it notices what a new beginning has in common with old ones. But first:
# what exactly is a good guess?
#
# ## The smallest example, by hand
#
# A language model is a **function from a text to one probability for each possible next piece**. The pieces
# may be characters, bytes or parts of words. Each has a number, its *id*. The simplest model looks back by
# a single piece. Take the word `bananas`, with `|` as a border before and after it. After `a` comes `n`
# twice and `s` once: so `n` has the probability 2/3 and `s` 1/3. After every other piece there is only one
# choice, with probability 1.
#
# How good are these guesses? Look at the probability $p$ that was given to what *really* came. The **loss**
# of the guess is $-\ln p$: zero for $p = 1$, and without limit as $p$ goes to 0. In `|bananas|` there are
# eight guesses. Two of them cost $-\ln \frac23$, one costs $-\ln \frac13$, five cost nothing:

# %%
by_hand = (2 * -math.log(2 / 3) + 1 * -math.log(1 / 3) + 5 * -math.log(1)) / 8
print(f"mean loss: {by_hand:.4f}")

# %% [markdown]
# ## A model that counts pairs
#
# Shapes in the comments: T the pieces of a text, V the size of the vocabulary (how many different pieces
# there are).


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
for letter, row in zip(letters, tiny.probabilities, strict=True):
    print(f"after {letter}: ", "  ".join(f"{name} {p:.2f}" for name, p in zip(letters, row, strict=True)))

# %% [markdown]
# Is there a better table than the counted one? Then a small change of some number in it would make the loss
# smaller: the *gradient* would not be zero. PyTorch knows this loss as *cross-entropy* and can tell us the
# gradient.

# %%
table = tiny.probabilities.log().requires_grad_()
loss = F.cross_entropy(table[bananas[:-1]], bananas[1:])
loss.backward()
assert math.isclose(loss.item(), by_hand, rel_tol=1e-6)
assert table.grad.abs().max() < 1e-6
print("No change makes it better: counting is the best that a table of pairs can do.")

# %% [markdown]
# Now the same on the village, byte by byte, with a border between the documents. A little is added to each
# count: a pair that was never seen would have probability 0, and the loss of a text with one such pair
# would be infinite.


# %%
def with_borders(tokenizer: groundup.Tokenizer, texts: list[str]) -> torch.Tensor:
    """(T,) the ids of all texts in one row, a border before, between and after them."""
    rows = [[tokenizer.border_id, *ids] for ids in tokenizer.encode_batch(texts)]
    return torch.tensor([*(id for row in rows for id in row), tokenizer.border_id])


by_byte = groundup.Tokenizer.from_bytes()
bigram = Bigram(with_borders(by_byte, documents), by_byte.vocab_size, extra=0.01)
ids = bigram.write([by_byte.border_id], 300, torch.Generator().manual_seed(1))
print(by_byte.decode(ids).replace("<|endoftext|>", "\n"))

# %% [markdown]
# So speaks a computer that knows which character follows which, and nothing else.
#
# ## One number that can be compared: bits per byte
#
# The probability of a whole text is the product of the probabilities along it, so the loss of the text is
# the sum of their losses. With logarithms to base 2 it is counted in **bits**, with natural ones, as above,
# in *nats* (1 nat is 1.44 bits). Divided by the bytes of the text it no longer matters whether a model
# guesses bytes or whole words: **bits per byte**. It is also the size to which the model could compress the
# text: 2 bits per byte are a quarter.
#
# Nobody can always be right: a tale may go on in more than one way. For the village, and this is rare, the
# best possible number is known, because a program of known chances makes its texts: `village.bits` is the
# exact $-\log_2 p$ of a text. It is the **floor** below which no model can get, but by luck.

# %%
n_bytes = sum(len(text.encode()) for text in unseen)
n_guesses = n_bytes + len(unseen)  # the border at the end of each document must be guessed, too
results = {
    "all bytes alike": n_guesses * math.log2(by_byte.vocab_size) / n_bytes,
    "pairs of bytes": bigram.losses(with_borders(by_byte, unseen)).sum().item() / math.log(2) / n_bytes,
    "the floor": sum(village.bits(text) for text in unseen) / n_bytes,
}
for name, bits in results.items():
    print(f"{name:16} {bits:.3f} bits per byte")

# %% [markdown]
# ## A model that learns
#
# If you ran `make demo`, the model that it trained is loaded here. If not, a smaller one is made, by the
# same steps and in about a minute. How it computes is the subject of later lessons. Today it is a function
# that reads ids and gives a number for each possible next id. Its pieces are *tokens*: bytes that often
# stand together became one.

# %%
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings


def make_model() -> groundup.Loaded:
    """Train a small GPT on the village."""
    length = 256  # tokens that it can see at once
    tokenizer = groundup.train_bpe(documents[:1000], vocab_size=512)
    torch.manual_seed(1)
    sizes = {"vocab_size": 512, "context_length": length, "d_model": 96, "n_layers": 2, "n_heads": 3}
    model = groundup.Decoder(groundup.ModelConfig(**sizes, position="rope"))
    windows = groundup.TokenWindows(with_borders(tokenizer, documents).numpy(), length)
    order = groundup.Order(len(windows), seed=1)
    batches = groundup.Batches(windows, order, samples_per_step=4, micro_batch=4)
    settings = TrainSettings(
        steps=15 if SHORT else 1200,
        tokens_per_step=4 * length,
        sequence_length=length,
        micro_batch=4,
        learning_rate=8e-3,
        warmup_steps=5 if SHORT else 60,
        schedule="linear",
    )
    groundup.train(NextToken(model), batches, settings)
    return groundup.Loaded(model, tokenizer, model.config)


demos = [run for run in (Path("runs/demo"), Path("../runs/demo")) if (run / "model").is_dir()]
loaded = groundup.load(demos[0]) if demos else make_model()
model, tokenizer = loaded.model.eval(), loaded.tokenizer
print(f"{model.n_parameters():,} learned numbers; it reads our beginning in these pieces:")
print(tokenizer.pieces(tokenizer.encode(beginning)))

# %% [markdown]
# Where to? We take the words that follow "to the" most often in our documents. A word may be several
# tokens: then its probability is the product of theirs, each after those before it. And because it is the
# village, we can ask for the truth, too: how probable is it that a text with this beginning goes on with
# that word?

# %%
prompt = beginning.rstrip()  # without the last space, because it belongs to the next word's first token
prompt_ids = [tokenizer.border_id, *tokenizer.encode(prompt)]


def next_logits(ids: list[int]) -> torch.Tensor:
    """(T,) ids -> (V,) a number for each possible next token: the higher, the more probable."""
    with torch.no_grad():
        return model(torch.tensor([ids]))[0, -1, : tokenizer.vocab_size]


def model_probability(word: str) -> float:
    """How probable the model finds it that the prompt goes on with this word."""
    ids = tokenizer.encode(word)
    steps = [next_logits(prompt_ids + ids[:i]).softmax(-1)[id].item() for i, id in enumerate(ids)]
    return math.prod(steps)


def true_probability(word: str) -> float:
    """How probable it is that a text of the village goes on with this word, if it begins with the prompt."""
    return 2 ** (village.bits(prompt, complete=False) - village.bits(prompt + word, complete=False))


words = [word for word, _ in Counter(re.findall(" to the( [a-z]+)", corpus)).most_common(14)]
words.sort(key=model_probability, reverse=True)
truth = [true_probability(word) for word in words]

figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
rows = np.arange(len(words))
axes.barh(rows - 0.2, [model_probability(w) for w in words], height=0.4, color="#0b6a72", label="the model")
axes.barh(rows + 0.2, truth, height=0.4, color="#e0a070", label="the village")
axes.set_yticks(rows, words)
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("probability")
axes.set_title("What follows after “… " + " ".join(prompt.split()[-6:]) + "”?", loc="left")
axes.legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# Where the village has no bar, the word is impossible at this place. Is there a reason in the text before?
# A model that is trained for longer finds out about such reasons, from nothing but guessing what comes
# next.
#
# ## The loss by hand, on the real model
#
# The numbers $z$ that the model gives are called **logits**. The *softmax* makes probabilities of them,
# $p_i = e^{z_i} / \sum_j e^{z_j}$, and the loss of a guess is $-\ln p$ of what came, as before. To learn,
# one must know how the loss changes with each logit. This gradient is as simple as can be: **$p$, less 1 at
# what really came**.


# %%
def loss_and_gradient(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, V) logits, (T,) what came -> the sum of the losses; its gradient by the logits (T, V)."""
    largest = logits.max(-1, keepdim=True).values  # taken off, so that no power becomes infinite
    powers = (logits - largest).exp()
    p = powers / powers.sum(-1, keepdim=True)
    rows = torch.arange(len(targets))
    loss = -p[rows, targets].log().sum()
    p[rows, targets] -= 1
    return loss, p


text_ids = with_borders(tokenizer, [min(unseen, key=len)])[: model.config.context_length + 1]
inputs, targets = text_ids[:-1], text_ids[1:]  # each token is guessed from those before it
with torch.no_grad():
    hidden = model.hidden(inputs[None])[0]  # (T, D): what the model knows at each place, before the logits
    logits = model.unembed(hidden)  # (T, V)
loss, gradient = loss_and_gradient(logits, targets)

# %% [markdown]
# Three others must agree: PyTorch's cross-entropy, the score that groundup reports, and the loss with which
# groundup trains. (The last one gives the gradient one step further back, at `hidden`, and never keeps all
# the logits.)

# %%
from groundup.evaluation.score import rolling
from groundup.training.loss import linear_cross_entropy

logits.requires_grad_()
F.cross_entropy(logits, targets, reduction="sum").backward()
assert torch.allclose(gradient, logits.grad, atol=1e-5)

assert math.isclose(loss, rolling(model, [text_ids.numpy()]).nats.sum(), rel_tol=1e-5)

weight = model.unembed.weight.detach()  # (V, D)
trained_on = linear_cross_entropy(hidden.requires_grad_(), weight, targets)
trained_on.backward()
assert math.isclose(loss, trained_on.item(), rel_tol=1e-5)
assert torch.allclose(gradient @ weight, hidden.grad, atol=1e-4)
print(f"{len(targets)} guesses, {loss / len(targets):.3f} nats each: all four agree.")

# %% [markdown]
# ## Who guesses best?
#
# groundup's task `perplexity` measures the model on the unseen texts, in bits per byte too. Beside it
# stands a model that has learned nothing yet. Why is it so much better than "all bytes alike"? Because of
# its tokens: they are pieces that are frequent in the village, so that even a blind guess among them
# decides several bytes at once.

# %%
from groundup.evaluation.texts import Texts
from groundup.tasks.perplexity import TASK

texts = Texts.from_strings(tokenizer, unseen)
beginner = groundup.Loaded(groundup.Decoder(model.config), tokenizer, model.config)
results["GPT, untrained"] = TASK.score(beginner, texts)[0].value
results["GPT, trained"] = TASK.score(loaded, texts)[0].value
names = sorted(results, key=lambda name: -results[name])

figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
colours = {"the floor": "#b04a12", "GPT, trained": "#0b6a72"}
bars = axes.barh(names, [results[name] for name in names], color=[colours.get(n, "#b9c4c6") for n in names])
axes.bar_label(bars, fmt="%.2f", padding=4)
axes.margins(x=0.08)
axes.invert_yaxis()
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("bits per byte of unseen texts: less is better")
plt.show()

# %% [markdown]
# ## From guesses to text
#
# Ask for the next token, add it to the text, ask again. That is all. `pick` decides which token is taken.
# The simplest way is *greedy*: always the most probable one. groundup's `generate` does the same, but
# remembers what it has read instead of reading it again for each token. The two must agree, token for
# token.


# %%
def write(length: int, pick) -> list[int]:
    """The ids of at most `length` tokens after the prompt. pick: (V,) logits -> the id to take."""
    new: list[int] = []
    while len(new) < length and (taken := int(pick(next_logits(prompt_ids + new)))) != tokenizer.border_id:
        new.append(taken)
    return new


def groundup_writes(length: int, **how) -> list[int]:
    """The same by groundup's own function."""
    return [id for piece in groundup.generate(loaded, prompt, max_tokens=length, **how) for id in piece.ids]


greedy = write(60, torch.argmax)
assert greedy == groundup_writes(60, temperature=0)
print(prompt + tokenizer.decode(greedy))

# %% [markdown]
# Or let chance decide, by the model's own probabilities: then each text is another one. The village knows
# which words are impossible where they stand, and plays the teacher.


# %%
def by_chance(probabilities, seed: int):
    """A way to pick: draw from probabilities(logits), a function (V,) -> (V,)."""
    generator = torch.Generator().manual_seed(seed)

    def pick(logits: torch.Tensor) -> torch.Tensor:
        # The tokens lie side by side on a line, each as wide as its probability. Where does a point fall?
        ends = probabilities(logits).double().cumsum(0)  # (V,) where the part of each token ends
        point = torch.rand(1, generator=generator, dtype=torch.float64) * ends[-1]
        return torch.searchsorted(ends, point, right=True)

    return pick


for seed in range(3):
    drawn = write(60, by_chance(lambda logits: logits.softmax(-1), seed))
    assert drawn == groundup_writes(60, temperature=1, top_k=0, seed=seed)  # the same chance, the same text
    text = prompt + tokenizer.decode(drawn)
    mistake = village.check(text, complete=False)
    print(text)
    print("  -->", f"first mistake: {mistake.word!r}: {mistake.why}" if mistake else "no mistake")

# %% [markdown]
# ## Exercises
#
# Replace `...` and run the cell again: your function is put to work in the real model, and what comes out
# is compared with groundup. The first is **perplexity**: $e$ to the power of the mean loss. It says among
# how many equally probable tokens the model hesitates. Of one that knows nothing, it is the size of the
# vocabulary.


# %%
def perplexity(losses: torch.Tensor) -> float:
    """(T,) the losses of a text's tokens, in nats -> one number."""
    ...


def check_perplexity(yours) -> str:
    losses = F.cross_entropy(logits.detach(), targets, reduction="none")  # of the text above
    got, own = yours(losses), TASK.score(loaded, Texts([text_ids.numpy()], np.array([1])))[1].value
    if got is None or not math.isclose(got, own, rel_tol=1e-4):
        return f"perplexity: not yet. For the text above yours is {got}, groundup's is {own:.4f}."
    return f"perplexity: right! The model hesitates among {got:.2f} of {tokenizer.vocab_size} tokens."


print(check_perplexity(perplexity))

# %% [markdown]
# The second is **temperature**: the logits are divided by it before the softmax. Below 1 the model becomes
# careful, above 1 adventurous. The third is **top-k**: only the k most probable tokens stay. The others get
# probability 0, and those that stay are scaled so that they add up to 1 again (`torch.topk` helps).


# %%
def with_temperature(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """(V,) logits -> (V,) probabilities."""
    ...


def only_top_k(logits: torch.Tensor, k: int) -> torch.Tensor:
    """(V,) logits -> (V,) probabilities, with 0 for all but the k highest."""
    ...


# %%
from groundup.generation.sample import Sampling, probabilities


def compare(yours, value: float, **how) -> str:
    """Whether yours gives groundup's probabilities at one place, and then the same text."""
    got, own = yours(next_logits(prompt_ids), value), probabilities(next_logits(prompt_ids), Sampling(**how))
    if got is None or not torch.allclose(got, own, atol=1e-5):
        top = own.topk(3).indices
        said = None if got is None else [round(p, 4) for p in got[top].tolist()]
        wanted = [round(p, 4) for p in own[top].tolist()]
        return f"not yet. For {tokenizer.pieces(top.tolist())} yours gives {said}, groundup {wanted}."
    written = write(40, by_chance(lambda logits: yours(logits, value), seed=5))
    assert written == groundup_writes(40, seed=5, **how)
    return "right! With it the model writes:\n" + prompt + tokenizer.decode(written)


def check_with_temperature(yours) -> str:
    return "with_temperature: " + compare(yours, 0.6, temperature=0.6, top_k=0)


def check_only_top_k(yours) -> str:
    return "only_top_k: " + compare(yours, 5, temperature=1.0, top_k=5)


print(check_with_temperature(with_temperature))
print(check_only_top_k(only_top_k))
