# %% [markdown]
# # 20. Saving, loading, resuming
#
# A model has been learning for three days, and the power fails. **What must be on the disk, so that
# afterwards nobody can tell that anything happened?**
#
# You will write the file in which the world keeps its models, byte by byte the same as groundup's. Then you
# let the power fail at every possible moment, stop a training run and resume it so that not a single bit
# differs, and see what is lost if one thing is forgotten.

# %%
import atexit
import json
import math
import os
import re
import shutil
import struct
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

import groundup
from groundup import village
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.system.files import whole_file
from groundup.training.loop import State
from groundup.training.optimizer import make_optimizer
from groundup.training.settings import TrainSettings
from groundup.training.snapshot import restore, state_tensors
from groundup.weights.checkpoints import keep_checkpoints, newest_checkpoint, save_checkpoint
from groundup.weights.folder import write_model
from groundup.zoo import family_for

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
FOLDER = Path(tempfile.mkdtemp())  # all files of this lesson; it goes when Python ends
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

# %% [markdown]
# ## A tensor in a file, by hand
#
# A number of 32 bits is four bytes: 1.0 is `00 00 80 3f` and −2.0 is `00 00 00 c0` (the last byte holds the
# sign). But eight bytes alone do not say that they are two numbers, and not one of double length. So a file
# in the form **safetensors** begins with a *header* that says so, in JSON:
#
# | bytes | what they are |
# |---|---|
# | 8 | how long the header is, as a whole number, the lowest byte first |
# | the header | for each tensor its name, kind of numbers and shape, and where its bytes begin and end |
# | the rest | all numbers, one after the other |
#
# Nothing in it can be *run*. That is not a matter of course: `torch.save` makes a pickle file, and such a
# file may hold a program that starts when it is loaded. Who loads a stranger's model wants numbers only.
#
# Three little rules: large numbers come first (then each lies at a multiple of its own size), names are in
# the order of the alphabet, and the header is filled up with spaces to a multiple of 8.

# %%
KINDS = {torch.float32: "F32", torch.uint8: "U8"}


def to_bytes(tensors: dict[str, Tensor]) -> bytes:
    """The whole file, as one row of bytes."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        tensor = tensors[name]
        raw = tensor.detach().contiguous().numpy().tobytes()
        place = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": KINDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def from_bytes(file: bytes) -> dict[str, Tensor]:
    """The tensors of a file."""
    start = 8 + int.from_bytes(file[:8], "little")
    header, tensors = json.loads(file[8:start]), {}
    for name, about in header.items():
        if name != "__metadata__":
            first, end = (start + place for place in about["data_offsets"])
            kind = next(kind for kind, code in KINDS.items() if code == about["dtype"])
            tensors[name] = torch.frombuffer(bytearray(file[first:end]), dtype=kind).view(about["shape"])
    return tensors


file = to_bytes({"w": torch.tensor([1.0, -2.0])})
print(file)
assert file[-8:] == bytes.fromhex("00 00 80 3f 00 00 00 c0") == struct.pack("<ff", 1.0, -2.0)
assert from_bytes(file)["w"].tolist() == [1.0, -2.0]

# %% [markdown]
# ## A model in a folder
#
# What belongs to a model? Its weights; its form (how wide, how many layers), which they do not tell; and
# its tokenizer, without which nobody knows what token 317 means. Let us make a small GPT and have groundup
# save it.

# %%
STEPS, HALF = (24, 12) if SHORT else (400, 200)
tokenizer = groundup.Tokenizer.from_bytes()
texts = [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in village.documents(1, 0, 2000)]
windows = groundup.TokenWindows(encode(texts, tokenizer).tokens, 64)


def new_model() -> groundup.Decoder:
    """Always the same start. Dropout (lesson 17) is there so that chance has a part in the training."""
    torch.manual_seed(1)
    sizes = {"vocab_size": tokenizer.vocab_size, "context_length": 64, "d_model": 48, "n_layers": 2}
    return groundup.Decoder(groundup.ModelConfig(**sizes, n_heads=3, dropout=0.1))


def complete(model: groundup.Decoder) -> groundup.Loaded:
    """The model with all that is needed to use it."""
    return groundup.Loaded(model, tokenizer, model.config)


model = new_model()
groundup.save(FOLDER / "model", complete(model))
for path in sorted((FOLDER / "model").iterdir()):
    print(f"{path.stat().st_size:9,} bytes  {path.name}")

# %% [markdown]
# `model.safetensors` holds the weights under the names that this family has in the rest of the world
# (lesson 12), so that other programs can open it. Can we read it? Can we write it, **byte for byte**? And
# does the model that groundup loads say exactly what the first one said, and learn exactly the same?

# %%
theirs = (FOLDER / "model" / "model.safetensors").read_bytes()
weights = family_for(model.config).table.push(model, tied=model.config.tie_embeddings)
assert to_bytes(weights) == theirs
read = from_bytes(theirs)
assert read.keys() == weights.keys()
assert all(torch.equal(read[name], weights[name]) for name in weights)

again = groundup.load(FOLDER / "model").model
batch = {"ids": windows[0][0][None], "targets": windows[0][1][None]}
for one in (model.eval(), again):
    NextToken(one)(batch)[0].backward()
assert torch.equal(model(batch["ids"]), again(batch["ids"]))
for one, other in zip(model.parameters(), again.parameters(), strict=True):
    assert torch.equal(one.grad, other.grad)
print(f"{len(read)} tensors, {len(theirs):,} bytes: ours is the same file, and the model the same model.")

# %% [markdown]
# ## Whole or not at all
#
# Writing takes time: a large model minutes. What is there if the power fails meanwhile? Half a file. And if
# it had the name of the one before, that one is gone as well. The remedy is one trick: **write beside it,
# then rename.** A rename is a single stroke for the file system; there is no half of it. (Before that,
# `fsync` waits until the bytes are really on the disk and not only on their way. Otherwise the rename could
# get there first.)


# %%
class PowerFailure(Exception):
    """Nothing after it happens."""


def write_until(path: Path, data: bytes, failure: int) -> None:
    """Write a file; the power fails after so many bytes, if it has more."""
    path.write_bytes(data[:failure])
    if failure < len(data):
        raise PowerFailure


def write_whole(path: Path, data: bytes, failure: int) -> None:
    """The same, but the file is there as a whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    write_until(part, data, failure)
    with open(part, "rb+") as handle:
        os.fsync(handle.fileno())
    os.replace(part, path)


def write_as_groundup(path: Path, data: bytes, failure: int) -> None:
    """With groundup's own part for this."""
    with whole_file(path) as part:
        write_until(part, data, failure)


old, new = (to_bytes({"w": torch.full((2,), value)}) for value in (1.0, 2.0))
path = FOLDER / "file"
for write in (write_until, write_whole, write_as_groundup):
    found = {"the old file": 0, "the new file": 0, "rubbish": 0}
    for failure in range(len(new) + 1):
        path.write_bytes(old)
        try:
            write(path, new, failure)
        except PowerFailure:
            pass
        now = path.read_bytes()
        found["the old file" if now == old else "the new file" if now == new else "rubbish"] += 1
    print(f"{write.__name__:18}", ", ".join(f"{name}: {times} times" for name, times in found.items()))
    assert found["rubbish"] == (len(new) if write is write_until else 0)

# %% [markdown]
# ## What else a run has in its head
#
# With the model saved, is the run saved? Its loop (lesson 15) goes on from more than the weights:
#
# - the **optimizer's memory**: for each weight the mean of its gradients and of their squares. These are two
#   more numbers for each weight: a checkpoint is three times as large as a model;
# - the **step**: how high the learning rate is now, and which texts are next;
# - the **generator** of chance, from which dropout draws;
# - the **order of the texts**. With groundup it is a *function* of the step (lesson 4), so nothing needs to
#   be saved. Where a program shuffles a list and walks along it, the list and the place belong here, too.
#
# Ours, in a few lines, all as named tensors:


# %%
def snapshot(state: State) -> dict[str, Tensor]:
    """All that decides how the training goes on."""
    kept = {f"model.{name}": tensor for name, tensor in state.method.model.state_dict().items()}
    for number, memory in state.optimizer.parts[0].state_dict()["state"].items():
        kept |= {f"optimizer.0.{number}.{name}": tensor for name, tensor in memory.items()}
    kept["generator.cpu"] = torch.get_rng_state()
    return {**kept, "step": torch.tensor([state.step], dtype=torch.float32)}


def put_back(state: State, kept: dict[str, Tensor]) -> None:
    """The other way."""
    learned, memory = {}, {}
    for name, tensor in kept.items():
        if name.startswith("model."):
            learned[name.removeprefix("model.")] = tensor
        if name.startswith("optimizer."):
            _, _, number, entry = name.split(".")
            # A copy, for the optimizer goes on in place: else `kept` would change with it.
            memory.setdefault(int(number), {})[entry] = tensor.clone()
    state.method.model.load_state_dict(learned)
    optimizer = state.optimizer.parts[0]
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})
    torch.set_rng_state(kept["generator.cpu"])
    state.step = int(kept["step"])


settings = TrainSettings(
    steps=STEPS,
    tokens_per_step=512,
    sequence_length=64,
    micro_batch=8,
    learning_rate=1e-2,
    warmup_steps=STEPS // 10,
    schedule="constant",
    precision="float32",
)


def batches_in_order(seed: int) -> groundup.Batches:
    """The texts of each step."""
    return groundup.Batches(windows, groundup.Order(len(windows), seed), samples_per_step=8, micro_batch=8)


def run(begin=None, *, until: int = STEPS, batches=None, forget: int = 0) -> tuple[State, list[float]]:
    """Train from the start, or from where begin(state) puts it; the losses. forget: the memory, so often."""
    method, losses = NextToken(new_model()), []
    state = State.fresh(method, settings)
    torch.manual_seed(2)  # of dropout
    if begin:
        begin(state)

    def watch(state: State) -> None:
        losses.append(state.loss)
        state.stop = state.step == until
        if forget and state.step % forget == 0:
            state.optimizer = make_optimizer(method, settings)

    groundup.train(method, batches or batches_in_order(1), settings, state=state, observers=[watch])
    return state, losses


def weights_of(state: State) -> Tensor:
    """All weights in one row."""
    return torch.cat([p.detach().flatten() for p in state.method.parameters()])


# %% [markdown]
# Now for it. One run goes through without a stop. A second one is stopped half way, and writes our file. A
# third one, of which nothing is left but the file, goes on. Beside it the same with groundup's own
# checkpoint.

# %%
through, losses = run()
stopped, first_half = run(until=HALF)
write_whole(FOLDER / "ours", to_bytes(snapshot(stopped)), failure=10**9)
save_checkpoint(
    FOLDER / "checkpoints",
    lambda folder: write_model(folder, complete(stopped.method.model)),
    step=stopped.step,
    tensors=state_tensors(stopped),
    values={},
    keep=2,
)
checkpoint, _ = newest_checkpoint(FOLDER / "checkpoints")
ours = from_bytes((FOLDER / "ours").read_bytes())
memory = {name: tensor for name, tensor in ours.items() if name.startswith(("optimizer.", "generator."))}
assert len(memory) == 1 + 3 * len(list(model.parameters()))
assert all(torch.equal(tensor, checkpoint.tensors[name]) for name, tensor in memory.items())


def from_checkpoint(state: State) -> None:
    """Put a fresh run where groundup's checkpoint says."""
    state.method.model.load_state_dict(groundup.load(checkpoint.folder).model.state_dict())
    restore(state, checkpoint.tensors)
    state.step = checkpoint.step


def from_our_file(state: State) -> None:
    """Put a fresh run where our file says."""
    put_back(state, ours)


for begin in (from_our_file, from_checkpoint):
    resumed, second_half = run(begin)
    assert first_half + second_half == losses
    assert resumed.gradient_norm == through.gradient_norm
    assert torch.equal(weights_of(resumed), weights_of(through))
    one, other = state_tensors(resumed), state_tensors(through)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
print(f"{STEPS} steps, stopped after {HALF} or not: every loss, every weight, every bit is the same.")

# %% [markdown]
# ## The experiment: what if something is forgotten?
#
# The weights are there in all cases. But one run begins with an empty optimizer; one does so every 20
# steps, like somebody who closes the laptop every evening; one has lost the state of chance; and one has
# shuffled the texts anew. The first three read the same texts as the run that was never stopped, so that
# one can compare their losses step by step.


# %%
def fresh_memory(state: State) -> None:
    """Put everything back but the optimizer's memory."""
    put_back(state, {name: tensor for name, tensor in ours.items() if not name.startswith("optimizer.")})


def other_chance(state: State) -> None:
    """Put everything back but the generator."""
    put_back(state, ours | {"generator.cpu": torch.get_rng_state()})


resumed = {
    "with everything": run(from_our_file),
    "another chance (dropout)": run(other_chance),
    "memory lost once": run(fresh_memory),
    "memory lost every 20 steps": run(fresh_memory, forget=4 if SHORT else 20),
    "another order of texts": run(from_our_file, batches=batches_in_order(seed=9)),
}
colours = dict(zip(resumed, ("#0b6a72", "#8a9a5b", "#e0a070", "#b04a12", "#d8b34a"), strict=True))
figure, panels = plt.subplots(1, 2, figsize=(10.5, 3.8), layout="constrained")
steps, smooth = np.arange(HALF, STEPS), max(1, STEPS // 40)
window = np.ones(smooth) / smooth
panels[0].plot(range(HALF // 2, STEPS), losses[HALF // 2 :], color="#999999", label="never stopped")
for name in ("another order of texts", "with everything"):
    panels[0].plot(steps, resumed[name][1], "--", linewidth=1, color=colours[name], label=name)
panels[0].set_title("Loss in nats per byte", loc="left", fontsize=10)
for name in list(resumed)[:4]:
    more = np.convolve(np.subtract(resumed[name][1], losses[HALF:]), window, "valid")
    panels[1].plot(steps[smooth - 1 :], more, color=colours[name], label=name)
panels[1].set_title("Loss beyond that of the run without a stop, same texts", loc="left", fontsize=10)
for axes in panels:
    axes.axvline(HALF, color="black", linewidth=0.6)
    axes.set_xlabel("steps")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

for name, (state, after) in resumed.items():
    apart = (weights_of(state) - weights_of(through)).norm() / weights_of(through).norm()
    more = np.subtract(after, losses[HALF:])
    early = more[: STEPS // 20]
    print(
        f"{name:27} weights differ by {apart:6.1%}; loss {early.mean():+.3f} "
        f"in the first {len(early)} steps, {more.mean():+.3f} in all"
    )
assert resumed["with everything"][1] == losses[HALF:]
assert all(after != losses[HALF:] for _, after in list(resumed.values())[1:])
if not SHORT:
    lost = {name: np.mean(after) - np.mean(losses[HALF:]) for name, (_, after) in resumed.items()}
    assert lost["memory lost every 20 steps"] > 2 * abs(lost["another chance (dropout)"])

# %% [markdown]
# With an empty memory Adam does not know how large the gradients usually are, nor where they point together.
# Its first steps go by the full rate in *every* weight, by the sign of a single gradient: the loss rises, and
# it takes a while until the damage is mended. Once, that is no great loss; again and again, it is. Who loses
# the state of chance or the order of the texts learns as well as before: the run is only another one. But
# then nobody can check any more whether a strange curve comes from the stop or from a mistake, and a text may
# come twice and another never. **That is why groundup compares bits: "nearly the same" hides mistakes, "the
# same" does not.**
#
# ## Exercises
#
# Replace `...` and run the cell again. The first: **what is in there?** A model may be 20 GB large, but its
# header is short. Tell the names and shapes of the tensors, and read nothing else of the file.


# %%
def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each tensor in a safetensors file."""
    ...


# %%
def check_shapes_in(yours) -> str:
    headless = FOLDER / "header only"  # with the tensors cut off, the header can still be read
    for name, path in (("our file", FOLDER / "ours"), ("groundup's", FOLDER / "model/model.safetensors")):
        whole = path.read_bytes()
        headless.write_bytes(whole[: 8 + int.from_bytes(whole[:8], "little")])
        own = {key: tuple(tensor.shape) for key, tensor in from_bytes(whole).items()}
        try:
            got = yours(headless)
        except ValueError as error:
            return f"shapes_in: not yet. For {name}, without its numbers, yours failed: {error}"
        if got != own:
            return f"shapes_in: not yet. In {name} there are {len(own)} tensors, such as {min(own.items())}."
    numbers = sum(map(math.prod, got.values()))
    return f"shapes_in: right! The model has {len(got)} tensors with {numbers:,} numbers."


print(check_shapes_in(shapes_in))

# %% [markdown]
# The second: **which checkpoints stay?** Each takes room, so only the newest few are kept. And besides them
# the best: the one with the lowest validation loss, if any was measured; of two equal ones the earlier. A
# loss may be NaN, if something went wrong: that one is not the best. groundup tidies up a real folder, and
# you say beforehand what will be left.


# %%
def staying(steps: list[int], losses: dict[int, float], newest: int) -> set[int]:
    """The steps whose checkpoints stay. losses: the validation loss by step; not all steps have one."""
    ...


# %%
def check_staying(yours) -> str:
    cases = [
        ([100, 200, 300, 400], {100: 2.0, 200: 1.5, 300: 1.7, 400: 1.8}, 2),
        ([100, 200, 300, 400], {100: 2.0, 300: 1.7}, 1),
        ([100, 200, 300], {}, 1),
        ([50, 100, 1000], {50: math.nan, 100: 1.0, 1000: 1.0}, 1),
        ([100, 200], {100: 1.0, 50: 0.5}, 5),
        ([100, 200, 300], {50: 0.5, 100: 1.0, 200: 1.5}, 1),
    ]
    for steps, measured, newest in cases:
        folder = Path(tempfile.mkdtemp(dir=FOLDER))
        for step in steps:
            (folder / f"step-{step:06d}").mkdir()
        keep_checkpoints(folder, newest, measured)
        own = {int(path.name.removeprefix("step-")) for path in folder.glob("step-*")}
        got = yours(list(steps), dict(measured), newest)
        if got != own:
            return f"staying: not yet. Of {steps} with {measured} and newest = {newest}, {sorted(own)} stay."
    return "staying: right! groundup leaves the same ones."


print(check_staying(staying))

# %% [markdown]
# The third: **an order that needs no saving.** Which texts does a step read? Your answer may depend on
# nothing but its arguments. Steps go on from where the one before ended, also in the middle of a step that
# crosses into the next *epoch* (once through all texts). In each epoch every text comes exactly once, in a
# new order. It will be put into groundup's loop, which is then stopped and resumed.


# %%
def texts_of(step: int, size: int, per_step: int, seed: int) -> list[int]:
    """The numbers, from 0 to size - 1, of the texts that step number `step` (from 0) reads."""
    ...


# %%
def check_texts_of(yours) -> str:
    size, per_step = 10, 4
    if not isinstance(yours(0, size, per_step, 1), list):
        return "texts_of: not yet. It must give a list."
    row = [number for step in range(15) for number in yours(step, size, per_step, 1)]
    epochs = [row[i : i + size] for i in range(0, len(row), size)]
    if len(row) != 15 * per_step or any(sorted(epoch) != list(range(size)) for epoch in epochs):
        return f"texts_of: not yet. These should be whole epochs of {size} texts: {epochs[:3]} ..."
    if len({tuple(epoch) for epoch in epochs}) < 4:
        return "texts_of: not yet. Each epoch should have an order of its own."
    if yours(3, size, per_step, 1) != row[12:16] or yours(0, size, per_step, 1) == yours(
        0, size, per_step, 2
    ):
        return "texts_of: not yet. It may depend on its arguments only, and must depend on the seed."

    class Yours:
        def at(self, step: int) -> list[dict[str, Tensor]]:
            samples = [windows[number] for number in yours(step, len(windows), 8, 1)]
            inputs, targets = map(torch.stack, zip(*samples, strict=True))
            return [{"ids": inputs, "targets": targets}]

    straight, losses = run(until=6, batches=Yours())
    halted, before = run(until=3, batches=Yours())
    kept = snapshot(halted)
    went_on, after = run(lambda state: put_back(state, kept), until=6, batches=Yours())
    if before + after != losses or not torch.equal(weights_of(straight), weights_of(went_on)):
        return "texts_of: not yet. After a stop, groundup's loop has read other texts."
    return "texts_of: right! Stopped and resumed, the weights are the same to the last bit."


print(check_texts_of(texts_of))
