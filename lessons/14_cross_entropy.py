# %% [markdown]
# # 14. Cross-entropy, step by step
#
# A model gives a number for each possible next token. Training needs *one* number that says how good that
# was, and how to change. **How does one get from thousands of logits to one loss, without using up the
# memory, and what does the loss say?**
#
# You will go the way in six steps on six numbers. You will learn why an untrained GPT-2 may begin at 10.99,
# which is worse than knowing nothing, for that would be 10.82. At the end you build the loss with which
# groundup trains: it never holds the table of all logits, and makes the gradient while it goes forwards.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import groundup
from groundup import village
from groundup.data.writing import encode

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Six steps, by hand
#
# Three possible tokens, two places in a text. The model gave the **logits** in the first columns. What
# really came is marked with a star. Shapes in the comments: N places, V tokens in the vocabulary, D the
# width.
#
# | | a | b | c |
# |---|---|---|---|
# | place 1 | ln 2 | 0* | 0 |
# | place 2 | 0 | 0 | ln 8* |
#
# 1. **Powers**: $e^z$ makes each logit positive: `2 1 1` and `1 1 8`.
# 2. **Shares**: divided by their sum they are probabilities: `0.5 0.25 0.25` and `0.1 0.1 0.8`. (Steps 1
#    and 2 together are the *softmax*.)
# 3. **Pick** the probability of what came: 0.25 and 0.8.
# 4. **Logarithm**: −1.386 and −0.223. Now the product of probabilities has become a sum.
# 5. **Mean**: −0.805.
# 6. **Turn the sign**: **0.805** nats. A good loss is a small one.
#
# And $e^{0.805} = 1 / \sqrt{0.25 \cdot 0.8} = \sqrt 5 = 2.236$ is the **perplexity**: the model is as
# unsure as somebody who guesses among 2.236 equal tokens.


# %%
def six_steps(logits: Tensor, targets: Tensor) -> Tensor:
    """(N, V) logits, (N,) what came -> the mean loss in nats."""
    powers = logits.exp()
    p = powers / powers.sum(-1, keepdim=True)  # (N, V)
    picked = p[torch.arange(len(targets)), targets]  # (N,)
    logarithms = picked.log()
    mean = logarithms.mean()
    return -mean


logits = torch.tensor([[math.log(2), 0, 0], [0, 0, math.log(8)]], dtype=torch.float64, requires_grad=True)
targets = torch.tensor([1, 2])
loss = six_steps(logits, targets)
assert math.isclose(loss.item(), math.log(5) / 2, rel_tol=1e-12)
assert math.isclose(loss.exp().item(), math.sqrt(5), rel_tol=1e-12)

(gradient,) = torch.autograd.grad(loss, logits)
by_hand = torch.tensor([[0.5, 0.25 - 1, 0.25], [0.1, 0.1, 0.8 - 1]], dtype=torch.float64) / 2
assert torch.allclose(gradient, by_hand)
(theirs,) = torch.autograd.grad(F.cross_entropy(logits, targets), logits)
assert torch.allclose(gradient, theirs)
print(gradient)

# %% [markdown]
# The gradient is the second checked thing: **the probabilities, less 1 at what came**, divided by the
# number of places. Each row adds up to zero. At place 1 the model was wrong, and b is pulled up by 0.375.
# At place 2 it was nearly right, and little is left to do.
#
# Why is it so simple? The loss of one place is $\ln \sum_j e^{z_j} - z_{came}$. The derivative of the first
# part by $z_i$ is $e^{z_i} / \sum_j e^{z_j} = p_i$, and that of the second is 1 where $i$ is what came.
#
# ## Two traps
#
# **First**: $e^{200}$ is more than float32 can hold. As a common factor of all powers does not change the
# shares, one takes off the largest logit before. **Second**: places that do not count, such as padding.
# They have the target −100 (by PyTorch's custom) and must not be in the sum, nor in the number by which it
# is divided.

# %%
large = torch.tensor([[200.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
print("the six steps on a logit of 200:", six_steps(large, targets).item())
print(
    "after taking off the largest:   ", six_steps(large - large.max(-1, keepdim=True).values, targets).item()
)
print("as the formula above has it:    ", (large.logsumexp(-1) - large[[0, 1], targets]).mean().item())
assert math.isnan(six_steps(large, targets)) or math.isinf(six_steps(large, targets))

# %% [markdown]
# The second line is still wrong: the probability of b was $e^{-200}$, and became 0. The third is right,
# because it never makes the probability and takes its logarithm afterwards: `log_softmax` in one go.
#
# ## Why an untrained GPT-2 is worse than one that guesses evenly
#
# Who guesses evenly among GPT-2's V = 50,257 tokens has the loss ln V = 10.82. An untrained model knows
# nothing either. But if its parts begin as PyTorch's `nn.Linear` and `nn.Embedding` do, its first loss is
# 10.99. Is it chance? No: it is the price of **opinions**. Its logits are random numbers z with some spread
# s, and it is sure of things that are not so. On average over what may come it pays
#
# $$\ln \sum_j e^{z_j} - \text{mean}(z) \approx \ln V + \frac{s^2}{2}$$
#
# for the mean of $e^z$ over a bell curve around 0 is $e^{s^2/2}$. By hand: $z$ is $+1$ or $-1$, half of the
# tokens each. The mean of $e^z$ is $(2.718 + 0.368) / 2 = 1.543$, and its logarithm is 0.434, not 0. A sure
# tip that is wrong costs more than one that is right brings in.
#
# And how large is s? The last norm makes each row of hidden values as long as $\sqrt D$, and the matrix
# after it has a spread σ: so $s = \sigma \sqrt D$, as in lesson 13. PyTorch draws a Linear's weights evenly
# from between $\pm 1/\sqrt D$. Of such numbers the spread is $\sigma = 1 / \sqrt{3 D}$, hence $s^2 = 1/3$,
# whatever D is. That makes
#
# $$10.825 + \tfrac16 = 10.99.$$

# %%
vocab_size = 5_000 if SHORT else 50_257
config = groundup.ModelConfig(
    vocab_size=vocab_size, context_length=128, d_model=768, n_layers=1, n_heads=12, tie_embeddings=False
)
torch.manual_seed(1)
model = groundup.Decoder(config)  # of GPT-2's width; one block is enough, the last norm hides the rest
ids = torch.randint(0, vocab_size, (2, 129))  # any text will do: the model knows none
with torch.no_grad():
    hidden = model.hidden(ids[:, :-1]).flatten(0, 1)  # (N, D)
    targets = ids[:, 1:].flatten()
    length = hidden.square().sum(-1).sqrt()  # (N,)
    assert torch.allclose(length, torch.tensor(768.0).sqrt(), rtol=1e-2)

even = math.log(vocab_size)


def first_loss() -> float:
    """The loss of the untrained model, on average over all tokens that might come."""
    with torch.no_grad():
        logits = model.unembed(hidden)  # (N, V)
        of_this_text = F.cross_entropy(logits, targets).item()
        average = (logits.logsumexp(-1) - logits.mean(-1)).mean().item()
    assert abs(of_this_text - average) <= 5 * logits.std() / math.sqrt(len(targets)) + 1e-4  # chance only
    return average


def with_spread(sigma: float) -> float:
    """The same, if the last matrix has the spread sigma."""
    nn.init.normal_(model.unembed.weight, std=sigma)
    return first_loss()


model.unembed.reset_parameters()
as_pytorch, as_gpt2 = first_loss(), with_spread(0.02)
assert abs(as_pytorch - (even + 1 / 6)) < 0.01
assert abs(as_gpt2 - (even + 0.02**2 * 768 / 2)) < 0.01
print(f"guessing evenly {even:.2f};  PyTorch's start {as_pytorch:.2f};  0.02 as in GPT-2 {as_gpt2:.2f}")

# %% [markdown]
# Now other spreads of the last matrix, and the curve of the formula.

# %%
spreads = (0.25, 1.0) if SHORT else (0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)
found = {s: with_spread(s / math.sqrt(768)) for s in spreads}
figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
line = np.linspace(0, 2.6, 100)
axes.plot(line, even + line**2 / 2, color="#b9c4c6", label="ln V + s² / 2")
axes.plot(found.keys(), found.values(), "o", color="#0b6a72", label="measured")
axes.axhline(even, color="#999999", linewidth=1, linestyle=":")
marks = (
    (0, even, f"even: {even:.2f}", (8, -14)),
    (math.sqrt(1 / 3), as_pytorch, f"PyTorch's start: {as_pytorch:.2f}", (-30, 30)),
    (0.02 * math.sqrt(768), as_gpt2, f"GPT-2's start: {as_gpt2:.2f}", (14, -22)),
)
for s, value, words, offset in marks:
    arrow = {"arrowstyle": "-", "color": "#b04a12"}
    axes.plot(s, value, "s", color="#b04a12")
    axes.annotate(words, (s, value), offset, textcoords="offset points", color="#b04a12", arrowprops=arrow)
axes.margins(y=0.12)
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("s: spread of the logits")
axes.set_title("First loss of a model that knows nothing", loc="left")
axes.legend(frameon=False)
plt.show()
assert all(abs(value - even - s * s / 2) < 0.01 + 0.03 * s for s, value in found.items())

# %% [markdown]
# So the first loss is a cheap examination: a new model that begins far above ln V has a wrong start, and
# one that begins below has seen the answer. groundup's `doctor` asks this before each run.
#
# GPT-2's own start is no better here: 0.02 is nearly the same spread. A model with D = 256 and groundup's
# start pays only $0.02^2 \cdot 256 / 2 = 0.05$. (Where one matrix is both ends, the embedding and this one,
# as in GPT-2, the tokens that were just read get a little more. This changes the second digit only.)
#
# ## The loss that fits into memory
#
# The hidden values of 16 texts of 1,024 tokens are 16,384 rows of 768 numbers: 50 MB. Their logits are
# 16,384 rows of 50,257: **3.3 GB**, and as much again for the gradient. It is by far the largest thing in
# the whole model, and it is only needed to get one number out.
#
# But each row can be dealt with by itself. So: take some rows, make their logits, add up their losses, and
# as $p$ is at hand, at once make the gradient too, *p less 1 at what came*. It goes back to the hidden
# values and to the matrix:
#
# $$\text{hidden gradient} = g \, W, \qquad \text{gradient of } W = g^T \, \text{hidden}$$
#
# Then forget the logits and go on. What is left for the way back is one multiplication with the gradient of
# the loss itself, which is one number.


# %%
class ChunkedLoss(torch.autograd.Function):
    """The sum of the losses of softmax(hidden @ weight.T), some rows at a time."""

    ROWS = 64

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """(N, D), (V, D), (N,) -> one number."""
        loss = hidden.new_zeros(())
        d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        for start in range(0, len(targets), ChunkedLoss.ROWS):
            rows = slice(start, start + ChunkedLoss.ROWS)
            log_p = (hidden[rows] @ weight.T).log_softmax(-1)  # (R, V), the only large thing
            came = (torch.arange(len(log_p)), targets[rows])
            loss -= log_p[came].sum()
            g = log_p.exp()
            g[came] -= 1
            d_hidden[rows] = g @ weight
            d_weight += g.T @ hidden[rows]
        ctx.save_for_backward(d_hidden, d_weight)
        return loss

    @staticmethod
    def backward(ctx, d_loss: Tensor):
        d_hidden, d_weight = ctx.saved_tensors
        return d_hidden * d_loss, d_weight * d_loss, None


# %% [markdown]
# Three must agree, in value and in both gradients, in numbers of double length: PyTorch's cross-entropy,
# ours, and groundup's `linear_cross_entropy`. The loss is divided by the number of places afterwards, so
# that the way back has something to multiply with.

# %%
from groundup.training.loss import linear_cross_entropy


def plain(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """PyTorch's, with the whole table of logits."""
    return F.cross_entropy(hidden @ weight.T, targets, reduction="sum")


torch.manual_seed(2)
hidden = torch.randn(700, 32, dtype=torch.float64, requires_grad=True)  # 700 is no multiple of ROWS
weight = torch.randn(300, 32, dtype=torch.float64, requires_grad=True)
targets = torch.randint(0, 300, (700,))
results = []
for function in (plain, ChunkedLoss.apply, linear_cross_entropy):
    loss = function(hidden, weight, targets) / len(targets)
    results.append((loss, *torch.autograd.grad(loss, (hidden, weight))))
for other in results[1:]:
    assert all(
        torch.allclose(one, another, atol=1e-12) for one, another in zip(results[0], other, strict=True)
    )
print(f"All three: {results[0][0].item():.12f}")

# %% [markdown]
# And the memory? We watch every tensor that comes into being, and note the largest one.


# %%
class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor had that was made meanwhile."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else [result]
        self.numbers = max([self.numbers, *(t.numel() for t in made if isinstance(t, Tensor))])
        return result


sizes = {}
for name, function in (("plain", plain), ("ours", ChunkedLoss.apply), ("groundup's", linear_cross_entropy)):
    for n in (512, 1024, 2048):
        rows = torch.randn(n, 16, requires_grad=True)
        matrix = torch.randn(5_000, 16, requires_grad=True)
        with Largest() as largest:
            function(rows, matrix, torch.randint(0, 5_000, (n,))).backward()
        sizes[name, n] = largest.numbers
    print(f"{name:10}", "  ".join(f"{n} rows: {sizes[name, n]:10,}" for n in (512, 1024, 2048)))
assert sizes["plain", 2048] == 2048 * 5_000
assert sizes["ours", 2048] == sizes["ours", 512] == ChunkedLoss.ROWS * 5_000
assert sizes["groundup's", 2048] == sizes["groundup's", 512]

# %% [markdown]
# Ours and groundup's stay as they are, however long the text is. (groundup's takes 512 rows at a time.)
#
# ## On a real model
#
# A small GPT learns the village for a moment with our loss, groundup's, or PyTorch's. The three must learn
# the same thing, step by step.

# %%
from groundup.training.loop import Batch
from groundup.training.settings import TrainSettings

tokenizer = groundup.Tokenizer.from_bytes()
documents = list(village.documents(seed=1, start=0, count=60 if SHORT else 400))
windows = groundup.TokenWindows(encode(documents, tokenizer).tokens, 64)
batches = groundup.Batches(windows, groundup.Order(len(windows), seed=1), samples_per_step=8, micro_batch=8)
settings = TrainSettings(
    steps=8 if SHORT else 500,
    tokens_per_step=8 * 64,
    sequence_length=64,
    micro_batch=8,
    learning_rate=8e-3,
    warmup_steps=30,
    schedule="linear",
)


class Learner(nn.Module):
    """What the loop trains: a small GPT, with the loss that it is given."""

    def __init__(self, loss):
        super().__init__()
        torch.manual_seed(1)
        sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 64, "d_model": 64}
        self.model = groundup.Decoder(groundup.ModelConfig(**sizes, n_layers=2, n_heads=2, position="rope"))
        self.loss = loss

    def forward(self, batch: Batch) -> tuple[Tensor, int]:
        hidden = self.model.hidden(batch["ids"]).flatten(0, 1)  # (N, D)
        targets = batch["targets"].flatten()
        return self.loss(hidden, self.model.unembed.weight, targets), len(targets)


def learn(loss, steps: int) -> tuple[Learner, list[float]]:
    """The learner after so many steps, and the loss of each."""
    from dataclasses import replace

    learner, losses = Learner(loss), []
    watch = [lambda state: losses.append(state.loss)]
    groundup.train(learner, batches, replace(settings, steps=steps), observers=watch)
    return learner, losses


histories = [learn(loss, 8)[1] for loss in (plain, ChunkedLoss.apply, linear_cross_entropy)]
assert np.allclose(histories[0], histories[1], rtol=1e-4)
assert np.allclose(histories[0], histories[2], rtol=1e-4)
print("  ".join(f"{loss:.4f}" for loss in histories[1]))

# %% [markdown]
# ## What perplexity looks like in a text
#
# We train a little longer, and read a new text. Each byte is painted by its own perplexity $1/p$: among how
# many equal choices did the model hesitate there?

# %%
learner, losses = learn(linear_cross_entropy, settings.steps)
model = learner.model.eval()
unseen = next(village.documents(seed=1, start=10**6, count=1))[:160]
ids = torch.tensor([tokenizer.border_id, *tokenizer.encode(unseen)])
costs = []
with torch.no_grad():
    for start in range(0, len(ids) - 1, 32):  # the 32 bytes before are seen, too
        first = max(0, start - 32)
        part = model(ids[None, first : start + 32])[0, start - first :]
        costs += F.cross_entropy(
            part[: len(ids) - 1 - start], ids[start + 1 : start + 33], reduction="none"
        ).tolist()
hesitation = np.exp(costs)

figure, panels = plt.subplots(2, 1, figsize=(10, 4), layout="constrained")
for axes, first in zip(panels, (0, 80), strict=True):
    part = hesitation[first : first + 80]
    axes.bar(range(len(part)), part, color="#0b6a72", width=0.8)
    axes.set_yscale("log")
    axes.set_ylim(0.95, 3000)
    axes.set_xticks(
        range(len(part)),
        list(unseen[first : first + 80].replace(" ", "·").replace("\n", "¶")),
        family="monospace",
    )
    axes.tick_params(length=0)
    axes.set_xlim(-1, 80)
    axes.spines[["top", "right"]].set_visible(False)
panels[0].set_title("1 / p of each byte, given those before it", loc="left")
plt.show()
print(f"Perplexity of the whole: {math.exp(np.mean(costs)):.2f} of {tokenizer.vocab_size} bytes.")

# %% [markdown]
# The first letter of a word costs most, the rest of it little. And note what the mean does: perplexity is
# the *geometric* mean of these bars. One byte that was held for impossible would make it infinite.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the loss, safe and with padding.** Places with the
# target −100 do not count. Return the sum of the losses and how many counted, as a groundup method does. It
# must bear logits of 1,000, and learn: your function will train the GPT above.


# %%
def safe_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """(N, V), (N,) -> (the sum of the losses of all targets that are not -100, their number)."""
    ...


# %%
def check_safe_loss(yours) -> str:
    torch.manual_seed(3)
    for scale, pads in ((1, 0), (1, 5), (1000, 5), (1, 12)):
        logits = (torch.randn(12, 9) * scale).requires_grad_()
        targets = torch.randint(0, 9, (12,))
        targets[12 - pads :] = -100
        own = F.cross_entropy(logits, targets, reduction="sum")
        got = yours(logits, targets)
        if got is None:
            return "safe_loss: not yet. It gives nothing."
        what = f"With logits of about {scale} and {pads} places of padding"
        if got[1] != 12 - pads:
            return f"safe_loss: not yet. {what}, {12 - pads} count, yours counts {got[1]}."
        if not math.isclose(got[0].item(), own.item(), rel_tol=1e-4, abs_tol=1e-6):
            return f"safe_loss: not yet. {what}, the sum is {own:.4f}, yours is {got[0]:.4f}."
        own, mine = (torch.autograd.grad(loss, logits, allow_unused=True)[0] for loss in (own, got[0]))
        if mine is None or not torch.allclose(own, mine, atol=1e-6):
            return f"safe_loss: not yet. {what}, the gradient is another one."
    _, history = learn(lambda hidden, weight, targets: yours(hidden @ weight.T, targets)[0], 8)
    assert np.allclose(history, histories[0], rtol=1e-3)
    return f"safe_loss: right! The GPT learns with it: {history[0]:.3f} -> {history[-1]:.3f}."


print(check_safe_loss(safe_loss))

# %% [markdown]
# The second: **one perplexity of several texts.** Of each text you are told its perplexity and how many
# tokens it has. What is the perplexity of all together, as if they were one?


# %%
def together(texts: list[tuple[float, int]]) -> float:
    """(perplexity, tokens) of each text -> the perplexity of all their tokens."""
    ...


# %%
def check_together(yours) -> str:
    from groundup.evaluation.texts import Texts
    from groundup.tasks.perplexity import TASK

    loaded = groundup.Loaded(model, tokenizer, model.config)
    some = sorted((text[:300] for text in village.documents(seed=1, start=10**6, count=3)), key=len)
    some = [some[0][:40], *some[1:]]  # one is short

    def measure(texts: list[str]) -> float:
        return TASK.score(loaded, Texts.from_strings(tokenizer, texts))[1].value

    lengths = [len(tokenizer.encode(text)) + 1 for text in some]
    own, got = measure(some), yours([(measure([text]), n) for text, n in zip(some, lengths, strict=True)])
    if got is None or not math.isclose(got, own, rel_tol=1e-4):
        return f"together: not yet. groundup measures {own:.4f} on three texts, yours is {got}."
    return f"together: right! {got:.4f}, as groundup measures on all three."


print(check_together(together))

# %% [markdown]
# The third: **chunks the other way.** With a huge vocabulary even one row of logits may be too long to
# hold. Given the logits of one place in pieces, one piece after the other, find $\ln \sum_j e^{z_j}$ over
# all of them, and keep only two numbers meanwhile: the largest logit so far, and the sum of powers *as seen
# from it*. When a larger one comes, the sum must be made smaller. (Fast attention kernels do the same.)


# %%
def log_sum(pieces) -> float:
    """Any number of tensors (V_i,), which can be read only once -> the logarithm of the sum of all powers."""
    ...


# %%
def check_log_sum(yours) -> str:
    with torch.no_grad():
        real = model(ids[None, :20])[0, -1].double()  # (V,)
    for logits, name in (
        (real, "the real model's"),
        (torch.tensor([0.0, 1.0, 2.0]), "0 1 2"),
        (torch.tensor([3.0, 2.0, 900.0, 1000.0, 990.0, 1001.0, 5.0]), "large"),
        (torch.tensor([-1000.0, -1001.0, -999.0]), "very negative"),
    ):
        own = logits.double().logsumexp(0).item()
        try:
            got = yours(iter(logits.double().split(2)))
        except OverflowError:
            got = math.inf
        if got is None or not math.isclose(got, own, rel_tol=1e-9):
            return f"log_sum: not yet. For {name} logits it is {own:.6f}, yours is {got}."
    cost = yours(iter(real.split(7))) - real[ids[20]].item()
    assert math.isclose(cost, F.cross_entropy(real[None], ids[20:21]).item(), rel_tol=1e-6)
    return f"log_sum: right! With it, the GPT's loss at place 20 is {cost:.4f}, as by PyTorch."


print(check_log_sum(log_sum))
