# %% [markdown]
# # 15. The training loop
#
# You have a model and a loss, and the gradient says for each weight in which direction the loss would grow.
# **How far should each weight go the other way, and what if the texts of a step do not fit into memory at
# once?**
#
# You will calculate two steps of AdamW by hand, write it in ten lines and the loop around it in twenty.
# Both are compared with PyTorch's and groundup's, weight for weight. And you will meet a mistake that stood
# in many well-known programs for years, because everything seems to work with it.

# %%
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

import groundup
from groundup import village
from groundup.data.windows import pad
from groundup.methods.next_token import NextToken
from groundup.training.optimizer import make_optimizer
from groundup.training.settings import TrainSettings

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Two steps of AdamW, by hand
#
# The plain way, *gradient descent*, is $w \leftarrow w - \text{rate} \cdot g$. A weight with a large
# gradient goes far, one with a small gradient hardly moves. But whether a gradient is large depends on
# where in the model its weight stands. **Adam** (Kingma and Ba 2015) remembers two things for each weight,
# and forgets both slowly:
#
# - $m$, a mean of its last gradients: where do they point *together*?
# - $v$, a mean of their squares: how large are they usually?
#
# The step is $m / \sqrt v$: if all gradients agree, it is 1, whatever their size. If they contradict each
# other, it is small. **AdamW** (Loshchilov and Hutter 2019) pulls each weight a little towards zero besides
# (*decay*), so that only those stay large that are needed again and again.
#
# One weight, w = 1. Its first gradient is 0.5, its second −0.5. We take the rate 0.1, forgetting
# $\beta_1 = 0.9$ and $\beta_2 = 0.99$, and decay 0.5. Both memories begin at 0, and so are too small at
# first; after $t$ steps they are divided by $1 - \beta^t$, which puts that right.
#
# | | step 1, g = 0.5 | step 2, g = −0.5 |
# |---|---|---|
# | decay: w · (1 − 0.1 · 0.5) | 0.95 | 0.85 · 0.95 = 0.8075 |
# | m | 0.1 · 0.5 = 0.05 | 0.9 · 0.05 − 0.1 · 0.5 = −0.005 |
# | v | 0.01 · 0.25 = 0.0025 | 0.99 · 0.0025 + 0.01 · 0.25 = 0.004975 |
# | m put right | 0.05 / 0.1 = 0.5 | −0.005 / 0.19 = −0.0263 |
# | v put right | 0.0025 / 0.01 = 0.25 | 0.004975 / 0.0199 = 0.25 |
# | step: 0.1 · m / √v | 0.1 | −0.00526 |
# | w | **0.85** | **0.81276** |
#
# In the first step the weight went by exactly the rate. In the second, the two gradients contradict each
# other, and it nearly stands still.


# %%
class AdamW:
    """Ours. `parameters` are changed in place; those with fewer than two dimensions do not decay."""

    def __init__(self, parameters, rate: float, betas: tuple[float, float], decay: float):
        self.parameters, self.rate, self.betas, self.decay = list(parameters), rate, betas, decay
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by their gradients."""
        self.steps += 1
        first, second = self.betas
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            if p.ndim >= 2:
                p *= 1 - self.rate * self.decay
            m.mul_(first).add_(p.grad, alpha=1 - first)
            v.mul_(second).add_(p.grad**2, alpha=1 - second)
            m_right, v_right = m / (1 - first**self.steps), v / (1 - second**self.steps)
            p -= self.rate * m_right / (v_right.sqrt() + 1e-8)  # the last, so that nobody divides by 0


weight = torch.tensor([[1.0]], dtype=torch.float64)
optimizer = AdamW([weight], rate=0.1, betas=(0.9, 0.99), decay=0.5)
for gradient, by_hand in ((0.5, 0.85), (-0.5, 0.8075 + 0.1 * 0.005 / 0.19 / 0.5)):
    weight.grad = torch.tensor([[gradient]], dtype=torch.float64)
    optimizer.step()
    assert math.isclose(weight.item(), by_hand, rel_tol=1e-6)
    print(f"{weight.item():.5f}")

# %% [markdown]
# ## The same on a GPT
#
# A small GPT in numbers of double length, so that small differences are no excuse. It reads the village
# byte by byte. Biases and norms should not decay: a norm that scales by 0 lets nothing through. So
# PyTorch's optimizer is given two groups. Ten steps of each.

# %%
tokenizer = groundup.Tokenizer.from_bytes()
documents = list(village.documents(seed=1, start=0, count=60 if SHORT else 600))
border = tokenizer.border_id
row = [border, *(id for ids in tokenizer.encode_batch(documents) for id in (*ids, border))]
windows = groundup.TokenWindows(np.array(row), 64)
order = groundup.Order(len(windows), seed=1)


def new_model(width: int = 32, dtype: torch.dtype = torch.float64) -> groundup.Decoder:
    """Always the same start."""
    torch.manual_seed(1)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 512, "d_model": width}
    return groundup.Decoder(groundup.ModelConfig(**sizes, n_layers=2, n_heads=2)).to(dtype)


def loss_of(model: groundup.Decoder, batch: dict[str, Tensor]) -> tuple[Tensor, int]:
    """The sum of the losses of a batch, and of how many targets. It is the one of lesson 14."""
    return NextToken(model)(batch)


batches = groundup.Batches(windows, order, samples_per_step=4, micro_batch=4)
ours, theirs = new_model(), new_model()
our_optimizer = AdamW(ours.parameters(), 1e-2, (0.9, 0.95), decay=0.1)
their_optimizer = torch.optim.AdamW(
    [
        {"params": [p for p in theirs.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ],
    lr=1e-2,
    betas=(0.9, 0.95),
)
for step in range(10):
    for model, optimizer in ((ours, our_optimizer), (theirs, their_optimizer)):
        model.zero_grad()
        loss, count = loss_of(model, batches.at(step)[0])
        (loss / count).backward()
        optimizer.step()
for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
    assert torch.allclose(one, other, rtol=0, atol=1e-12)
    assert torch.allclose(one.grad, other.grad, rtol=0, atol=1e-12)
print(f"After ten steps all {ours.n_parameters():,} weights agree.")

# %% [markdown]
# ## What does not fit at once
#
# A large model may have room for one text at a time, while a good step wants to hear hundreds. The solution
# costs nothing: gradients are sums. So one goes through the texts in small parts (*micro-batches*), adds up
# the gradients, and makes one step. This is called *accumulation*, and PyTorch's `backward()` does it by
# itself, for it adds to `.grad`.
#
# But the loss of a step is a **mean** over tokens, and texts are not equally long. By hand: micro-batch 1
# has 2 tokens that cost 6 nats together, micro-batch 2 has 8 tokens that cost 8.
#
# - the mean over all tokens: (6 + 8) / (2 + 8) = **1.4**
# - the mean of the means: (6/2 + 8/8) / 2 = **2.0**
#
# The second is what one gets by calling a loss function that gives means, and dividing by the number of
# micro-batches. It runs, the loss falls, and nobody notices. But the tokens of short texts count for more
# than those of long ones, and the result depends on how the texts were cut into micro-batches. The remedy:
# **sums, and one division at the end.**
#
# How much does it matter? We take documents of the village, cut to different lengths, as in talks where
# some answers are a word and some a page, in micro-batches of different size, and compare the gradient of
# both ways with that of one large batch.


# %%
def document_batches(texts: list[str], micro_batch: int) -> list[dict[str, Tensor]]:
    """The texts in micro-batches; short ones are filled up with what is no target."""
    rows = [torch.tensor([border, *tokenizer.encode(text), border]) for text in texts]
    parts = [rows[i : i + micro_batch] for i in range(0, len(rows), micro_batch)]
    return [
        dict(zip(("ids", "targets"), pad([(r[:-1], r[1:]) for r in part]), strict=True)) for part in parts
    ]


def gradient_of(model: groundup.Decoder, parts: list[dict[str, Tensor]], *, of_means: bool) -> Tensor:
    """All gradients of the model in one row. of_means: with the mistake."""
    model.zero_grad()
    total = 0
    for part in parts:
        loss, count = loss_of(model, part)
        (loss / count / len(parts) if of_means else loss).backward()
        total += count
    row = torch.cat([p.grad.flatten() for p in model.parameters()])
    return row if of_means else row / total


texts = [text[: 12 * 2 ** (number % 6)] for number, text in enumerate(documents[:16])]  # 12 to 384 bytes
model = new_model()
whole = gradient_of(model, document_batches(texts, 16), of_means=False)
errors = {}
for micro_batch in (16, 8, 4, 2, 1):
    parts = document_batches(texts, micro_batch)
    right, wrong = (gradient_of(model, parts, of_means=how) for how in (False, True))
    assert (right - whole).norm() < 1e-12 * whole.norm()
    errors[micro_batch] = ((wrong - whole).norm() / whole.norm()).item()
    print(
        f"{len(parts):2} micro-batches of {micro_batch:2}: sums differ by "
        f"{(right - whole).norm() / whole.norm():.0e}, the mean of means by {errors[micro_batch]:6.1%}"
    )
assert errors[16] < 1e-12 < 0.05 < errors[4] < errors[1]

# %% [markdown]
# The errors are shares of the gradient's length. In four micro-batches the mean of means is wrong by a
# tenth of it, in sixteen by a quarter. If there is one micro-batch, nothing is wrong: who tests on a small
# model sees nothing.
#
# ## The loop
#
# All of it, then. A step: gradients of all micro-batches, one division, one step of the optimizer, and
# forget the gradients.


# %%
def train(model: groundup.Decoder, batches, optimizer, steps: int) -> list[float]:
    """Train; gives the mean loss of each step."""
    losses = []
    model.train()
    for step in range(steps):
        total, count = 0.0, 0
        for batch in batches.at(step):
            loss, counted = loss_of(model, batch)
            loss.backward()
            total, count = total + loss.item(), count + counted
        for p in model.parameters():
            p.grad /= count
        optimizer.step()
        model.zero_grad()
        losses.append(total / count)
    return losses


# %% [markdown]
# groundup's loop must make the same weights. We let both train on ragged documents, three micro-batches in
# each step. (groundup's also changes the rate over time and holds back gradients that are too large. Both
# are in the next lesson, and switched off here.)


# %%
class Documents:
    """Gives the micro-batches of each step, as groundup's loop wants them."""

    def __init__(self, micro_batch: int):
        self.micro_batch = micro_batch

    def at(self, step: int) -> list[dict[str, Tensor]]:
        some = [documents[(6 * step + i) % len(documents)][:300] for i in range(6)]
        return document_batches(some, self.micro_batch)


settings = TrainSettings(
    steps=6,
    tokens_per_step=512,
    sequence_length=512,
    micro_batch=2,
    learning_rate=1e-2,
    schedule="constant",
    clip_norm=1e9,
    precision="float32",  # no bf16; the weights are doubles and stay so
)
ours, theirs, at_once = new_model(), new_model(), new_model()
our_losses = train(ours, Documents(2), AdamW(ours.parameters(), 1e-2, (0.9, 0.95), 0.1), steps=6)
their_losses = []
groundup.train(NextToken(theirs), Documents(2), settings, observers=[lambda s: their_losses.append(s.loss)])
groundup.train(NextToken(at_once), Documents(6), settings)
assert np.allclose(our_losses, their_losses, rtol=1e-6)  # theirs is added up in float32
for one, other, third in zip(ours.parameters(), theirs.parameters(), at_once.parameters(), strict=True):
    assert torch.allclose(one, other, rtol=0, atol=1e-9)
    assert torch.allclose(one, third, rtol=0, atol=1e-9)
print("  ".join(f"{loss:.4f}" for loss in our_losses))
print("Ours, groundup's, and groundup's with all texts at once: the same weights.")

# %% [markdown]
# ## The experiment: what is Adam worth?
#
# Two simpler rules run in our loop: gradient descent, and the same with *momentum*, which goes in the
# direction of the last gradients' sum (Polyak 1964). Each may choose the best of three rates.


# %%
class Descent:
    """w -= rate * memory, where memory = momentum * memory + gradient."""

    def __init__(self, parameters, rate: float, momentum: float):
        self.parameters, self.rate, self.momentum = list(parameters), rate, momentum
        self.memory = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        for p, memory in zip(self.parameters, self.memory, strict=True):
            memory.mul_(self.momentum).add_(p.grad)
            p -= self.rate * memory


rules = {
    "gradient descent": (lambda ps, rate: Descent(ps, rate, 0.0), (0.03, 0.1, 0.3)),
    "with momentum": (lambda ps, rate: Descent(ps, rate, 0.9), (0.03, 0.1, 0.3)),
    "AdamW": (lambda ps, rate: AdamW(ps, rate, (0.9, 0.95), 0.1), (3e-4, 1e-3, 3e-3)),
}
batches = groundup.Batches(windows, order, samples_per_step=8, micro_batch=8)
curves = {}
for name, (rule, rates) in rules.items():
    tried = {}
    for rate in rates[1:2] if SHORT else rates:
        model = new_model(48, torch.float32)
        tried[rate] = train(model, batches, rule(model.parameters(), rate), steps=10 if SHORT else 150)
    ends = {rate: float(np.mean(losses[-10:])) for rate, losses in tried.items()}
    best = min(ends, key=lambda rate: ends[rate] if math.isfinite(ends[rate]) else math.inf)
    curves[f"{name}, rate {best}"] = tried[best]
    print(f"{name:17}", "   ".join(f"rate {rate}: {end:.3f}" for rate, end in ends.items()))

figure, panels = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", width_ratios=(2, 3))
counts = [str(16 // micro_batch) for micro_batch in errors]
bars = panels[0].bar(counts, [100 * error for error in errors.values()], color="#b04a12", width=0.6)
panels[0].bar_label(bars, fmt="%.0f %%", padding=2)
panels[0].set_xlabel("micro-batches of a step")
panels[0].set_title("Error of the mean of means", loc="left")
panels[0].set_yticks([])
for (name, losses), colour in zip(curves.items(), ("#b9c4c6", "#e0a070", "#0b6a72"), strict=True):
    panels[1].plot(range(1, len(losses) + 1), losses, color=colour, label=name)
panels[1].set_xlabel("steps")
panels[1].set_title("Loss in nats per byte", loc="left")
panels[1].legend(frameon=False)
for axes in panels:
    axes.spines[["top", "right"]].set_visible(False)
panels[0].spines["left"].set_visible(False)
plt.show()

# %% [markdown]
# For the plain rules no single rate is right for all weights: where it is large enough for the embeddings
# of rare bytes, it is too large elsewhere. Adam finds a measure for each weight by itself. The price: two
# more numbers to remember for each one.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **what decays?** Give the names of those parameters of a
# model that should decay. groundup's optimizer will be asked, for a GPT-2 and for a model of today's form.


# %%
def decaying(model: nn.Module) -> set[str]:
    """The names (as in model.named_parameters()) of what decays: matrices, but no biases and no norms."""
    ...


# %%
def check_decaying(yours) -> str:
    sizes = {"vocab_size": 30, "context_length": 16, "d_model": 32, "n_layers": 2, "n_heads": 2}
    modern = {"position": "rope", "norm": "rms", "mlp": "gated", "qk_norm": True, "tie_embeddings": False}
    for extra in ({}, modern):
        model = groundup.Decoder(groundup.ModelConfig(**sizes, **extra))
        groups = make_optimizer(model, settings).groups
        decay = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
        own = {name for name, p in model.named_parameters() if id(p) in decay}
        got = yours(model)
        if got is None or set(got) != own:
            wrong = sorted(own ^ set(got or ()))
            return f"decaying: not yet. Think again about {', '.join(wrong[:3])} ({len(wrong)} are wrong)."
    return f"decaying: right! In the model of today these are {len(own)} of {len(list(model.parameters()))}."


print(check_decaying(decaying))

# %% [markdown]
# The second: **accumulate.** Leave in each weight's `.grad` the gradient of the mean loss over all tokens
# of all micro-batches, and give this mean. Something may be left in `.grad` from before.


# %%
def accumulate(model: groundup.Decoder, parts: list[dict[str, Tensor]]) -> float:
    """loss_of(model, part) gives the sum of a part's losses and how many there are."""
    ...


# %%
def check_accumulate(yours) -> str:
    model = new_model()
    for micro_batch in (16, 5, 1):
        loss, count = loss_of(model, document_batches(texts, 16)[0])
        own = gradient_of(model, document_batches(texts, 16), of_means=False)
        for p in model.parameters():
            p.grad = torch.ones_like(p)  # left from before
        got = yours(model, document_batches(texts, micro_batch))
        if got is None:
            return "accumulate: not yet. It gives nothing."
        here = torch.cat(
            [torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in model.parameters()]
        )
        error = ((here - own).norm() / own.norm()).item()
        if error > 1e-9:
            parts = f"micro-batches of {micro_batch}"
            return f"accumulate: not yet. With {parts} the gradient is wrong by {error:.1%}."
        if not math.isclose(got, loss.item() / count, rel_tol=1e-6):
            return f"accumulate: not yet. The mean loss is {loss.item() / count:.4f}, yours is {got:.4f}."
    return "accumulate: right! Any cut into micro-batches gives the same gradient."


print(check_accumulate(accumulate))

# %% [markdown]
# The third: **one step of momentum, by yourself**, for one weight matrix. A GPT will be trained with it in
# the loop above, while the rate changes, and compared with `torch.optim.SGD`. What is remembered is the
# gradients' sum, without the rate, for the rate of a step should count for that step only.


# %%
def momentum_step(weight: Tensor, gradient: Tensor, memory: Tensor, rate: float, momentum: float):
    """The new weight and the new memory."""
    ...


# %%
def check_momentum_step(yours) -> str:
    class Yours(Descent):
        def step(self) -> None:
            self.rate *= 0.7
            for index, p in enumerate(self.parameters):
                p.data, self.memory[index] = yours(
                    p.data.clone(), p.grad, self.memory[index].clone(), self.rate, self.momentum
                )

    class Theirs:
        def __init__(self, parameters):
            self.own = torch.optim.SGD(parameters, lr=0.5, momentum=0.9)

        def step(self) -> None:
            self.own.param_groups[0]["lr"] *= 0.7
            self.own.step()

    mine, other = new_model(), new_model()
    try:
        got = train(mine, batches, Yours(mine.parameters(), 0.5, 0.9), steps=4)
    except TypeError:
        return "momentum_step: not yet. It must give two tensors."
    own = train(other, batches, Theirs(other.parameters()), steps=4)
    apart = max(
        (a - b).abs().max().item() for a, b in zip(mine.parameters(), other.parameters(), strict=True)
    )
    if not apart < 1e-10:
        return (
            f"momentum_step: not yet. After four steps PyTorch's loss is {own[-1]:.5f}, yours {got[-1]:.5f}."
        )
    return "momentum_step: right! Four steps, and all weights are those of torch.optim.SGD."


print(check_momentum_step(momentum_step))
