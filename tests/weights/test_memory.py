"""AdamW's memory in other people's checkpoints: training goes on here as it would have gone on there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.testing import assert_close

from groundup.errors import UserError
from groundup.methods.next_token import NextToken
from groundup.model.decoder import Decoder
from groundup.runs.continuing import take_over_memory
from groundup.runs.importing import import_model
from groundup.runs.pretrain import make_batches, make_ready, pretrain
from groundup.runs.recipe import make_recipe
from groundup.text.tokenizer import Tokenizer
from groundup.training.loop import State
from groundup.training.optimizer import make_optimizer
from groundup.training.settings import TrainSettings
from groundup.weights.folder import load
from groundup.weights.foreign import load_foreign, load_with_memory
from groundup.weights.memory import MEMORY, go_on_with, read_memory
from tests.runs.conftest import TINY, quiet_view, said
from tests.weights.strangers import FromScratch, NanoGPT, shaken

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 12, "vocab_size": 264, "dropout": 0.0}
RATE, BETAS, DECAY = 1e-3, (0.9, 0.95), 0.1
SETTINGS: dict[str, Any] = {
    "learning_rate": RATE,
    "beta1": BETAS[0],
    "beta2": BETAS[1],
    "weight_decay": DECAY,
    "schedule": "constant",
    "warmup_steps": 0,
    "clip_norm": 1e9,
}
Change = Callable[[dict[str, Any]], object]


def step(model: nn.Module, optimizer: Any, number: int) -> None:
    ids = torch.randint(264, (3, 13), generator=torch.Generator().manual_seed(number))
    logits = model(ids[:, :-1])
    nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    optimizer.step()
    optimizer.zero_grad()


def as_nanogpt(model: nn.Module) -> torch.optim.AdamW:
    """Matrices decay and come first; vectors do not."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=BETAS)


def as_tutorials(model: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), lr=RATE, betas=BETAS, weight_decay=DECAY)


def nanogpt(path: Path, change: Change | None = None, *, bias: bool = True) -> tuple[nn.Module, Any]:
    """A checkpoint of nanoGPT after five steps, and what wrote it."""
    model = shaken(NanoGPT(264, 12, 16, 2, 2, bias))
    optimizer = as_nanogpt(model)
    for number in range(5):
        step(model, optimizer, number)
    tensors = {f"_orig_mod.{name}": tensor for name, tensor in model.state_dict().items()}
    saved = {"model": tensors, "optimizer": optimizer.state_dict(), "model_args": {**SIZES, "bias": bias}}
    saved |= {"iter_num": 5, "best_val_loss": torch.tensor(2.5)}
    if change:
        change(saved)
    torch.save(saved, path)
    return model, optimizer


def book(path: Path) -> tuple[nn.Module, Any]:
    """The same of the book, whose optimizer has all parameters in one group."""
    model = shaken(FromScratch(264, 12, 16, 2, 2, True))
    optimizer = as_tutorials(model)
    for number in range(5):
        step(model, optimizer, number)
    whole = {"model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict()}
    torch.save(whole, path)
    return model, optimizer


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a checkpoint can lie: beside a tokenizer."""
    Tokenizer.from_bytes().save(tmp_path)
    return tmp_path / "ckpt.pt"


def weights(path: Path, model: nn.Module) -> dict[str, Tensor]:
    """Parameters under our names, of their model as importing its state dict gives them."""
    torch.save(model.state_dict(), path.with_name("now.pt"))
    return dict(load_foreign(path.with_name("now.pt"), n_heads=2).model.named_parameters())


def agree(ours: Decoder, theirs: dict[str, Tensor], *, atol: float) -> None:
    for name, tensor in ours.named_parameters():
        # A bias of the keys changes no score, so its gradient is noise, which AdamW makes as large as any.
        if "key.bias" not in name:
            assert_close(tensor, theirs[name], atol=atol, rtol=0, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("written", [nanogpt, book])
def test_training_goes_on_as_it_would_have_gone_on_there(place: Path, written: Any):
    theirs, their_optimizer = written(place)
    loaded, memory = load_with_memory(place, n_heads=2)
    optimizer = as_tutorials(loaded.model)
    if written is nanogpt:
        (optimizer,) = make_optimizer(loaded.model, TrainSettings(**TINY["train"] | SETTINGS)).parts
    assert go_on_with(memory, optimizer, loaded.model) == 5
    for number in range(5, 10):
        step(theirs, their_optimizer, number)
        step(loaded.model, optimizer, number)
    # Without the memory the weights are off by some 0.002: each step is RATE = 0.001 long.
    agree(loaded.model, weights(place, theirs), atol=3e-6)


def test_a_run_from_an_imported_checkpoint_takes_the_steps_that_nanogpt_would_have_taken(place: Path):
    theirs, their_optimizer = nanogpt(place)
    base = place.with_name("base")
    view = quiet_view()
    import_model(str(place), base, view)
    assert "what AdamW remembers after 5 steps (lr 0.001, betas (0.9, 0.95), eps 1e-08, weight_decay" in said(
        view
    )
    assert "0.1 and 0.0 there)" in said(view)
    sizes = {"steps": 3, "tokens_per_step": 96, "sequence_length": 12, "micro_batch": 8}
    table: dict[str, Any] = {
        **TINY,
        "model": {"from": str(base)},
        "train": {**TINY["train"], **SETTINGS, **sizes, "optimizer": "adamw"},
        "evaluate": {"tasks": []},
        "sample": {"prompts": []},
    }
    del table["tokenizer"]
    recipe, view = make_recipe(table), quiet_view()
    run = pretrain(recipe, place.with_name("run"), view, device="cpu")
    assert f"what AdamW remembers of the 5 steps that {base} has behind it" in said(view)
    ready = make_ready(recipe, torch.device("cpu"), quiet_view())
    for number in range(3):
        (batch,) = make_batches(recipe, ready.prepared).at(number)
        logits = theirs(batch["ids"]).flatten(0, 1)
        nn.functional.cross_entropy(logits, batch["targets"].flatten()).backward()
        their_optimizer.step()
        their_optimizer.zero_grad()
    agree(load(run.model).model, weights(place, theirs), atol=3e-6)
    assert not (run.model / MEMORY).exists()
    table["train"] |= {"optimizer": "muon"}
    recipe, view = make_recipe(table), quiet_view()
    state = State.fresh(NextToken(ready.loaded.model), recipe.train)
    take_over_memory(state, ready.loaded.model, recipe, view.say)
    assert "this run learns by muon, and does without" in said(view)
    assert not state.optimizer.memory()


def test_a_memory_survives_another_import_and_lacks_what_the_file_lacked(place: Path):
    nanogpt(place, bias=False)
    import_model(str(place), place.with_name("first"), quiet_view())
    import_model(str(place.with_name("first")), place.with_name("second"), quiet_view(), verify=True)
    first, second = (load_file(place.with_name(name) / MEMORY) for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    # Its own nine matrices, norms without biases, and queries, keys and values apart; no bias at all.
    kept = {name.removeprefix("exp_avg.") for name in first if name.startswith("exp_avg.")}
    model = load(place.with_name("first")).model
    assert kept == {name for name, _ in model.named_parameters() if not name.endswith("bias")}
    memory = read_memory(place.with_name("first"))
    assert memory is not None
    optimizer = as_tutorials(model)
    assert go_on_with(memory, optimizer, model) == 5
    step(model, optimizer, 5)  # biases begin without a memory
    steps = {int(entry["step"]) for entry in optimizer.state.values()}
    assert steps == {1, 6}


def without_step(saved: dict[str, Any]) -> None:
    saved["optimizer"]["state"] = {}


def one_group_in_another_order(saved: dict[str, Any]) -> None:
    groups = saved["optimizer"]["param_groups"]
    groups[0]["params"] += groups[1]["params"]
    del groups[1]


def fewer(saved: dict[str, Any]) -> None:
    saved["optimizer"]["param_groups"][1]["params"].pop()


def of_sgd(saved: dict[str, Any]) -> None:
    state = saved["optimizer"]["state"]
    saved["optimizer"]["state"] = {i: {"momentum_buffer": entry["exp_avg"]} for i, entry in state.items()}


def uneven(saved: dict[str, Any]) -> None:
    saved["optimizer"]["state"][3]["step"] += 1


def without_one(saved: dict[str, Any]) -> None:
    del saved["optimizer"]["state"][3]


def of_another_form(saved: dict[str, Any]) -> None:
    saved["optimizer"] = ["moments"]


def put(where: str, name: str, value: object) -> Change:
    return lambda saved: saved["optimizer"][where][0].update({name: value})


@pytest.mark.parametrize(
    "change, told",
    [
        (without_step, "it has made no step"),
        (one_group_in_another_order, "its 28 parameters in 1 group do not have the shapes of the model's 28"),
        (fewer, "its 27 parameters in 2 groups do not have the shapes of the model's 28 in any usual order"),
        (of_sgd, "it keeps momentum_buffer, so it is no plain AdamW's"),
        (uneven, "its parameters have not all made the same steps"),
        (without_one, "its parameters have not all made the same steps"),
        (of_another_form, "it is not in PyTorch's form"),
        (put("state", "step", "five"), "it is not in PyTorch's form"),
        (put("state", "step", torch.zeros(3)), "it is not in PyTorch's form"),
        (put("state", "exp_avg", 3), "its 28 parameters in 2 groups do not have the shapes"),
        (
            put("state", "max_exp_avg_sq", torch.zeros(3)),
            "it keeps exp_avg, exp_avg_sq, max_exp_avg_sq, step",
        ),
        (put("param_groups", "params", None), "it is not in PyTorch's form"),
    ],
)
def test_what_does_not_fit_is_left_out_with_its_reason_and_the_weights_are_imported(
    place: Path, change: Change, told: str
):
    theirs, _ = nanogpt(place, change)
    view = quiet_view()
    loaded = import_model(str(place), place.with_name("base"), view)
    line = f"Left out: optimizer, because {told}"
    assert line in said(view).replace("\n", " ") and line in loaded.card
    assert not (place.with_name("base") / MEMORY).exists()
    agree(load(place.with_name("base")).model, weights(place, theirs), atol=0)


def test_a_memory_of_another_model_is_refused_in_one_line(place: Path):
    nanogpt(place)
    import_model(str(place), place.with_name("base"), quiet_view())
    file = place.with_name("base") / MEMORY
    whole, model = load_file(file), load(place.with_name("base")).model
    wrong = {
        "final_norm.bias": whole | {"exp_avg.final_norm.bias": torch.zeros(3)},
        "tokens.weight": {name: t for name, t in whole.items() if name != "exp_avg_sq.tokens.weight"},
        "strange": whole | {"exp_avg.strange": torch.zeros(3)},
    }
    for name, tensors in wrong.items():
        save_file(tensors, file)
        memory = read_memory(file.parent)
        assert memory is not None
        with pytest.raises(UserError, match=f"is of another model .* as its {name} shows. Delete it"):
            go_on_with(memory, as_tutorials(model), model)
