# %% [markdown]
# # 4. Windows and batches
#
# After lesson 3 all texts are one long row of ids, perhaps millions of them. A model reads a few hundred at
# once, and learns in small steps. **What exactly does one step read?**
#
# Four answers are needed: how the row is cut into *windows*; what is asked in each; in which *order* they
# come; and which texts the model must **not** read, so that it can be examined on them later. Each is a few
# lines, and each can be got wrong without any error message. At the end you see a model whose measured loss
# is better than the best possible one.

# %%
import hashlib
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

import groundup
from groundup import village

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
documents = list(village.documents(seed=1, start=0, count=200 if SHORT else 1000))

# %% [markdown]
# ## The smallest example, by hand
#
# `the dog saw the cat and the cat saw the dog`
#
# In lesson 2 this became `0 2 3 0 1 4 0 1 3 0 2`. We cut it into windows of T = 4, side by side. The
# **inputs** of a window are its four ids. Its **targets** are the ids that follow each of them: the same
# row, *one place further*. So the window needs a fifth id, at its end:
#
# | | reads | inputs | targets |
# |---|---|---|---|
# | window 0 | `0 2 3 0 1` | `0 2 3 0` | `2 3 0 1` |
# | window 1 | `1 4 0 1 3` | `1 4 0 1` | `4 0 1 3` |
#
# One window asks four questions at once: after `the` comes? After `the dog`? After `the dog saw`? After
# `the dog saw the`? At each place the model sees what is to the left of it and nothing else.
#
# The last two ids, `0 2`, are too few for a third window and are left out. Neighbours share an id: the last
# target of a window is the first input of the next. So but for the very first id and those left over, every
# id is asked for exactly once.
#
# The distance between the beginnings of two windows is the **stride**. Here it is T. With a smaller stride
# the windows overlap, and most ids are asked for several times, each time with more or less text before it.
#
# ## A dataset
#
# PyTorch calls anything with a length and with numbered samples a `Dataset`. Ours is short. Shapes in the
# comments: B the windows of a batch, T the ids of a window, V the vocabulary.


# %%
class Windows(Dataset):
    """A row of ids, cut into windows of `length`, each `stride` after the one before."""

    def __init__(self, row: np.ndarray, length: int, stride: int):
        self.row, self.length, self.stride = row, length, stride

    def __len__(self) -> int:
        last_start = len(self.row) - (self.length + 1)
        return last_start // self.stride + 1

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)  # this is how a loop over a dataset learns that it is at the end
        start = index * self.stride
        window = torch.from_numpy(self.row[start : start + self.length + 1].astype(np.int64))
        return window[:-1], window[1:]  # inputs (T,), targets (T,)


row = np.array([0, 2, 3, 0, 1, 4, 0, 1, 3, 0, 2])
by_hand = [([0, 2, 3, 0], [2, 3, 0, 1]), ([1, 4, 0, 1], [4, 0, 1, 3])]
assert [(x.tolist(), y.tolist()) for x, y in Windows(row, 4, 4)] == by_hand
for inputs, targets in Windows(row, 4, 3):
    print(inputs.tolist(), "->", targets.tolist())

# %% [markdown]
# groundup's is called `TokenWindows`. Is it the same? We compare every window for many lengths and strides,
# on a real row: the ids of the village's documents, with a border (lesson 2) before and after each.

# %%
tokenizer = groundup.train_bpe(documents, vocab_size=512)


def in_a_row(texts: list[str]) -> np.ndarray:
    """(N,) the ids of all texts, a border before, between and after them."""
    border = tokenizer.border_id
    return np.array([border, *(id for ids in tokenizer.encode_batch(texts) for id in (*ids, border))])


some = in_a_row(documents[:3])
for length in (1, 2, 5, 16, 100):
    for stride in (1, 2, 5, 16, 100):
        ours, theirs = Windows(some, length, stride), groundup.TokenWindows(some, length, stride=stride)
        assert len(ours) == len(theirs)
        for (x, y), (their_x, their_y) in zip(ours, theirs, strict=True):
            assert x.equal(their_x)
            assert y.equal(their_y)

row = in_a_row(documents)
windows = Windows(row, length=128, stride=128)
print(f"{len(documents)} documents, {len(row):,} ids, {len(windows)} windows of 128")
print(tokenizer.decode(windows[1][0].tolist()))

# %% [markdown]
# A window begins and ends where it happens to, in the middle of a tale and often of a word. Nobody minds:
# what is cut off at the end of one stands at the beginning of the next. And where a border comes, the model
# learns that what follows has nothing to do with what was before.
#
# How often is each id asked for? With a stride of half a window, twice. That is more questions from the same
# text, but they are the same questions again. The gain is another one: an id at the very beginning of a
# window must be guessed from almost nothing, and in the overlapping window the same id has half a window
# before it. So strides below T are good for measuring (that is an exercise below), and for training one
# rather takes new text.

# %%
for stride in (128, 64, 32):
    asked, some = np.zeros(1025, dtype=int), np.arange(1025)  # a row in which each id is its own place
    for _, targets in Windows(some, 128, stride):
        asked[targets] += 1
    print(f"stride {stride:3}: asked for {np.bincount(asked, minlength=5).tolist()} ids 0, 1, 2, 3, 4 times")
assert np.bincount(asked)[4] > np.bincount(asked)[:4].sum()  # of the last stride: most ids 128 / 32 times

# %% [markdown]
# ## Several windows at once: a batch
#
# A *batch* is B windows under each other, a table (B, T). PyTorch's `DataLoader` takes samples from a
# dataset in the order that a *sampler* gives, and stacks them. As sampler we take groundup's `Order`, which
# is the next section. groundup trains with `Batches`, which can tell the batch of *any* step without going
# through the ones before. Both must give the same tables.

# %%
order = groundup.Order(len(windows), seed=1)
loader = DataLoader(windows, batch_size=8, sampler=order)
batches = groundup.Batches(
    groundup.TokenWindows(row, 128), groundup.Order(len(windows), seed=1), samples_per_step=8, micro_batch=8
)
for step, (inputs, targets) in enumerate(loader):
    if len(inputs) < 8:
        break  # the end of the epoch: the loader stops, `Batches` goes on with windows of the next one
    (batch,) = batches.at(step)
    assert inputs.equal(batch["ids"])
    assert targets.equal(batch["targets"])
print(f"{len(windows) // 8} steps of {tuple(batch['ids'].shape)} are the same.")

# %% [markdown]
# A batch may be too large for the memory. Then it is read in *micro-batches*, one after the other; their
# gradients add up, and the weights change once, at the end. Does that give the same? **Only if one divides
# last.** Eight windows read as 3 + 3 + 2: in a mean of three means a window of the last group would count one
# and a half times as much as the others. So groundup's losses are *sums* with counts, and the sum is divided
# once. The loss and its gradient must then be those of the whole table, by PyTorch's own mean:

# %%
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings


def make_model(seed: int = 1) -> groundup.Decoder:
    """A small GPT that has learned nothing yet."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": 512, "context_length": 128, "d_model": 128, "n_layers": 2, "n_heads": 4}
    return groundup.Decoder(groundup.ModelConfig(**sizes, position="rope"))


def settings(steps: int, schedule: str = "constant") -> TrainSettings:
    return TrainSettings(
        steps=steps,
        tokens_per_step=8 * 128,
        sequence_length=128,
        micro_batch=8,
        learning_rate=3e-3,
        warmup_steps=20,
        schedule=schedule,
        weight_decay=0.0,
    )


at_once, in_parts, of_means = make_model(), make_model(), make_model()
inputs, targets = next(iter(loader))
whole = F.cross_entropy(at_once(inputs).flatten(0, 1), targets.flatten())  # one mean over B * T questions
whole.backward()

batches.micro_batch = 3
total, count = 0.0, 0
for part in batches.at(0):
    loss, counted = NextToken(in_parts)(part)
    loss.backward()  # adds to the gradient that is there already
    total, count = total + loss.item(), count + counted
    (F.cross_entropy(of_means(part["ids"]).flatten(0, 1), part["targets"].flatten()) / 3).backward()
assert count == 8 * 128
assert math.isclose(total / count, whole.item(), rel_tol=1e-5)
for one, other in zip(at_once.parameters(), in_parts.parameters(), strict=True):
    assert torch.allclose(one.grad, other.grad / count, atol=1e-6)

state = groundup.train(NextToken(make_model()), batches, settings(1))  # groundup's own loop, the same step
gradient = torch.cat([p.grad.flatten() for p in at_once.parameters()])
assert math.isclose(state.loss, whole.item(), rel_tol=1e-5)
assert math.isclose(state.gradient_norm, gradient.norm().item(), rel_tol=1e-4)
for name, model, divisor in (("divided last", in_parts, count), ("a mean of means", of_means, 1)):
    other = torch.cat([p.grad.flatten() for p in model.parameters()]) / divisor
    print(f"{name}: the gradient differs by {(other - gradient).norm() / gradient.norm():.4%}")

# %% [markdown]
# ## The order: a shuffle without a list
#
# In the files of a corpus alike often stands beside alike: all letters, then all tales. A model that read
# them so would always learn about what it has just read. So the windows are shuffled, anew in each *epoch*
# (each time all have been read). The usual way is to make a list of all numbers and shuffle it. For a corpus
# with billions of windows this list is large. And if the computer stops at step 70,000, where was one?
#
# There is a beautiful way without a list: a **function** that for the k-th sample gives the number of its
# window. It must never give the same number twice. How can one *compute* a shuffle? Take the numbers 0 to 15,
# in binary: four digits, a left and a right half. One round does this:
#
# - the right half goes to the left;
# - the left half, changed at some digits, goes to the right. *Which* digits are changed (`^` in Python) may
#   depend on the right half in any way you like, say by a table `scramble`.
#
# By hand for 9 = `10 01`, if `scramble[01]` is `11`: the new left half is `01`, the new right half is
# `10 ^ 11 = 01`. So 9 becomes 5 = `01 01`. And **back**: the old right half is the new left half, `01`. So
# one can look up the same `scramble[01] = 11`, and change the digits back: `01 ^ 11 = 10`. It is 9 again.
# Whatever is in the table, a round can be undone. So no two numbers become the same one: it is a shuffle.

# %%
scramble = [0b10, 0b11, 0b00, 0b11]
shuffled = [(n & 3) << 2 | (n >> 2 ^ scramble[n & 3]) for n in range(16)]
assert shuffled[9] == 5
assert sorted(shuffled) == list(range(16))
print(shuffled)

# %% [markdown]
# After one round one can still see a pattern. After eight rounds, each with a secret number of its own (a
# *key*) that is mixed in, nobody can. This is a *Feistel network*; it comes from the making of ciphers. Two
# things are missing. The number of windows is no power of four: so a result that is too large is sent
# through again until it fits. And each epoch gets other keys, made from a seed.


# %%
def stirred(value: int) -> int:
    """Mix 32 digits so that each of them depends on all: the last steps of the hash MurmurHash3."""
    value = (value ^ value >> 16) * 0x85EBCA6B % 2**32
    value = (value ^ value >> 13) * 0xC2B2AE35 % 2**32
    return value ^ value >> 16


def keys_of(seed: int, epoch: int) -> list[int]:
    """Eight keys for an epoch."""
    digest = hashlib.sha256(f"order of samples, seed {seed}, epoch {epoch}".encode()).digest()
    return [int.from_bytes(digest[place : place + 4], "little") for place in range(0, 32, 4)]


def sample_number(k: int, size: int, seed: int) -> int:
    """The number of the k-th window that is read, counted over all epochs. No list, no memory."""
    epoch, number = divmod(k, size)
    half = max(1, ((size - 1).bit_length() + 1) // 2)  # how many digits a half has
    while True:
        left, right = number >> half, number % 2**half
        for key in keys_of(seed, epoch):
            left, right = right, left ^ stirred(right ^ key) % 2**half
        number = left << half | right
        if number < size:
            return number


for size in (1, 2, 5, 16, 100, len(windows)):
    order = groundup.Order(size, seed=7)
    first, second = ([sample_number(k, size, 7) for k in range(e * size, (e + 1) * size)] for e in (0, 1))
    assert sorted(first) == sorted(second) == list(range(size))  # each window once in each epoch
    assert first == list(order)
    assert second == [order.at(k) for k in range(size, 2 * size)]
print(f"The first ten windows: {first[:10]}. Sample 10**12 is window {sample_number(10**12, size, 7)}.")

# %% [markdown]
# So where a run stands is said by **one number**, its step. A run that was interrupted goes on with exactly
# those windows that it has not read yet, on any machine.
#
# ## What must not be read: the split
#
# How good is a model? On the texts that it has learned from, its loss says little: it may know them by
# heart. So some documents are held out, the *validation* part. That sounds easy: shuffle all documents and
# take the last fifth. But texts that people collect contain **copies**. The same message stands on ten
# pages, the same book in three editions. If one copy is learned from and another is held out, the exam asks
# what was in the lesson.
#
# A simple remedy: let the text itself decide. Its sha256 is a number that looks like chance but is the same
# for the same text. If it is among the lowest fifth, the text is held out. Then *all copies are on the same
# side*. And a document stays on its side when others are added. groundup does it so:


# %%
def held_out(text: str, share: float) -> bool:
    """Whether this document belongs to the validation part."""
    number = int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)  # the first 64 binary digits
    return number / 2**64 < share


# %%
from groundup.data.split import in_validation

for share in (0.01, 0.1, 0.5):
    assert [held_out(text, share) for text in documents] == [in_validation(t, share) for t in documents]
    print(f"wanted {share:.0%}, held out {np.mean([held_out(text, share) for text in documents]):.1%}")

# %% [markdown]
# ## The experiment: better than possible
#
# A small corpus of 30 documents of the village, each of them four times, shuffled. Twice the same model
# learns from it: once the last fifth is held out, once a fifth by hash. At every point of the curves its
# loss is measured on the documents that were held out, and on others that are new for certain. For the
# village, we know the **floor**, the least that any model can reach (lesson 6 tells why).

# %%
from groundup.evaluation.texts import Texts
from groundup.tasks.perplexity import TASK

originals = documents[:30]
rng = np.random.default_rng(1)
corpus = [originals[i] for i in rng.permutation(np.repeat(np.arange(30), 4))]
new = list(village.documents(seed=1, start=10**6, count=5 if SHORT else 20))
end = len(corpus) * 4 // 5
splits = {
    "split by place": (corpus[:end], corpus[end:]),
    "split by hash": ([t for t in corpus if not held_out(t, 0.2)], [t for t in corpus if held_out(t, 0.2)]),
}


def learn(train: list[str], exams: dict[str, list[str]], steps: int) -> tuple[list, list, groundup.Loaded]:
    """Train a small GPT. (epochs read so far; bits per byte on each exam then; the model)."""
    windows = groundup.TokenWindows(in_a_row(train), 128)
    order = groundup.Order(len(windows), seed=1)
    batches = groundup.Batches(windows, order, samples_per_step=8, micro_batch=8)
    loaded = groundup.Loaded(model := make_model(), tokenizer, model.config)
    texts = {name: Texts.from_strings(tokenizer, sorted(set(some))) for name, some in exams.items()}
    epochs, bits = [], []

    def examine(state) -> None:
        if state.step % (10 if SHORT else 30) == 0:
            epochs.append(state.step * 8 / len(windows))
            bits.append([TASK.score(loaded, some)[0].value for some in texts.values()])

    groundup.train(NextToken(model), batches, settings(steps, "linear"), observers=[examine])
    return epochs, bits, loaded


floor = sum(map(village.bits, originals)) / len("".join(originals).encode())
figure, both = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axes, (name, (train, validation)) in zip(both, splits.items(), strict=True):
    known = len(set(validation) & set(train))
    print(f"{name}: {len(set(validation))} different texts held out, {known} of them also learned from")
    steps = 20 if SHORT else 360
    epochs, bits, loaded = learn(train, {"held out": validation, "new": new}, steps)
    print(f"  at the end: held out {bits[-1][0]:.2f}, new {bits[-1][1]:.2f}, the floor {floor:.2f}")
    for place, (curve, colour) in enumerate((("held out", "#0b6a72"), ("new", "#e0a070"))):
        values = [each[place] for each in bits]
        axes.plot(epochs, values, color=colour, label=curve)
    axes.axhline(floor, color="#b04a12", linestyle=":", label="the floor")
    axes.set_title(name, loc="left")
    axes.set_xlabel("epochs")
    axes.spines[["top", "right"]].set_visible(False)
both[0].set_ylim(bottom=0)
both[0].set_ylabel("bits per byte")
both[0].legend(frameon=False)
plt.show()
assert not set(splits["split by hash"][0]) & set(splits["split by hash"][1])

# %% [markdown]
# On the left the measured loss falls and falls, and at last it lies *below the best possible one*. On real
# texts nobody knows the floor, and one would be delighted. In truth the model gets worse at everything new:
# it learns a few texts by heart. On the right the exam is honest. It shows when the best moment to stop was,
# and its curve runs along the one of texts that are new for certain.
#
# A hash finds exact copies only. Two texts that differ in a single space are different to it; for those one
# needs other means, such as comparing the share of common word sequences. And what is split must be
# *documents*, not windows: two windows of one tale tell of the same people, and give each other away.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **which windows does a step read?** Step 0 reads the first
# `samples_per_step` samples of the order, step 1 the following ones, and so on through all epochs. Your
# function is put into the real training loop: a run stops and goes on, and must end with the same weights as
# one that never stopped. (`order.at(k)` is the window of the k-th sample.)


# %%
def indices(order: groundup.Order, samples_per_step: int, step: int) -> list[int]:
    """The numbers of the windows that this step reads."""
    ...


# %%
def check_indices(yours) -> str:
    windows = groundup.TokenWindows(row[: 30 * 16 + 1], 16)  # so few that an epoch ends within step 3
    order = groundup.Order(len(windows), seed=5)
    batches = groundup.Batches(windows, order, samples_per_step=8, micro_batch=8)

    class Yours:
        """Batches, with your indices."""

        def at(self, step: int) -> list[dict[str, torch.Tensor]]:
            samples = [windows[index] for index in yours(order, 8, step)]
            inputs, targets = zip(*samples, strict=True)
            return [{"ids": torch.stack(inputs), "targets": torch.stack(targets)}]

    for step in (0, 1, 3, 4, 1000):
        try:
            got, own = yours(order, 8, step), batches.indices(step)
        except IndexError as error:
            return f"indices: not yet. At step {step} yours failed: {error}"
        if got is None or list(got) != own:
            return f"indices: not yet. With 30 windows, step {step} reads {own}, yours {got}."
    never_stopped = groundup.train(NextToken(make_model()), batches, settings(6))
    stopped = groundup.train(NextToken(make_model()), Yours(), settings(3))
    resumed = groundup.train(stopped.method, Yours(), settings(6), state=stopped)
    pairs = zip(never_stopped.method.parameters(), resumed.method.parameters(), strict=True)
    assert all(one.equal(other) for one, other in pairs)
    return f"indices: right! Stopped and gone on, the loss is {resumed.loss:.6f}, to the last digit the same."


print(check_indices(indices))

# %% [markdown]
# The second: **measuring a text that is longer than the model can see.** Side by side the first target of
# each window would have a single id before it, and the loss would come out too high. So the windows overlap,
# and each asks only for those targets that no window before has asked for. The first window asks for all its
# targets. Each following one ends `stride` targets later (the last one where the text ends) and begins
# `context` before its end. Give for each window `(start, first, end)`: it reads the inputs from `start` to
# before `end`, and counts the targets from `first` to before `end`. There are `length` targets in all;
# target number i is the id after input number i.


# %%
def cover(length: int, context: int, stride: int) -> list[tuple[int, int, int]]:
    """The windows (start, first, end) over a text with `length` targets."""
    ...


# %%
from groundup.evaluation.score import rolling, windows_of


def check_cover(yours) -> str:
    for length, context, stride in ((3, 4, 2), (4, 4, 2), (9, 4, 2), (10, 4, 3), (700, 64, 32)):
        got, own = yours(length, context, stride), list(windows_of(length, context, stride))
        if got is None or [tuple(window) for window in got] != own:
            shown = None if got is None else list(got)[:4]
            return f"cover: not yet. For {length}, {context}, {stride}: {own[:4]} ..., yours {shown} ..."
    ids, totals = torch.from_numpy(in_a_row(new[:5])), {}
    length = len(ids) - 1
    aside = [(s, s, min(s + 64, length)) for s in range(0, length, 64)]
    for name, parts in (("side by side", aside), ("yours", yours(length, 64, 32))):
        totals[name] = 0.0
        for start, first, stop in parts:
            with torch.no_grad():
                logits = loaded.model(ids[None, start:stop])[0, first - start :]  # (targets that count, V)
            totals[name] += F.cross_entropy(logits, ids[first + 1 : stop + 1], reduction="sum").item()
    own = rolling(loaded.model, [ids.numpy()], context=64).nats.sum()
    assert math.isclose(totals["yours"], own, rel_tol=1e-4)
    means = ", ".join(f"{name} {total / length:.3f}" for name, total in totals.items())
    return f"cover: right! The mean loss of a model that sees 64 ids: {means}; groundup's {own / length:.3f}."


print(check_cover(cover))

# %% [markdown]
# The third: **when was this window read?** Something odd happened at window 123: which step was it? One
# could search through the whole order. But the shuffle can be undone. Write the way back through all rounds
# of one epoch. Think of the example with 9 and 5, and of the order of the keys.


# %%
def undo(number: int, half: int, keys: list[int]) -> int:
    """The number that the eight rounds of `sample_number` have turned into this one."""
    ...


# %%
def check_undo(yours) -> str:
    for half in (1, 3, 6):
        for before in range(4**half):
            left, right = before >> half, before % 2**half
            for key in (keys := keys_of(3, half)):
                left, right = right, left ^ stirred(right ^ key) % 2**half
            after = left << half | right
            if (got := yours(after, half, keys)) != before:
                return (
                    f"undo: not yet. With halves of {half} digits {before} became {after}; yours says {got}."
                )
    size, seed, epoch, wanted = len(windows), 1, 2, 123 % len(windows)
    half, place = max(1, ((size - 1).bit_length() + 1) // 2), wanted
    while (place := yours(place, half, keys_of(seed, epoch))) >= size:
        pass  # on the way here the number was sent through once more, so on the way back as well
    assert groundup.Order(size, seed).at(epoch * size + place) == wanted
    step = (epoch * size + place) // 8
    return f"undo: right! In epoch {epoch} window {wanted} is read at step {step}, if a step reads 8."


print(check_undo(undo))
