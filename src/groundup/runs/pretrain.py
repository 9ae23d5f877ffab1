"""Pre-training, whole: prepare the data, make or continue the model, train, evaluate."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.data.windows import TokenWindows
from groundup.doctor import Patient, examine
from groundup.evaluation.texts import Texts
from groundup.generation.engine import prompt_ids
from groundup.methods.next_token import NextToken
from groundup.model.decoder import Decoder
from groundup.runs.compiled import refuse_impossible
from groundup.runs.continuing import refuse_foreign_folder, refuse_other_run, take_over_memory
from groundup.runs.estimate import tell_estimate
from groundup.runs.evaluate import evaluate_run
from groundup.runs.folder import RunFolder
from groundup.runs.observers import LiveSample, Samples, Validation
from groundup.runs.prepare import Prepared, prepare
from groundup.runs.recipe import Recipe, check_context, make_recipe, model_config
from groundup.runs.session import Job, run_job
from groundup.settings import read_toml
from groundup.system.device import pick_device
from groundup.system.files import check_writable
from groundup.system.progress import TrainingView, View
from groundup.tasks import TASKS
from groundup.tasks._task import refuse_unfit
from groundup.training.loop import Observer, State
from groundup.training.precision import pick_precision, use_fast_float32
from groundup.weights.checkpoints import Checkpoint
from groundup.weights.folder import Loaded, load, need_decoder, save, write_model
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


class Pretraining(Job):
    """Learning to name the next token, on tokens that are cut into windows."""

    def __init__(self, recipe: Recipe, ready: Ready, device: torch.device):
        self.recipe: Recipe = recipe
        self.ready, self.loaded, self.device = ready, ready.loaded, device
        self.method, self.batches = NextToken(self.loaded.model), ready.batches
        texts = ready.validation
        if texts.floor_bits is not None:
            self.floor = float(texts.floor_bits.sum() * math.log(2) / sum(len(ids) - 1 for ids in texts.ids))

    def facts(self) -> dict[str, Any]:
        loaded, texts = self.loaded, self.ready.validation
        floor = None if texts.floor_bits is None else float(texts.floor_bits.sum() / texts.n_bytes.sum())
        return {
            "parameters": loaded.model.n_parameters(),
            "parameters_without_embeddings": loaded.model.n_parameters(embeddings=False),
            "family": family_for(loaded.config).name,
            "floor_bits_per_byte": floor,
            "data": self.ready.prepared.facts(),
        }

    def tell(self, view: View, step: int) -> None:
        self.estimate = tell_estimate(self.recipe, self.loaded.config, self.device, view, step)
        self.operations = float(self.estimate.flops_per_token * self.estimate.tokens)

    def mfu(self, tokens_per_second: float) -> float:
        return self.estimate.mfu(tokens_per_second)

    def take_back(self, checkpoint: Checkpoint) -> None:
        table, tied = family_for(self.loaded.config).table, self.loaded.config.tie_embeddings
        table.pull(self.loaded.model, read_tensors(checkpoint.folder), tied=tied)

    def begin(self, state: State, view: TrainingView) -> None:
        take_over_memory(state, self.loaded.model, self.recipe, view.note)
        first = {name: tensor.to(self.loaded.device) for name, tensor in self.batches.at(0)[0].items()}
        is_new = "from" not in self.recipe.model
        for finding in examine(Patient(self.loaded.model, first["ids"], first["targets"], is_new)):
            if not finding.ok:
                view.note(f"Warning ({finding.check}): {finding.message}")

    def watchers(self, folder: RunFolder, view: TrainingView) -> Sequence[Observer]:
        recipe, ready = self.recipe, self.ready
        return (
            Validation(folder, self.loaded, ready.validation, recipe, view),
            Samples(folder, self.loaded, recipe, view, ready.prepared.source.check),
        )

    def live(self, view: TrainingView) -> Sequence[Observer]:
        return (LiveSample(self.loaded, self.recipe, view),)

    def score(self, folder: RunFolder, view: View, step: int) -> None:
        wanted = self.recipe.evaluate
        if ("end" if step else "start") in wanted.when:
            evaluate_run(folder, self.loaded, wanted.tasks, self.ready.evaluation, view, step=step)

    def write(self, part: Path) -> None:
        write_model(part, self.loaded)

    def finish(self, folder: RunFolder, state: State) -> None:
        save(folder.model, with_card(self.recipe, self.ready, state))


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
    run_job(Pretraining(recipe, ready, where), folder, view, where, restart=restart)
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
