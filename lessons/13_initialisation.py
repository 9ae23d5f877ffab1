# %% [markdown]
# # 13. How a model begins
#
# Before its first step a model consists of random numbers. It will change them all. **Does it matter from
# which ones it begins?** So much that nobody could train a deep network before this was understood. With
# numbers a little too large everything explodes on its way through the layers, a little too small and it
# dies away, forwards as text is read and backwards as it is learned from.
#
# In this lesson you see why on four numbers, then on a stack of matrices, then on a GPT. You build GPT-2's
# start, compare it with groundup's, number by number, and watch what becomes of other starts.

# %%
import itertools
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village
from groundup.data.writing import encode

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
COLOURS = ["#0b6a72", "#e0a070", "#6f5aa8", "#b04a12"]

# %% [markdown]
# ## The smallest example, by hand
#
# Almost all that a network does is to multiply and add: $y = w_1 x_1 + w_2 x_2 + w_3 x_3 + w_4 x_4$. Let
# $x$ be `1 −1 2 0`, and let a coin decide for each weight whether it is +0.5 or −0.5. There are 16 ways,
# and $y$ is positive as often as negative. How large is it? On average over the 16 ways, $y^2$ is
#
# $$0.5^2 \cdot (1^2 + 1^2 + 2^2 + 0^2) = 0.25 \cdot 6 = 1.5$$
#
# because each mixed product, such as $w_1 w_2 x_1 x_2$, is as often positive as negative, and cancels.

# %%
x = (1, -1, 2, 0)
ways = list(itertools.product((0.5, -0.5), repeat=4))
squares = [sum(w * value for w, value in zip(way, x, strict=True)) ** 2 for way in ways]
assert len(ways) == 16
assert sum(squares) / len(squares) == 1.5

# %% [markdown]
# We call the root of the mean square the **spread**. (Weights that are drawn around zero have as spread
# their standard deviation σ.) Shapes in the comments: B texts, T places, D numbers at each place. A row $x$
# of D numbers goes through a matrix of weights with spread σ. By the same reasoning
#
# $$\text{spread of } y = \sigma \sqrt{D} \cdot \text{spread of } x .$$
#
# So the layer multiplies by $\sigma\sqrt D$. One layer of a wide network has thousands of terms to add, and
# that is why its weights must be small.


# %%
def spread(x: Tensor) -> float:
    """The root of the mean square."""
    return x.detach().square().mean().sqrt().item()


torch.manual_seed(1)
wide = torch.randn(400, 256)  # (B, D) 400 rows of 256 numbers
for sigma in (0.02, 1 / 16, 1.0):
    matrix = torch.randn(256, 256) * sigma  # (D, D)
    factor = spread(wide @ matrix) / spread(wide)
    assert math.isclose(factor, sigma * math.sqrt(256), rel_tol=0.02)
    print(
        f"weights of spread {sigma:.4f}: a layer multiplies by {factor:5.2f}; 24 of them by {factor**24:.0e}"
    )

# %% [markdown]
# And backwards? The gradient goes through the same matrices, turned over, so the same factor is at work.
# Only $\sigma = 1 / \sqrt D$ lets both pass. We look at three stacks of 24 matrices, with half of this σ,
# with it, and with its double.


# %%
def through(factor: float, depth: int = 24, width: int = 256) -> tuple[list[float], list[float]]:
    """The spread after each of `depth` matrices, and of the gradient that arrives there."""
    torch.manual_seed(2)
    values = [torch.randn(64, width, requires_grad=True)]
    for _ in range(depth):
        values.append(values[-1] @ (torch.randn(width, width) * factor / math.sqrt(width)))
        values[-1].retain_grad()
    values[-1].backward(torch.randn(64, width))
    return [spread(v) for v in values], [spread(v.grad) for v in values]


figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
for factor, colour in zip((2, 1, 0.5), COLOURS, strict=False):
    forwards, backwards = through(factor)
    assert 0.8 < forwards[-1] / factor**24 < 1.25
    assert 0.8 < backwards[0] / factor**24 < 1.25
    for axes, values in zip(panels, (forwards, backwards), strict=True):
        axes.semilogy(values, color=colour, label=f"{factor} / √D")
for axes, title in zip(panels, ("spread of the values", "spread of their gradients"), strict=True):
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("matrices before")
    axes.set_title(title, loc="left")
panels[0].legend(frameon=False, title="weights")
plt.show()

# %% [markdown]
# Values are read from left to right, gradients arrive from the right. After 24 layers a factor of 2 has
# become 16 million. Source of this thought: Glorot and Bengio 2010. Between the matrices stand bends such
# as ReLU, which set half of the values to zero. Then the mean square is halved each time, and σ must be
# $\sqrt{2 / D}$ to make up for it (He et al. 2015).
#
# ## What is different in a GPT
#
# A GPT has two remedies built in. A block does not replace what it reads. It **adds** to it: the values
# flow past all blocks in one *stream*, and each block writes twice, once from its attention and once from
# its feed-forward part. And each part reads a **normalised** copy of the stream, with a spread of 1
# whatever happened before. So nothing is multiplied 24 times.
#
# But things are added. Random additions grow like the mean squares above: if each has the spread s, then n
# of them have $s \sqrt n$. By hand: two writes of 0.3 and 0.4 give $\sqrt{0.09 + 0.16} = 0.5$. With L
# blocks there are 2L writes, so a deep model has a larger stream than a flat one. GPT-2's answer: divide
# the spread of those matrices that write by $\sqrt{2L}$. All others are drawn with 0.02, and biases begin
# at zero. (Radford et al. 2019; the paper says it in one sentence.)


# %%
def start(model: groundup.Decoder, usual: float, writing: float, seed: int) -> groundup.Decoder:
    """Draw all weights anew: with the spread `writing` where a block writes to the stream, else `usual`."""
    generator = torch.Generator().manual_seed(seed)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            writes = name.endswith(("attention.output", "mlp.down"))
            module.weight.data.normal_(std=writing if writes else usual, generator=generator)
        if getattr(module, "bias", None) is not None:
            module.bias.data.zero_()
    return model


def as_gpt2(model: groundup.Decoder, seed: int) -> groundup.Decoder:
    """GPT-2's start."""
    return start(model, usual=0.02, writing=0.02 / math.sqrt(2 * model.config.n_layers), seed=seed)


# %% [markdown]
# Is it groundup's? With the same chance each number must be the same, and so must what the model says, and
# every gradient.

# %%
sizes = {"vocab_size": 512, "context_length": 64, "d_model": 128, "n_layers": 8, "n_heads": 4}
ours = as_gpt2(groundup.Decoder(groundup.ModelConfig(**sizes)), seed=5)
theirs = groundup.Decoder(ours.config).initialise(torch.Generator().manual_seed(5))
ids = torch.randint(0, 512, (4, 65))  # (B, T + 1)
for model in (ours, theirs):
    F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
    assert one.equal(other), name
    assert one.grad.equal(other.grad), name

# %% [markdown]
# And without trusting either: measure the spread of each matrix of groundup's. Of n numbers it is known up
# to about $1 / \sqrt{2n}$ of itself. We allow five times that.

# %%
measured = {"reads": [], "writes": []}
for name, weight in theirs.named_parameters():
    if weight.ndim == 2:
        writes = name.endswith(("attention.output.weight", "mlp.down.weight"))
        expected = 0.02 / math.sqrt(2 * 8) if writes else 0.02
        assert abs(spread(weight) / expected - 1) < 5 / math.sqrt(2 * weight.numel()), name
        measured["writes" if writes else "reads"].append(spread(weight))
for kind, found in measured.items():
    print(f"{len(found)} matrices, {kind}: spread from {min(found):.5f} to {max(found):.5f}")

# %% [markdown]
# ## The experiment: four starts of a deep model
#
# A narrow GPT with 24 blocks reads bytes of the village. We hang a listener on each block: how large is the
# stream after it, and how large is the gradient that comes back there? Four starts:
#
# - **GPT-2's**
# - **not scaled**: 0.02 everywhere
# - **ten times**: 0.2 everywhere
# - **PyTorch's own**: what `nn.Linear` and `nn.Embedding` do if nobody says anything. The first draws
#   evenly from between $\pm 1 / \sqrt D$, the second with σ = 1. In this GPT both ends are one matrix: it
#   is the embedding, and gives the logits, too.

# %%
tokenizer = groundup.Tokenizer.from_bytes()
documents = list(village.documents(seed=1, start=0, count=100 if SHORT else 600))
windows = groundup.TokenWindows(encode(documents, tokenizer).tokens, 64)
batches = groundup.Batches(windows, groundup.Order(len(windows), seed=1), samples_per_step=8, micro_batch=8)
DEPTH = 24
deep = groundup.ModelConfig(
    vocab_size=tokenizer.vocab_size, context_length=64, d_model=64, n_layers=DEPTH, n_heads=2
)


def as_pytorch(model: groundup.Decoder, seed: int) -> groundup.Decoder:
    """What PyTorch's parts do by themselves."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding) and module is not model.unembed:
            module.reset_parameters()
    return model


STARTS = {
    "GPT-2's": lambda: as_gpt2(groundup.Decoder(deep), seed=1),
    "not scaled": lambda: start(groundup.Decoder(deep), 0.02, 0.02, seed=1),
    "ten times": lambda: start(groundup.Decoder(deep), 0.2, 0.2, seed=1),
    "PyTorch's own": lambda: as_pytorch(groundup.Decoder(deep), seed=1),
}


def look_inside(model: groundup.Decoder) -> tuple[list[float], list[float], float]:
    """The spread of the stream before and after each block, of its gradient there, and the loss."""
    streams = []

    def listen(module, inputs, output) -> None:
        output.retain_grad()
        streams.append(output)

    handles = [part.register_forward_hook(listen) for part in (model.drop, *model.blocks)]
    batch = batches.at(0)[0]
    loss = F.cross_entropy(model(batch["ids"]).flatten(0, 1), batch["targets"].flatten())
    loss.backward()
    for handle in handles:
        handle.remove()
    return [spread(s) for s in streams], [spread(s.grad) for s in streams], loss.item()


figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
inside = {}
for (name, make), colour in zip(STARTS.items(), COLOURS, strict=True):
    stream, gradient, first_loss = inside[name] = look_inside(make())
    panels[0].semilogy(stream, color=colour, label=name)
    panels[1].semilogy(gradient, color=colour)
    print(
        f"{name:14} stream {stream[0]:.3f} -> {stream[-1]:7.3f}   gradient, last block to first "
        f"{gradient[-1]:.1e} -> {gradient[0]:.1e}   first loss {first_loss:6.2f}"
    )
for axes, title in zip(panels, ("spread of the stream", "spread of its gradient"), strict=True):
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("blocks before")
    axes.set_title(title, loc="left")
figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, ncols=4, loc="outside lower center")
plt.show()

# %% [markdown]
# Scaled or not, nothing explodes: that is the merit of adding and normalising. But without the scaling the
# stream of this narrow model grows several times over. What the last blocks write is small beside it, and
# what the embeddings said is drowned. With the scaling the growth does not depend on the number of blocks.
# We check that, for it is what the whole thing is for: the writes together have the same spread in a deep
# model as in a flat one.

# %%
from dataclasses import replace


def written(n_layers: int, scaled: bool) -> float:
    """The spread of all that the blocks add to the stream together."""
    torch.manual_seed(1)
    model = groundup.Decoder(replace(deep, n_layers=n_layers))
    as_gpt2(model, seed=1) if scaled else start(model, 0.02, 0.02, seed=1)
    kept = []
    for part in (model.drop, model.blocks[-1]):
        part.register_forward_hook(lambda module, inputs, output: kept.append(output))
    model(batches.at(0)[0]["ids"])
    return spread(kept[1] - kept[0])


table = {n: (written(n, True), written(n, False)) for n in (4, 16, 64)}
for n, (with_scaling, without) in table.items():
    print(f"{n:3} blocks: all writes together {with_scaling:.4f} scaled, {without:.4f} not scaled")
assert table[64][0] / table[4][0] < 2 < 4 < table[64][1] / table[4][1] < 8

# %% [markdown]
# From 4 blocks to 64 the root of the number of writes grows by 4. Without the scaling the writes grow by
# this or more (the later ones find more to read than noise alone: the stream has something in common at all
# places). With it, they hardly do.
#
# ## What becomes of them
#
# The same 24 blocks, the same texts in the same order, the same loop, for a few dozen steps.

# %%
from groundup.methods.next_token import NextToken
from groundup.training.settings import TrainSettings

settings = TrainSettings(
    steps=6 if SHORT else 80,
    tokens_per_step=8 * 64,
    sequence_length=64,
    micro_batch=8,
    learning_rate=2e-3,
    warmup_steps=5,
    schedule="constant",
)
losses = {name: [] for name in STARTS}
for name, make in STARTS.items():
    groundup.train(
        NextToken(make()), batches, settings, observers=[lambda state, to=losses[name]: to.append(state.loss)]
    )

figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
even = math.log(tokenizer.vocab_size)
axes.axhline(even, color="#999999", linewidth=1, linestyle=":")
axes.annotate("guessing evenly", (settings.steps, even), (0, 4), textcoords="offset points", ha="right")
for (name, values), colour in zip(losses.items(), COLOURS, strict=True):
    axes.semilogy(range(1, len(values) + 1), values, color=colour, label=name)
axes.set_yticks([2, 3, 5, 10, 20, 40], ["2", "3", "5", "10", "20", "40"])
axes.minorticks_off()
axes.spines[["top", "right"]].set_visible(False)
axes.set_xlabel("steps")
axes.set_title("Loss in nats per byte", loc="left")
axes.legend(frameon=False)
plt.show()
print({name: f"{values[0]:.2f} -> {np.mean(values[-5:]):.2f}" for name, values in losses.items()})

# %% [markdown]
# Above the dotted line a model is worse than one that guesses evenly: it is sure of things about which it
# knows nothing. It spends its first steps on forgetting them. The two small starts begin at the line. (How
# far above it a start lies can be calculated. That is in the next lesson.) GPT-2's start is ahead to the
# end, and where nothing is scaled the loss jumps now and then. But all come after it: the stream, the
# normalisation and an optimizer that does not care how large a gradient is (lesson 15) forgive much.
#
# ## Why random at all?
#
# Zeros would be the smallest start of all. But a block in which all is zero has no gradient: each of its
# matrices waits for another one to let something through. And if all weights are equal, but not zero? Then
# all neurons compute the same and learn the same, for ever. We try both.

# %%
model = groundup.Decoder(deep)
for block in model.blocks:
    for weight in block.parameters():
        weight.data.zero_()
look_inside(model)
assert all(
    (weight.grad == 0).all()
    for block in model.blocks
    for name, weight in block.named_parameters()
    if weight.ndim == 2
)

model = as_gpt2(groundup.Decoder(deep), seed=1)
block = model.blocks[0].mlp
block.up.weight.data.fill_(0.02)  # (4D, D): every neuron the same
block.down.weight.data.fill_(0.01)  # (D, 4D)
look_inside(model)
assert block.down.weight.grad.abs().max() > 0
assert torch.allclose(block.down.weight.grad, block.down.weight.grad[:, :1].expand(-1, 256), atol=1e-9)
print("From zeros nothing is learned. 256 equal neurons learn like a single one.")

# %% [markdown]
# One of the two matrices at zero is another matter. The block then adds nothing at first, and learns at
# once; some people begin so. It is the *symmetry* that chance must break, at one place of each block.
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **the spread that lets values pass**. A matrix leads from
# `d_in` numbers to `d_out`. With which σ must it be drawn, so that the mean square stays what it was? With
# `relu`, the values have gone through a ReLU before. (Its input is as often negative as positive.)


# %%
def passing(d_in: int, d_out: int, relu: bool) -> float:
    """The spread of the weights of a matrix (d_out, d_in) that keeps the spread of what passes."""
    ...


# %%
def check_passing(yours) -> str:
    widths = [64, 512, 128, 1024, 256, 700] * 3  # up and down through 18 matrices
    for relu in (False, True):
        torch.manual_seed(3)
        values = torch.randn(200, widths[-1])
        for d_in, d_out in zip([widths[-1], *widths], widths, strict=False):
            sigma = yours(d_in, d_out, relu)
            if sigma is None:
                return "passing: not yet. It gives nothing."
            before = F.relu(values) if relu else values
            values = F.linear(before, torch.randn(d_out, d_in) * sigma)
            if not 0.5 < spread(values) < 2:
                bend = "After a ReLU, a" if relu else "A"
                return (
                    f"passing: not yet. {bend} matrix from {d_in} to {d_out} leaves a spread of "
                    f"{spread(values):.2f}, where it was 1."
                )
    return f"passing: right! After 18 matrices with ReLU the spread is {spread(values):.2f}."


print(check_passing(passing))

# %% [markdown]
# The second: **the spread of the matrices that write**, for a new kind of block that writes `writes` times
# (GPT-2's writes twice), in a model of `n_layers` blocks. It will be compared with groundup's start, and
# then a model with your numbers must have a stream that does not grow with depth.


# %%
def writing_spread(n_layers: int, writes: int, usual: float) -> float:
    """The spread of a matrix that writes to the stream, where the others have the spread `usual`."""
    ...


# %%
def check_writing_spread(yours) -> str:
    for n_layers in (1, 3, 12, 48):
        got = yours(n_layers, 2, 0.02)
        real = groundup.Decoder(replace(deep, n_layers=n_layers)).blocks[-1].mlp.down.weight
        if got is None or abs(spread(real) / got - 1) > 5 / math.sqrt(2 * real.numel()):
            own = f"{spread(real):.5f}"
            return f"writing_spread: not yet. groundup's with {n_layers} blocks is {own}, not {got}."
    for n_layers, writes in ((10, 1), (40, 3)):
        torch.manual_seed(4)
        rows = torch.randn(100, 64)  # what a part reads: normalised
        stream = sum(
            rows @ torch.randn(64, 64) * yours(n_layers, writes, 0.1) for _ in range(n_layers * writes)
        )
        if abs(spread(stream) / (0.1 * 8) - 1) > 0.1:
            shape = f"{n_layers} blocks of {writes} writes"
            return f"writing_spread: not yet. {shape} make a stream of {spread(stream):.3f}, not 0.8."
    return "writing_spread: right! The stream of a deep model is that of a flat one."


print(check_writing_spread(writing_spread))

# %% [markdown]
# The third: **find the illness.** Given the spread of a model's stream before the first block and after
# each, and the spread of the gradient at the same places, say whether it "explodes" or "vanishes" or is
# "fine". Call it fine as long as the values and the gradients at both ends differ by less than 100 times.
# (What grows in the direction in which it travels, explodes: values travel from the first to the last,
# gradients the other way. If both happen, say "explodes".)


# %%
def diagnosis(stream: list[float], gradient: list[float]) -> str:
    """ "explodes", "vanishes" or "fine"."""
    ...


# %%
def check_diagnosis(yours) -> str:
    patients = [
        (through(2)[0], through(2)[1], "explodes"),
        (*through(0.5), "vanishes"),
        (*through(1), "fine"),
    ]
    stream, gradient, _ = inside["GPT-2's"]
    patients.append((stream, gradient, "fine"))
    patients.append((through(1)[0], through(2)[1], "explodes"))  # only on its way back
    patients.append((through(1)[0], through(0.5)[1], "vanishes"))
    for stream, gradient, truth in patients:
        if (got := yours(stream, gradient)) != truth:
            return (
                f"diagnosis: not yet. Stream {stream[0]:.1e} -> {stream[-1]:.1e}, gradient "
                f"{gradient[-1]:.1e} -> {gradient[0]:.1e}: {truth}, you say {got}."
            )
    named = {name: yours(stream, gradient) for name, (stream, gradient, _) in inside.items()}
    return f"diagnosis: right! Our four starts: {named}"


print(check_diagnosis(diagnosis))
