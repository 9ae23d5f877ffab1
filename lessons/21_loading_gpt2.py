# %% [markdown]
# # 21. Loading GPT-2
#
# In 2019 OpenAI put GPT-2 on the internet: seven files for each size. Its code was written with another
# library, its parts have other names, and its matrices lie on their side. **What is in the file of a trained
# model, and how do its numbers find their places?**
#
# You will write a model in OpenAI's form, read it again with a loader of your own, and prove that it thinks
# what groundup's thinks, logit by logit. Then we make the mistakes that everybody makes here once. Most of
# them raise no error at all.

# %%
import atexit
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import groundup
from groundup import village
from groundup.data.writing import encode
from groundup.methods.next_token import NextToken
from groundup.system.download import downloads_folder
from groundup.training.settings import TrainSettings
from groundup.weights.bundle import Bundle
from groundup.weights.crc32c import crc32c, masked
from groundup.zoo.gpt2 import FAMILY

SHORT = os.environ.get("GROUNDUP_LESSON") == "short"  # groundup's tests run the lesson in a few seconds
FOLDER = Path(tempfile.mkdtemp())  # all files of this lesson; it goes when Python ends
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

# %% [markdown]
# ## The smallest example, by hand
#
# A layer with 2 numbers in and 3 numbers out has 6 weights. In a file they are a row: `1 2 3 4 5 6`. Which
# of them meets which input? That is agreed on, not written. OpenAI agreed on **(in, out)**: the first three
# belong to the first input.
#
# $$(1, 2) \begin{pmatrix} 1 & 2 & 3 \\ 4 & 5 & 6 \end{pmatrix} = (1 + 8,\; 2 + 10,\; 3 + 12) = (9, 12, 15)$$
#
# PyTorch's `nn.Linear` agreed on **(out, in)**, so it wants the *transpose*: rows become columns. Whoever
# forgets it for 2 × 3 numbers gets an error, because the shapes do not fit. But GPT-2 has square matrices,
# too, and a square fits either way. With `1 2 3 4` and the input (1, 1), (in, out) gives (1 + 3, 2 + 4) =
# (4, 6) and (out, in) gives (1 + 2, 3 + 4) = (3, 7). Nobody complains.

# %%
kernel = torch.arange(1.0, 7).view(2, 3)  # (in, out), as OpenAI keeps it
layer = nn.Linear(2, 3, bias=False)
with torch.no_grad():
    layer.weight.copy_(kernel.T)  # (out, in), as PyTorch wants it
assert layer(torch.tensor([1.0, 2.0])).tolist() == [9, 12, 15]
square = torch.arange(1.0, 5).view(2, 2)
assert F.linear(torch.ones(2), square.T).tolist() == [4, 6]  # right
assert F.linear(torch.ones(2), square).tolist() == [3, 7]  # wrong, and no error

# %% [markdown]
# ## A model to be loaded
#
# The real GPT-2 has half a gigabyte. So we first train one of its kind that is small: learned positions,
# LayerNorm, GELU, biases, and one matrix at both ends. It learns the first sentences of the village, as in
# lesson 19. Letters in the comments: B texts, T places, D width, V vocabulary.


# %%
def first_sentences(start: int, count: int) -> list[str]:
    """The first sentence of so many documents of the village."""
    texts = village.documents(seed=1, start=start, count=count)
    return [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in texts]


def make_model() -> groundup.Loaded:
    """Train a small GPT-2."""
    sentences = first_sentences(0, 1000 if SHORT else 6000)
    tokenizer = groundup.train_bpe(sentences[:1000], vocab_size=512)
    windows = groundup.TokenWindows(encode(sentences, tokenizer).tokens, 64)
    batches = groundup.Batches(windows, groundup.Order(len(windows), 1), samples_per_step=8, micro_batch=8)
    torch.manual_seed(1)
    sizes = {"vocab_size": 512, "context_length": 64, "d_model": 64, "n_layers": 3, "n_heads": 4}
    model = groundup.Decoder(groundup.ModelConfig(**sizes))
    settings = TrainSettings(
        steps=80 if SHORT else 1200,
        tokens_per_step=512,
        sequence_length=64,
        micro_batch=8,
        optimizer="muon",
        learning_rate=1e-2,
        matrix_learning_rate=0.02,
        schedule="wsd",
        precision="float32",
    )
    groundup.train(NextToken(model), batches, settings)
    return groundup.Loaded(model.eval(), tokenizer, model.config)


trained = make_model()
unseen = encode(first_sentences(10**6, 60 if SHORT else 300), trained.tokenizer).tokens
exam = groundup.TokenWindows(unseen, 64)
ids, targets = (torch.stack(part) for part in zip(*(exam[i] for i in range(len(exam))), strict=True))


def loss_of(model: nn.Module) -> Tensor:
    """The loss on unseen text, in nats per token."""
    return F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())


print(f"{trained.model.n_parameters():,} numbers, loss {loss_of(trained.model):.3f}")

# %% [markdown]
# ## The seven files
#
# | file | what it is |
# |---|---|
# | `hparams.json` | five sizes: vocabulary, places, width, heads, layers |
# | `encoder.json`, `vocab.bpe` | the tokenizer: the number of each token, and the merges (lesson 3) |
# | `model.ckpt.data-00000-of-00001` | all numbers, one after the other: 4 bytes each |
# | `model.ckpt.index` | for each tensor its name, its shape, where its bytes begin, and a checksum |
# | `checkpoint`, `model.ckpt.meta` | notes for TensorFlow; nobody else needs them |
#
# So data and index together are what lesson 20 had in one file. The index is written for machines: a number
# takes as few bytes as it needs (7 bits each; the eighth says whether more follow), and "field 3 is 300" is
# the bytes `18 ac 02`: 3 · 8 + 0 for "field 3, a number", then 300 = 44 + 2 · 128. Here is a writer. Its
# details matter less than that one can do it in a page.


# %%
def varint(number: int) -> bytes:
    """A number, seven bits to a byte, the lowest first."""
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, value: int | bytes) -> bytes:
    """One field of an entry: its number and kind, then its value (kind 0), or length and bytes (kind 2)."""
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    return varint(number * 8 + 2) + varint(len(value)) + value


def block(rows: list[tuple[bytes, bytes]]) -> bytes:
    """Keys and values; how much a key shares with the one before it (here never), and a checksum."""
    body = b"".join(varint(0) + varint(len(k)) + varint(len(v)) + k + v for k, v in rows)
    body += b"\0\0\0\0" + b"\1\0\0\0" + b"\0"  # a whole key stands at 0, there is 1 such, not compressed
    return body + masked(crc32c(body)).to_bytes(4, "little")


def index_of(rows: list[tuple[bytes, bytes]]) -> bytes:
    """The file: a block of all rows, an empty one, one that says where the first is, and an end."""
    first, empty = block(rows), block([])
    where = block([(b"\xff", varint(0) + varint(len(first) - 5))])
    end = varint(len(first)) + varint(len(empty) - 5)
    end += varint(len(first) + len(empty)) + varint(len(where) - 5)
    return first + empty + where + end.ljust(40, b"\0") + 0xDB4775248B80FB57.to_bytes(8, "little")


def write_bundle(prefix: Path, tensors: dict[str, Tensor]) -> None:
    """The index and the data."""
    rows, data = [(b"", field(1, 1))], b""  # the nameless row: there is one file of data
    for name in sorted(tensors):
        raw = tensors[name].detach().contiguous().numpy().tobytes()
        shape = b"".join(field(2, field(1, side)) for side in tensors[name].shape)
        entry = field(1, 1) + field(2, shape) + field(4, len(data)) + field(5, len(raw))  # kind 1: float32
        rows.append((name.encode(), entry + bytes([6 * 8 + 5]) + masked(crc32c(raw)).to_bytes(4, "little")))
        data += raw
    prefix.with_name("model.ckpt.index").write_bytes(index_of(rows))
    prefix.with_name("model.ckpt.data-00000-of-00001").write_bytes(data)


assert field(3, 300) == bytes.fromhex("18 ac 02")

# %% [markdown]
# And now the names. OpenAI's are paths: `model/h0/attn/c_attn/w` is the weight of the attention in block 0
# (`w`; `b` is a bias, and `g` the gain of a norm). Three things are special:
#
# - **Query, key and value are one matrix**, `c_attn`: they lie side by side, since one large product is
#   faster than three small ones. So it has the shape (D, 3 · D).
# - **A 1 in front**: (1, D, 3 · D). To OpenAI's code each matrix was a convolution that sees one place.
# - **No unembedding.** GPT-2 reads and writes words with the same matrix, `wte`, and the file has it once.
#
# The library transformers has kept the (in, out) and the fused matrix, but has no 1, and writes
# `transformer.h.0.attn.c_attn.weight`. groundup's table for this family gives us that form.


# %%
def openai_form(model: groundup.Decoder) -> dict[str, Tensor]:
    """The tensors of a GPT-2 under OpenAI's names and in its shapes."""
    tensors = {}
    for name, tensor in FAMILY.table.push(model, tied=True).items():
        path = name.removeprefix("transformer.").split(".")  # h, 0, attn, c_attn, weight
        if path[0] == "h":
            path[:2] = [f"h{path[1]}"]
        leaf = "/b" if path.pop() == "bias" else "/g" if path[-1].startswith("ln_") else "/w"
        leaf = "" if path[0] in ("wte", "wpe") else leaf
        tensors[f"model/{'/'.join(path)}{leaf}"] = tensor[None] if leaf == "/w" else tensor  # (1, in, out)
    return tensors


def write_openai(folder: Path, loaded: groundup.Loaded) -> None:
    """The folder of a GPT-2 as OpenAI publishes it, without the two notes for TensorFlow."""
    config = loaded.config
    sizes = {"n_vocab": config.vocab_size, "n_ctx": config.context_length, "n_embd": config.d_model}
    sizes |= {"n_head": config.n_heads, "n_layer": config.n_layers}
    known = json.loads(loaded.tokenizer.library.to_str())["model"]
    merges = [" ".join(pair) for pair in known["merges"]]
    folder.mkdir(exist_ok=True)
    (folder / "hparams.json").write_text(json.dumps(sizes), "utf-8")
    (folder / "encoder.json").write_text(json.dumps(known["vocab"]), "utf-8")
    (folder / "vocab.bpe").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    write_bundle(folder / "model.ckpt", openai_form(loaded.model))


write_openai(FOLDER / "gpt2", trained)
for name, array in Bundle(FOLDER / "gpt2" / "model.ckpt").items():
    if not name.startswith(("model/h1", "model/h2")):
        print(f"{name:26} {array.shape}")

# %% [markdown]
# ## The part: a loader
#
# groundup's `Bundle`, which read these lines, knows the file: it gives a table of numbers for each name, as
# the index says. What the names *mean* is our task. It takes a table of places and a few lines.

# %%
PLACES = {  # their part: our parts
    "wte": ["tokens"],
    "wpe": ["positions"],
    "ln_1": ["attention_norm"],
    "attn/c_attn": ["attention.query", "attention.key", "attention.value"],
    "attn/c_proj": ["attention.output"],
    "ln_2": ["mlp_norm"],
    "mlp/c_fc": ["mlp.up"],
    "mlp/c_proj": ["mlp.down"],
    "ln_f": ["final_norm"],
}


def read_openai(folder: Path) -> dict[str, Tensor]:
    """The tensors under groundup's names and in its shapes."""
    ours = {}
    for name, array in Bundle(folder / "model.ckpt").items():
        block, part, leaf = re.fullmatch(r"model/(?:h(\d+)/)?(.+?)(?:/([wgb]))?", name).groups()
        tensor = torch.tensor(array)
        if tensor.ndim == 3:
            tensor = tensor[0].T  # (1, in, out) -> (out, in)
        front = f"blocks.{block}." if block else ""
        for module, piece in zip(PLACES[part], tensor.chunk(len(PLACES[part])), strict=True):
            ours[f"{front}{module}.{'bias' if leaf == 'b' else 'weight'}"] = piece
    return {**ours, "unembed.weight": ours["tokens.weight"]}


def build(folder: Path, tensors: dict[str, Tensor], **changes) -> groundup.Decoder:
    """The model with these tensors. Changes: what is to differ from GPT-2."""
    n = json.loads((folder / "hparams.json").read_text("utf-8"))
    sizes = {"vocab_size": n["n_vocab"], "context_length": n["n_ctx"], "d_model": n["n_embd"]}
    sizes |= {"n_heads": n["n_head"], "n_layers": n["n_layer"]}
    model = groundup.Decoder(groundup.ModelConfig(**{**sizes, **changes}))
    model.load_state_dict(tensors)  # it insists that all names are there, none too much, and on the shapes
    return model.eval()


ours = build(FOLDER / "gpt2", read_openai(FOLDER / "gpt2"))
loaded = groundup.load(FOLDER / "gpt2")  # groundup's own loader, and its tokenizer
for one in (trained.model, ours, loaded.model):
    one.zero_grad()
    loss_of(one).backward()
for other in (trained.model, loaded.model):
    assert torch.equal(ours(ids[:8]), other(ids[:8]))
    for mine, theirs in zip(ours.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)
assert all(loaded.tokenizer.encode(text) == trained.tokenizer.encode(text) for text in first_sentences(0, 50))
print("Ours, groundup's and the model that was trained: the same logits and gradients, bit by bit.")

# %% [markdown]
# ## The experiment: mistakes
#
# A matrix that is not square and was not turned is found at once:

# %%
right = read_openai(FOLDER / "gpt2")
try:
    build(FOLDER / "gpt2", {**right, "blocks.0.mlp.up.weight": right["blocks.0.mlp.up.weight"].T})
except RuntimeError as error:
    print(str(error).split("\n\t")[1])

# %% [markdown]
# But `attn/c_proj` is square, D × D. And no shape says in which order query, key and value lie in `c_attn`,
# or which of the formulas named "GELU" was meant (lesson 11: the exact one, or GPT-2's approximation by a
# tanh), or that the reading begins at position 0. For each of these mistakes we load the file once more.


# %%
def edited(change, ending: str) -> dict[str, Tensor]:
    """The tensors, with a change to those whose names end so."""
    return {name: change(t) if name.endswith(ending) else t for name, t in right.items()}


def exchanged(one: str, other: str) -> dict[str, Tensor]:
    """The tensors, with two of query, key and value exchanged in every block."""
    swap = {one: other, other: one}
    return {re.sub(f"{one}|{other}", lambda found: swap[found[0]], name): t for name, t in right.items()}


turned = "attention.output.weight"
tried = {
    "no mistake": build(FOLDER / "gpt2", right),
    "the other GELU": build(FOLDER / "gpt2", right, activation="gelu"),
    "positions begin at 1": build(FOLDER / "gpt2", edited(lambda t: t.roll(-1, 0), "positions.weight")),
    "1 square not turned": build(FOLDER / "gpt2", edited(lambda t: t.T, f"1.{turned}")),
    "q and k exchanged": build(FOLDER / "gpt2", exchanged("query", "key")),
    "no square turned": build(FOLDER / "gpt2", edited(lambda t: t.T, turned)),
    "k and v exchanged": build(FOLDER / "gpt2", exchanged("key", "value")),
}
with torch.no_grad():
    losses = {name: loss_of(model).item() for name, model in tried.items()}
    apart = {name: (model(ids) - trained.model(ids)).abs().max().item() for name, model in tried.items()}
for name in tried:
    print(f"{name:26} loss {losses[name]:7.4f}   largest difference of a logit {apart[name]:.1e}")

# %% [markdown]
# Which of these would a test find? That depends on how closely it looks. Two right calculations of the same
# logits differ a little as well, because floats are rounded: we measure how much, by doing the whole
# calculation once more with twice as many digits. A tolerance belongs just above that noise.

# %%
with torch.no_grad():
    exactly = build(FOLDER / "gpt2", right).double()(ids)
noise = (trained.model(ids).detach() - exactly).abs().max().item()

figure, (left, right_axes) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained", sharey=True)
names, values = list(tried), list(losses.values())
bars = left.barh(names, values, color=["#0b6a72", *["#e0a070"] * (len(names) - 1)])
left.bar_label(bars, [f"{value:.2f}" for value in values], padding=3)
left.set_xlim(0, 1.15 * max(values))
left.invert_yaxis()
left.set_xlabel("loss on unseen text, nats per token")
right_axes.plot([apart[name] for name in names[1:]], names[1:], "o", color="#b04a12")
for place, label in ((noise, "rounding"), (1e-3, "a tolerance of 0.001")):
    right_axes.axvline(place, color="#0b6a72", linestyle=":")
    right_axes.text(place, 0, f" {label}", color="#0b6a72", va="center", fontsize=9)
right_axes.set_xscale("log")
right_axes.set_xlabel("largest difference of a logit")
for axes in (left, right_axes):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

for name, model in tried.items():
    student = groundup.Loaded(model, trained.tokenizer, model.config)
    pieces = groundup.generate(student, "From the", max_tokens=24, temperature=0.0)
    print(f"{name:21} From the{''.join(piece.text for piece in pieces)}".replace("\n", " / "))
if not SHORT:
    assert apart["the other GELU"] > 100 * noise  # a tight tolerance sees it,
    assert abs(losses["the other GELU"] - losses["no mistake"]) < 0.001  # and the loss does not
    assert losses["no square turned"] > losses["1 square not turned"] > losses["no mistake"] + 0.05

# %% [markdown]
# With one square matrix on its side the model still writes: the loss rises from about 0.84 to about 1.02, and
# whoever has never seen the right number thinks that this is simply a weaker model. If none was turned the
# words fall apart (from 0.84 to 4.3). And if values serve as keys, it is worse than guessing evenly (ln 512
# = 6.24), because it is *sure* of what is wrong.
#
# The other GELU is the opposite: the loss is the same to the fourth digit, and so is the text. But a logit
# differs by several hundred times the noise of rounding. "Nobody will ever notice" is not "right": on the
# next model, or in the thousandth token, it may count, and a tolerance of 0.1 would have hidden other
# mistakes beside it. That is why groundup compares each family with another library's model to 1e-5.
#
# ## The real one
#
# `groundup import openai:124M gpt2` in a terminal fetches OpenAI's files (half a gigabyte, once) and keeps
# them. If they are there, our loader reads them now.

# %%
real = downloads_folder() / "gpt2" / "124M"
if not SHORT and (real / "model.ckpt.data-00000-of-00001").is_file():
    gpt2, its_tokenizer = build(real, read_openai(real)), groundup.Tokenizer.from_folder(real)
    asked = torch.tensor([its_tokenizer.encode("Hello, I am")])  # (1, T)
    with torch.no_grad():
        logits = gpt2(asked)
        assert torch.equal(logits, groundup.load(real).model(asked))
    print(
        f"{gpt2.n_parameters():,} numbers. Hello, I am{its_tokenizer.decode([int(logits[0, -1].argmax())])}"
    )
else:
    print("OpenAI's files are not here; the lesson does without.")

# %% [markdown]
# ## Exercises
#
# Replace `...` and run the cell again. The first: **head by head.** Other models, such as GPT-NeoX, also have
# one matrix for query, key and value, of the shape (3 · D, D) in PyTorch's order. But its rows come head by
# head: the query rows of head 1, its key rows, its value rows, then those of head 2, and so on. Put them in
# GPT-2's order: all query rows (of head 1, 2, ...), then all key rows, then all value rows.


# %%
def in_order(fused: Tensor, n_heads: int) -> Tensor:
    """(3 D, D) head by head -> (3 D, D) all queries, all keys, all values."""
    ...


# %%
def check_in_order(yours) -> str:
    names = [f"blocks.0.attention.{part}.weight" for part in ("query", "key", "value")]
    heads = [right[name].unflatten(0, (4, 16)) for name in names]  # (H, K, D) each
    fused = torch.cat([part[head] for head in range(4) for part in heads])  # (3 D, D)
    got = yours(fused.clone(), 4)
    if not isinstance(got, Tensor) or got.shape != fused.shape:
        return f"in_order: not yet. Expected the shape {tuple(fused.shape)}."
    model = build(FOLDER / "gpt2", {**right, **dict(zip(names, got.chunk(3), strict=True))})
    if not torch.equal(model(ids[:8]), trained.model(ids[:8])):
        return f"in_order: not yet. With it the loss is {loss_of(model):.3f}, not {losses['no mistake']:.3f}."
    return "in_order: right! The model is what it was."


print(check_in_order(in_order))

# %% [markdown]
# The second: **the detective.** Somebody forgot to turn *some* of the square matrices, and does not know in
# which blocks. `loss_when_turned({0, 2})` turns those of blocks 0 and 2, and tells the loss. In which blocks
# must they be turned?


# %%
def to_turn(loss_when_turned, n_blocks: int) -> set[int]:
    """The numbers of the blocks whose matrix must be turned."""
    ...


# %%
def check_to_turn(yours) -> str:
    names = [f"blocks.{block}.{turned}" for block in range(3)]
    for wrong in ({0, 2}, {1}, set(), {0, 1, 2}):

        def loss_when_turned(chosen, wrong=wrong) -> float:
            tensors = {names[i]: right[names[i]].T for i in wrong ^ set(chosen)}
            with torch.no_grad():
                return loss_of(build(FOLDER / "gpt2", {**right, **tensors})).item()

        if (got := yours(loss_when_turned, 3)) != wrong:
            return f"to_turn: not yet. It was {sorted(wrong)}, you say {got}."
    return "to_turn: right! Where no shape can tell, the loss can."


print(check_to_turn(to_turn))
