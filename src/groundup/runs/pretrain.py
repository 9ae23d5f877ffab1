"""Pre-training, whole: prepare the data, make or continue the model, train, evaluate, report."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

import groundup.report
from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.windows import TokenWindows
from groundup.doctor import Patient, examine
from groundup.errors import UserError
from groundup.evaluation.texts import Texts
from groundup.generation.engine import prompt_ids
from groundup.methods.next_token import NextToken
from groundup.model.decoder import Decoder
from groundup.runs.compiled import compile_run, note_compiled, refuse_impossible
from groundup.runs.continuing import (
    clear,
    find_checkpoint,
    refuse_changed_data,
    refuse_foreign_folder,
    refuse_other_run,
    take_over_memory,
    tell_what_differs,
)
from groundup.runs.estimate import Estimate, tell_estimate
from groundup.runs.evaluate import evaluate_run
from groundup.runs.folder import RunFolder
from groundup.runs.mishaps import told
from groundup.runs.observers import Checkpoints, Figures, LiveSample, Page, Samples, Validation
from groundup.runs.prepare import Prepared, prepare
from groundup.runs.recipe import Recipe, check_context, make_recipe, model_config
from groundup.runs.stopping import stopping
from groundup.settings import read_toml
from groundup.system.device import describe, peak_memory_mb, pick_device
from groundup.system.files import check_writable, write_text
from groundup.system.progress import View
from groundup.tasks import TASKS
from groundup.tasks._task import refuse_unfit
from groundup.training.loop import State, train
from groundup.training.precision import pick_precision, use_fast_float32
from groundup.training.snapshot import restore
from groundup.weights.checkpoints import Checkpoint
from groundup.weights.folder import Loaded, load, need_decoder, save
from groundup.weights.tensors import read_tensors
from groundup.zoo import family_for


@dataclass(frozen=True)
class Ready:
    """All that a run needs, put together and checked before anything of an earlier run is thrown away."""

    prepared: Prepared
    loaded: Loaded
    batches: Batches
    validation: Texts  # scored again and again while training
    evaluation: Texts  # what the tasks read


def pretrain(
    recipe: Recipe, path: Path, view: View, *, device: str | None = None, restart: bool = False
) -> RunFolder:
    """Train a model as the recipe says, into the run's folder; an unfinished run of it goes on.

    UserError if the folder holds a finished run or one of another recipe, unless `restart` is set, and always
    if what it holds is no run.
    """
    where = pick_device(device)
    use_fast_float32(where)
    folder = RunFolder(path)
    check_writable(folder.path)
    refuse_foreign_folder(folder)
    recipe = with_precision(recipe, where, None if restart else folder)
    refuse_impossible(recipe.train, where)
    if not restart:
        refuse_other_run(folder, recipe)
    if recipe.train.warmup_steps >= recipe.train.steps:
        view.say(
            f"Warning: train.warmup_steps = {recipe.train.warmup_steps} is not below train.steps = "
            f"{recipe.train.steps}, so the learning rate ends before it has reached its height."
        )
    ready = make_ready(recipe, where, view, known_as=None if restart else folder.data_known_as)
    loaded, tasks = ready.loaded, recipe.evaluate.tasks
    with folder.alone():
        if restart:
            clear(folder)
        refuse_changed_data(folder, ready.prepared)
        checkpoint = find_checkpoint(folder, recipe, view)
        if checkpoint is not None:
            tell_what_differs(folder, recipe, where, view)
            table, tied = family_for(loaded.config).table, loaded.config.tie_embeddings
            table.pull(loaded.model, read_tensors(checkpoint.folder), tied=tied)
        _begin(folder, recipe, ready, where)
        estimate = tell_estimate(recipe, loaded.config, where, view, checkpoint.step if checkpoint else 0)
        if checkpoint is None and "start" in recipe.evaluate.when:
            evaluate_run(folder, loaded, tasks, ready.evaluation, view, step=0)
        try:
            state = _train(folder, recipe, ready, checkpoint, estimate, view)
        except BaseException:
            # Whatever ended it, it no longer runs. If even this cannot be written, the first reason counts.
            with contextlib.suppress(UserError, OSError):
                folder.update_facts(status="interrupted")
            raise
        if state.step < recipe.train.steps:
            folder.update_facts(status="interrupted")
            groundup.report.write(folder.path)
            view.say(
                f"Stopped after step {state.step}; everything is saved. The same command goes on from there."
            )
            return folder
        save(folder.model, with_card(recipe, ready, state))
        if "end" in recipe.evaluate.when:
            evaluate_run(folder, loaded, tasks, ready.evaluation, view, step=state.step)
        folder.update_facts(status="finished")
        groundup.report.write(folder.path)
    return folder


def with_precision(recipe: Recipe, device: torch.device, folder: RunFolder | None) -> Recipe:
    """The recipe with "auto" resolved; a run that is continued keeps what it began with."""
    precision = recipe.train.precision
    if precision == "auto" and folder is not None and folder.recipe.is_file():
        precision = make_recipe(read_toml(folder.recipe)).train.precision
    return replace(recipe, train=replace(recipe.train, precision=pick_precision(precision, device)))


def make_model(recipe: Recipe, prepared: Prepared, device: torch.device) -> Loaded:
    """A new model from the recipe's seed, or the one it starts `from`."""
    if "from" in recipe.model:
        base = load(recipe.model["from"])
        need_decoder(base)
        model, config = base.model, base.config
        check_context(config, recipe.train.sequence_length)
    else:
        config = model_config(recipe, prepared.tokenizer.vocab_size)
        model = Decoder(config)
        model.initialise(torch.Generator().manual_seed(recipe.seed))
    return Loaded(model.to(device), prepared.tokenizer, config)


def make_batches(recipe: Recipe, prepared: Prepared) -> Batches:
    """The samples of every step, as the recipe's seed orders them."""
    windows = TokenWindows(prepared.train.tokens, recipe.train.sequence_length)
    micro_batch = min(recipe.train.micro_batch, recipe.train.samples_per_step)
    order = Order(len(windows), recipe.seed)
    return Batches(windows, order, samples_per_step=recipe.train.samples_per_step, micro_batch=micro_batch)


def make_ready(recipe: Recipe, device: torch.device, view: View, *, known_as: str | None = None) -> Ready:
    """Prepare the data, the model and the texts of a run. UserError for what does not fit together."""
    prepared = prepare(recipe, view, known_as=known_as)
    loaded = make_model(recipe, prepared, device)
    for prompt in recipe.sample.prompts:
        prompt_ids(loaded, prompt)  # UserError if it is too long
    part = f"the validation part of {prepared.source.name}"
    validation, evaluation = (
        Texts.from_shard(prepared.validation, prepared.tokenizer, tokens, source=part)
        for tokens in (recipe.validate.tokens, recipe.evaluate.tokens)
    )
    refuse_unfit(map(TASKS.get, recipe.evaluate.tasks), prepared.tokenizer, evaluation)
    return Ready(prepared, loaded, make_batches(recipe, prepared), validation, evaluation)


def with_card(recipe: Recipe, ready: Ready, state: State) -> Loaded:
    """The model with its card: where it comes from, in words."""
    loaded, data, base = ready.loaded, ready.prepared.facts(), recipe.model.get("from")
    start = "from scratch" if base is None else f"from {Path(base).name}"
    card = (
        f"---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n# {recipe.name}\n\n"
        f"{loaded.model.n_parameters():,} parameters, trained {start} with groundup for "
        f"{state.step:,} steps on {state.tokens:,} tokens of "
        f"{Path(data['source']).name} ({data['bytes']:,} bytes).\n"
    )
    return Loaded(loaded.model, loaded.tokenizer, loaded.config, card)


def _begin(folder: RunFolder, recipe: Recipe, ready: Ready, device: torch.device) -> None:
    """Write down what is about to run."""
    loaded, texts = ready.loaded, ready.validation
    floor = None if texts.floor_bits is None else float(texts.floor_bits.sum() / texts.n_bytes.sum())
    write_text(folder.recipe, recipe.to_toml())
    before = folder.read_facts()
    folder.update_facts(
        name=recipe.name,
        groundup=groundup.__version__,
        status="running",
        **describe(device),
        dtype=recipe.train.precision,
        parameters=loaded.model.n_parameters(),
        parameters_without_embeddings=loaded.model.n_parameters(embeddings=False),
        family=family_for(loaded.config).name,
        steps=recipe.train.steps,
        tokens_per_step=recipe.train.tokens_per_step,
        floor_bits_per_byte=floor,
        data=ready.prepared.facts(),
        started=before.get("started") or datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=before.get("seconds", 0.0),
        peak_memory_mb=peak_memory_mb(),
    )


def _train(
    folder: RunFolder,
    recipe: Recipe,
    ready: Ready,
    checkpoint: Checkpoint | None,
    estimate: Estimate,
    view: View,
) -> State:
    """The training itself, from the checkpoint or from the start, with all who watch it."""
    loaded, batches, texts = ready.loaded, ready.batches, ready.validation
    method = NextToken(loaded.model)
    operations = float(estimate.flops_per_token * estimate.tokens)
    note_compiled(folder, compile_run(method, batches.at(0)[0], recipe.train, operations, view), view)
    state = State.fresh(method, recipe.train)
    torch.manual_seed(recipe.seed)  # dropout
    if checkpoint is not None:
        restore(state, checkpoint.tensors)
        state.step, state.tokens = checkpoint.step, checkpoint.values["tokens"]
        view.say(f"Going on from step {state.step} of {recipe.train.steps}.")
    else:
        folder.cut_back(-1)
        take_over_memory(state, loaded.model, recipe, view)
    floor = None
    if texts.floor_bits is not None:
        floor = float(texts.floor_bits.sum() * math.log(2) / sum(len(ids) - 1 for ids in texts.ids))
    mishaps = told(folder, recipe, batches, state)
    with mishaps, view.training(recipe.train.steps, state.step, floor) as training_view:
        before, page = folder.read_facts()["seconds"], Page(folder)
        figures = Figures(folder, training_view, estimate, before)

        def keep_up(state: State) -> None:
            folder.update_facts(seconds=round(figures.seconds, 1), peak_memory_mb=peak_memory_mb())
            page.write()

        watching: list[Callable[[State], None]] = [
            Validation(folder, loaded, texts, recipe, training_view),
            Samples(folder, loaded, recipe, training_view, ready.prepared.source.check),
        ]
        if checkpoint is None:
            first = {name: tensor.to(loaded.device) for name, tensor in batches.at(0)[0].items()}
            is_new = "from" not in recipe.model
            for finding in examine(Patient(loaded.model, first["ids"], first["targets"], is_new)):
                if not finding.ok:
                    training_view.note(f"Warning ({finding.check}): {finding.message}")
            for observe in watching:
                observe(state)
        live = LiveSample(loaded, recipe, training_view)
        with stopping(state, training_view.note):
            saving = Checkpoints(folder, loaded, recipe, keep_up)
            figures.step_begins(state)
            observers = (figures, *watching, live, saving, figures.step_begins)
            return train(method, batches, recipe.train, state=state, observers=observers)
