# %% [markdown]
# # 16. How fast to learn, and when: clipping, warm-up, schedules, Muon
#
# The loop of the last lesson goes the same distance in its first step and in its last, whatever happens.
# **How far should a step go at the beginning, in the middle and at the end, and in which direction, if the
# gradient is not the best one?**
#
# You build four small things which every recipe has: a limit for the gradient, a slow start, a falling
# rate, and a step that treats a matrix as a matrix. Each is compared with groundup's. In the end AdamW and
# Muon run against each other.

# %%
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
from groundup.training.schedule import learning_rate
from groundup.training.settings import TrainSettings

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds

# %% [markdown]
# ## Clipping, by hand
#
# Now and then a batch is unusual, and its gradient is a hundred times as long as others. One such step can
# ruin what a thousand have learned. **Clipping** sets a limit for the length of the gradient, over *all*
# weights together: if it is longer, all of it is made shorter by one factor. The direction stays.
#
# Two weights with the gradients 3 and 4. The length is $\sqrt{3^2 + 4^2} = 5$. With a limit of 1 both are
# divided by 5: 0.6 and 0.8. With a limit of 10 nothing happens.


# %%
def clip(parameters: list[nn.Parameter], limit: float) -> float:
    """Make the gradient at most `limit` long; gives how long it was. (Pascanu et al. 2013)"""
    length = math.sqrt(sum(p.grad.square().sum().item() for p in parameters))
    for p in parameters:
        p.grad *= min(1.0, limit / (length + 1e-6))  # so that a gradient of 0 harms nobody
    return length


pair = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1, 1))]
for limit, by_hand in ((10, (3, 4)), (1, (0.6, 0.8))):
    pair[0].grad, pair[1].grad = torch.tensor([3.0]), torch.tensor([[4.0]])
    assert clip(pair, limit) == 5
    assert np.allclose([p.grad.item() for p in pair], by_hand, rtol=1e-5)

# %% [markdown]
# And on a GPT, which learns to read the village: PyTorch's function, which groundup's loop calls, must
# leave the same gradients.

# %%
tokenizer = groundup.Tokenizer.from_bytes()
documents = list(village.documents(seed=1, start=0, count=100 if SHORT else 1500))
windows = groundup.TokenWindows(encode(documents, tokenizer).tokens, 64)
batches = groundup.Batches(windows, groundup.Order(len(windows), seed=1), samples_per_step=8, micro_batch=8)


def new_model(seed: int = 1) -> groundup.Decoder:
    """A small GPT."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 64, "d_model": 64}
    return groundup.Decoder(groundup.ModelConfig(**sizes, n_layers=2, n_heads=2, position="rope"))


def backward(model: groundup.Decoder, step: int = 0) -> None:
    """Leave the gradient of a step's loss."""
    model.zero_grad()
    loss, count = NextToken(model)(batches.at(step)[0])
    (loss / count).backward()


ours, theirs = new_model(), new_model()
for limit in (0.1, 100.0):
    backward(ours)
    backward(theirs)
    length = clip(list(ours.parameters()), limit)
    assert math.isclose(length, nn.utils.clip_grad_norm_(theirs.parameters(), limit).item(), rel_tol=1e-5)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-5, atol=1e-9)
print(f"The gradient of the new model is {length:.2f} long.")

# %% [markdown]
# ## Warm-up and schedules, by hand
#
# **The beginning.** Adam divides by a mean of squares that it hardly knows yet. Its first steps go the full
# rate in each weight, right or wrong. So the rate grows in a straight line first: with 4 steps of *warm-up*
# to the rate 1 it is 0.25, 0.5, 0.75, 1.
#
# **The end.** Each step sees only a few texts, and so jumps about around the best place, as far as the rate
# is large. To come to rest, the rate must fall. Three usual ways from step 4 to the last of 13 steps,
# number 12 (they are counted from 0):
#
# - **linear**: in a straight line to 0. In the middle, step 8, it is 0.5.
# - **cosine**: along $\frac12 (1 + \cos \pi x)$, where $x$ goes from 0 to 1. In the middle it is 0.5 as
#   well, after a quarter (step 6) 0.854, after three quarters 0.146. (Loshchilov and Hutter 2017)
# - **warm-up, stable, decay** (wsd): stay at the top, and fall only in the last part of the steps. From the
#   same run one can so branch off an end at any time. (Hu et al. 2024)


# %%
def rate_at(step: int, s: TrainSettings) -> float:
    """The rate of a step, as the recipe's settings want it."""
    if step < s.warmup_steps:
        return s.learning_rate * (step + 1) / s.warmup_steps
    if s.schedule == "constant":
        return s.learning_rate
    begin = s.warmup_steps
    if s.schedule == "wsd":
        begin = max(begin, round(s.steps * (1 - s.decay)))
    x = max(0, step - begin) / max(1, s.steps - 1 - begin)
    share = (1 + math.cos(math.pi * min(x, 1))) / 2 if s.schedule == "cosine" else 1 - min(x, 1)
    return s.final_learning_rate + (s.learning_rate - s.final_learning_rate) * share


example = TrainSettings(
    steps=13, tokens_per_step=512, sequence_length=64, micro_batch=8, learning_rate=1.0, warmup_steps=4
)
assert [rate_at(step, example) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
assert [round(rate_at(step, example), 3) for step in (4, 6, 8, 10, 12)] == [1, 0.854, 0.5, 0.146, 0]
linear = replace(example, schedule="linear")
assert [rate_at(step, linear) for step in (4, 8, 12)] == [1, 0.5, 0]

KINDS = ("constant", "linear", "cosine", "wsd")
for steps, warmup, final in (
    (200, 20, 0.1),
    (13, 4, 0.0),
    (7, 0, 0.0),
    (5, 9, 0.0),
    (1, 0, 0.0),
    (50, 40, 0.2),
):
    for kind in KINDS:
        some = replace(example, steps=steps, warmup_steps=warmup, schedule=kind, final_learning_rate=final)
        for step in range(steps + 3):
            assert math.isclose(rate_at(step, some), learning_rate(step, some), abs_tol=1e-12)

figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
long = replace(example, steps=200, warmup_steps=20, final_learning_rate=0.1)
for kind, colour in zip(KINDS, ("#999999", "#e0a070", "#0b6a72", "#6f5aa8"), strict=True):
    rates = [rate_at(step, replace(long, schedule=kind)) for step in range(200)]
    axes.plot(rates, color=colour, label=kind)
axes.spines[["top", "right"]].set_visible(False)
axes.set_ylim(0, 1.05)
axes.set_xlabel("step")
axes.set_title("Share of the highest rate", loc="left")
axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.15, 0))
plt.show()

# %% [markdown]
# ## Do they help?
#
# Four recipes: nothing at all; warm-up and clipping; besides, a rate that falls along the cosine; and one
# that stays and then falls. All read the same texts in the same order. The loss is measured on texts that
# they never saw.

# %%
held_out = list(village.documents(seed=1, start=10**6, count=4 if SHORT else 12))
new_windows = groundup.TokenWindows(encode(held_out, tokenizer).tokens, 64)
examination = groundup.Batches(
    new_windows, groundup.Order(len(new_windows), seed=1), samples_per_step=len(new_windows), micro_batch=64
).at(0)


def examine(model: groundup.Decoder) -> float:
    """The mean loss on new texts, in nats per byte."""
    with torch.no_grad():
        results = [NextToken(model)(batch) for batch in examination]
    return sum(loss.item() for loss, _ in results) / sum(count for _, count in results)


STEPS = 12 if SHORT else 240


def learn(settings: TrainSettings) -> tuple[list[int], list[float], float]:
    """Train a new model: at which steps it was examined, with which result, and the longest gradient."""
    model, at, found, longest = new_model(), [], [], [0.0]

    def watch(state) -> None:
        longest[0] = max(longest[0], state.gradient_norm)
        if state.step % (STEPS // 12) == 0:
            at.append(state.step)
            found.append(examine(model))

    groundup.train(NextToken(model), batches, settings, observers=[watch])
    return at, found, longest[0]


plain = TrainSettings(
    steps=STEPS,
    tokens_per_step=512,
    sequence_length=64,
    micro_batch=8,
    learning_rate=6e-3,
    schedule="constant",
    clip_norm=1e9,
)
gentle = replace(plain, warmup_steps=STEPS // 12, clip_norm=1.0)
recipes = {
    "nothing": plain,
    "warm-up and clipping": gentle,
    "… and cosine": replace(gentle, schedule="cosine"),
    "… and stay, then fall": replace(gentle, schedule="wsd"),
}
learned = {name: learn(settings) for name, settings in recipes.items()}

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, (at, found, longest)), colour in zip(
    learned.items(), ("#999999", "#e0a070", "#0b6a72", "#6f5aa8"), strict=True
):
    axes.plot(at, found, color=colour, label=f"{name}: {found[-1]:.2f}")
    print(f"{name:22} {found[-1]:.3f}, longest gradient {longest:.1f}")
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("steps")
axes.set_title("Loss on new texts, nats per byte", loc="left")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Without warm-up the first steps throw the model onto a high plain, and it takes most of the run to find
# the way down. And clipping was needed: see the longest gradient. The falling rate does less in so short a
# run, for this model had still far to go when the cosine slowed it down. The one that stays at the top and
# falls late is the best of the four: it draws ahead in the second half, when its rate falls. So half a run
# tells little about the other half. And the longer a run, the more of it is jumping about, and the more the
# fall brings in.
#
# ## Muon: a matrix is not a heap of numbers
#
# Adam treats each number by itself. But the weights between two layers are a *matrix*, and what it does to
# what comes in is told by its **singular values**: there are directions, each of which it stretches by its
# own factor. The gradient of a matrix has them, too, and a few are far larger than the others. So a step in
# its direction changes a few things a lot, and much else hardly.
#
# **Muon** (Jordan et al. 2024) takes the momentum and makes all its singular values 1: each direction gets
# a step of the same size. By linear algebra: if $M = U S V^T$ is the singular value decomposition, the step
# is $U V^T$.
#
# By hand: $M = \begin{pmatrix} 3 & 0 \\ 0 & 0.1 \end{pmatrix}$ stretches the first direction by 3 and the
# second by 0.1. $U V^T$ is $\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}$.

# %%
from groundup.training.muon import COEFFICIENTS, Muon, orthogonal


def nearest_orthogonal(matrix: Tensor) -> Tensor:
    """(R, C) -> (R, C): the same directions, all singular values 1."""
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    return u @ v


assert torch.allclose(nearest_orthogonal(torch.tensor([[3.0, 0.0], [0.0, 0.1]])), torch.eye(2), atol=1e-6)

# %% [markdown]
# A decomposition at each step is slow. But there is a trick. For an odd power, $M M^T M = U S^3 V^T$: it
# acts on the singular values only. So does $a M + b M M^T M + c M M^T M M^T M$, which turns each singular
# value $s$ into $a s + b s^3 + c s^5$. With three well-chosen numbers, doing this five times moves
# everything between 0 and 1 towards 1: and that is a handful of matrix products. (Newton and Schulz's
# iteration)
#
# By hand, for a singular value of 0.1, with 3.4445, −4.775 and 2.0315:
# $0.34445 - 0.004775 + 0.00002 = 0.3397$. Then 0.992, 0.707, 1.107 and 0.712. It does not settle at 1 but
# dances about it.


# %%
def five_times(matrix: Tensor) -> Tensor:
    """About the nearest orthogonal matrix, by products alone."""
    a, b, c = COEFFICIENTS
    x = matrix / matrix.norm()  # then no singular value is above 1
    for _ in range(5):
        xxt = x @ x.T
        x = a * x + b * xxt @ x + c * xxt @ xxt @ x
    return x


def of_a_number(s: Tensor) -> Tensor:
    """What the five rounds make of singular values."""
    a, b, c = COEFFICIENTS
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    return s


assert abs(of_a_number(torch.tensor(0.1, dtype=torch.float64)).item() - 0.712) < 0.001
backward(ours)
gradients = {name: p.grad for name, p in ours.named_parameters() if p.ndim == 2 and name.startswith("blocks")}
kept = []
for name, gradient in gradients.items():
    exact = gradient.double()
    ours_here, s = five_times(exact), torch.linalg.svdvals(exact)
    expected = of_a_number(s / s.norm()).sort().values
    assert torch.allclose(torch.linalg.svdvals(ours_here).sort().values, expected, atol=1e-9), name
    theirs_here = orthogonal(gradient[None])[0].double()
    assert (five_times(gradient) - ours_here).norm() < 1e-4 * ours_here.norm(), name
    assert (theirs_here - ours_here).norm() < 0.2 * ours_here.norm(), name  # theirs computes in bf16
    u, _, v = torch.linalg.svd(exact, full_matrices=False)
    along = (u.T @ theirs_here @ v.T).diagonal()  # how far each of the directions goes
    kept += [(before.item(), after.item()) for before, after in zip(s / s[0], along, strict=True)]
    large = along[s > 0.02 * s.norm()]
    assert ((large > 0.6) & (large < 1.25)).all(), name
strong = [after for before, after in kept if before > 0.1]
print(
    f"{len(gradients)} matrices: what is above a tenth of the largest "
    f"becomes {min(strong):.2f} to {max(strong):.2f}"
)

# %% [markdown]
# On the left, each direction of each gradient of our GPT: its singular value before and after. On the
# right, the polynomial once, and five times.

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
panels[0].plot(*zip(*kept, strict=True), ".", color="#0b6a72", markersize=3)
panels[0].set_xscale("log")
panels[0].set_xlim(1e-4, 1.3)
panels[0].set_ylim(-0.1, 1.4)
panels[0].axhline(1, color="#999999", linewidth=1, linestyle=":")
panels[0].set_xlabel("share of the largest one, before")
panels[0].set_title("Singular values after", loc="left")
line = torch.linspace(0, 1, 400)
a, b, c = COEFFICIENTS
panels[1].plot(line, line, color="#999999", linestyle=":")
panels[1].plot(line, a * line + b * line**3 + c * line**5, color="#e0a070", label="once")
panels[1].plot(line, of_a_number(line), color="#0b6a72", label="five times")
panels[1].set_xlabel("singular value before")
panels[1].legend(frameon=False)
for axes in panels:
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# The weakest directions stay behind, for they would need more rounds. It is near enough.
#
# The whole optimizer: momentum (a mean, and with it a look ahead: *Nesterov*), made orthogonal, and decay
# as in AdamW. A matrix with more rows than columns goes further by the root of that. Three steps of ours
# against groundup's, and against PyTorch's own:


# %%
@torch.no_grad()
def muon_step(matrix: Tensor, gradient: Tensor, memory: Tensor, rate: float, decay: float) -> None:
    """One step of Muon; changes matrix and memory. Both are (R, C)."""
    memory.lerp_(gradient, 0.05)  # 0.95 of the memory, 0.05 of the gradient
    ahead = gradient.lerp(memory, 0.95)
    step = orthogonal(ahead[None])[0].float()
    matrix *= 1 - rate * decay
    matrix -= rate * math.sqrt(max(1, matrix.shape[0] / matrix.shape[1])) * step


models = {name: new_model() for name in ("ours", "groundup's", "PyTorch's")}
chosen = {
    key: [p for name, p in m.named_parameters() if name in gradients] for key, m in models.items()
}  # the matrices of the blocks
memories = [torch.zeros_like(p) for p in chosen["ours"]]
one = Muon(chosen["groundup's"], lr=0.02, momentum=0.95, weight_decay=0.1)
another = torch.optim.Muon(chosen["PyTorch's"], lr=0.02, momentum=0.95, weight_decay=0.1)
for step in range(3):
    for model in models.values():
        backward(model, step)
    for matrix, memory in zip(chosen["ours"], memories, strict=True):
        muon_step(matrix, matrix.grad, memory, rate=0.02, decay=0.1)
    one.step()
    another.step()
begun = [p for name, p in new_model().named_parameters() if name in gradients]
for before, mine, two, three in zip(begun, *chosen.values(), strict=True):
    way = (mine - before).norm().item()
    assert (
        mine - two
    ).norm() < 0.1 * way  # one number rounded differently to bf16 turns the weakest directions
    assert (mine - three).norm() < 0.1 * way
print("Three steps, three times the same way, up to the rounding of bf16.")

# %% [markdown]
# ## The race
#
# AdamW for everything, against Muon for the matrices of the blocks (with AdamW for embeddings and norms).
# The same number of steps, the same texts; each may choose the best of three rates.

# %%
races = {
    "AdamW": [replace(gentle, schedule="linear", learning_rate=rate) for rate in (3e-3, 6e-3, 1.2e-2)],
    "Muon": [
        replace(gentle, schedule="linear", optimizer="muon", learning_rate=6e-3, matrix_learning_rate=rate)
        for rate in (0.02, 0.04, 0.08)
    ],
}
best = {}
for name, candidates in races.items():
    results = [learn(settings) for settings in (candidates[:1] if SHORT else candidates)]
    print(f"{name:6}", "  ".join(f"{found[-1]:.3f}" for _, found, _ in results))
    best[name] = min(results, key=lambda result: result[1][-1])

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, (at, found, _)), colour in zip(best.items(), ("#e0a070", "#0b6a72"), strict=True):
    axes.plot(at, found, "o-", color=colour, markersize=3, label=f"{name}: {found[-1]:.2f}")
end = best["AdamW"][1][-1]
axes.axhline(end, color="#999999", linewidth=1, linestyle=":")
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("steps")
axes.set_title("Loss on new texts, nats per byte", loc="left")
axes.legend(frameon=False)
plt.show()
sooner = next((step for step, loss in zip(*best["Muon"][:2], strict=True) if loss <= end), None)
print(f"Where AdamW is after {STEPS} steps, Muon is after {sooner}.")

# %% [markdown]
# A step of Muon costs more than one of AdamW, the less the larger the batch is beside the matrices. Whether
# it gets there *sooner* is a question for the clock.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **clip by yourself**, without PyTorch's function, for
# gradients given as a list of tensors. It will sit in groundup's place in a real step.


# %%
def clipped(gradients: list[Tensor], limit: float) -> list[Tensor]:
    """The gradients, together at most `limit` long."""
    ...


# %%
def check_clipped(yours) -> str:
    mine, other = new_model(), new_model()
    for limit in (0.5, 3.0, 50.0):
        backward(mine)
        backward(other)
        nn.utils.clip_grad_norm_(other.parameters(), limit)
        got = yours([p.grad.clone() for p in mine.parameters()], limit)
        if got is None:
            return "clipped: not yet. It gives nothing."
        for (name, p), gradient in zip(other.named_parameters(), got, strict=True):
            if not torch.allclose(p.grad, gradient, rtol=1e-4, atol=1e-8):
                ratio = (gradient.norm() / p.grad.norm()).item()
                return f"clipped: not yet. Limit {limit}: that of {name} is {ratio:.3f} times as long."
    return "clipped: right! As in groundup's loop."


print(check_clipped(clipped))

# %% [markdown]
# The second: **a schedule of your own**: warm-up, and then the *root*:
# $\sqrt{\text{warmup} / (\text{step} + 1)}$ of the highest rate, with steps counted from 0. The paper that
# introduced the transformer (Vaswani et al. 2017) did it so. It needs no last step. At the end of the
# warm-up both parts must meet.


# %%
def root_rate(step: int, peak: float, warmup: int) -> float:
    """The rate of step number `step`, counted from 0."""
    ...


# %%
def check_root_rate(yours) -> str:
    if yours(0, 1.0, 10) is None:
        return "root_rate: not yet. It gives nothing."
    for peak, warmup in ((1.0, 10), (3e-3, 25)):
        constant = replace(plain, learning_rate=peak, warmup_steps=warmup)
        expected = {step: learning_rate(step, constant) for step in range(warmup)}
        expected |= {times * warmup - 1: peak / math.sqrt(times) for times in (1, 4, 9, 100)}
        for step, own in expected.items():
            got = yours(step, peak, warmup)
            if not math.isclose(got, own, rel_tol=1e-9):
                return f"root_rate: not yet. Warm-up {warmup}, step {step}: {own:.5f}, yours {got:.5f}."
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3)
    for step in range(10):
        backward(model, step)
        optimizer.param_groups[0]["lr"] = yours(step, 6e-3, 4)
        optimizer.step()
    return f"root_rate: right! After ten steps with it the GPT is at {examine(model):.3f}."


print(check_root_rate(root_rate))

# %% [markdown]
# The third: **Newton and Schulz by yourself**, five rounds, but for a matrix that may be *tall* too (more
# rows than columns), with the smaller products. groundup's Muon will step with your function in a real
# model.


# %%
def made_orthogonal(matrix: Tensor) -> Tensor:
    """(R, C) -> (R, C). COEFFICIENTS holds a, b and c. No product may have more numbers than the matrix."""
    ...


# %%
def check_made_orthogonal(yours) -> str:
    from unittest import mock

    torch.manual_seed(5)
    for shape in ((30, 30), (12, 48), (48, 12), (400, 3)):
        matrix = torch.randn(shape) * 7
        got = yours(matrix.clone())
        if got is None or got.shape != matrix.shape:
            what = None if got is None else tuple(got.shape)
            return f"made_orthogonal: not yet. Expected a matrix {shape}, got {what}."
        error = ((got - (own := five_times(matrix.double()).float())).norm() / own.norm()).item()
        if not error < 0.02:
            return f"made_orthogonal: not yet. For {shape} it is {error:.1%} off."
    largest = [0]
    product = torch.Tensor.__matmul__

    def counted(one: Tensor, other: Tensor) -> Tensor:
        result = product(one, other)
        largest[0] = max(largest[0], result.numel())
        return result

    with mock.patch.object(torch.Tensor, "__matmul__", counted):
        yours(torch.randn(400, 3))
    if largest[0] > 400 * 3:
        return f"made_orthogonal: not yet. For (400, 3) it makes a product of {largest[0]:,} numbers."
    mine, other = new_model(), new_model()
    for model, function in (
        (mine, lambda m: torch.stack([yours(x.float()) for x in m])),
        (other, orthogonal),
    ):
        backward(model)
        with mock.patch("groundup.training.muon.orthogonal", function):
            Muon(
                [p for n, p in model.named_parameters() if n in gradients],
                lr=0.02,
                momentum=0.95,
                weight_decay=0,
            ).step()
    way = sum((a - b).norm() for a, b in zip(other.parameters(), new_model().parameters(), strict=True))
    apart = sum((a - b).norm() for a, b in zip(other.parameters(), mine.parameters(), strict=True))
    if not apart < 0.2 * way:
        return f"made_orthogonal: not yet. A step of Muon with it goes {apart / way:.0%} astray."
    return f"made_orthogonal: right! groundup's Muon, in bf16, goes the same way but for {apart / way:.1%}."


print(check_made_orthogonal(made_orthogonal))
