"""Fine-tuning, whole: load the model, choose what of it learns, train by a method, and judge it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from groundup.data.batches import Batches
from groundup.data.order import Order
from groundup.methods import Method
from groundup.model.classifier import Classifier
from groundup.model.lora import add_lora
from groundup.runs.compiled import refuse_impossible
from groundup.runs.continuing import refuse_foreign_folder, refuse_other_run
from groundup.runs.folder import RunFolder
from groundup.runs.observers import LiveSample, Samples, is_due
from groundup.runs.session import Job, run_job
from groundup.runs.tuning_recipe import TuneRecipe, make_tuning
from groundup.runs.tunings import TUNINGS
from groundup.runs.tunings._tuning import Tuning
from groundup.settings import read_toml
from groundup.system.device import pick_device
from groundup.system.files import check_writable, whole_folder, write_json, write_text
from groundup.system.progress import TrainingView, View
from groundup.text.chat import with_template
from groundup.training.learning import Learned, choose, learned
from groundup.training.loop import Observer, State
from groundup.training.precision import autocast, pick_precision, use_fast_float32
from groundup.weights.folder import load
from groundup.zoo import family_for

RESPONSES = "responses.jsonl"


class Finetuning(Job):
    """One method of fine-tuning as a run."""

    keeps_weights = True

    def __init__(self, recipe: TuneRecipe, tuning: Tuning):
        self.tuning = tuning
        self.method = tuning.make_method()
        self.learned = choose_what_learns(recipe, self.method, tuning.what_is_new())
        n_examples, train = len(tuning.samples), recipe.train
        self.recipe: TuneRecipe = replace(recipe, train=train.for_examples(n_examples))
        self.batches = Batches(
            tuning.samples,
            Order(n_examples, recipe.seed),
            samples_per_step=train.examples_per_step,
            micro_batch=min(train.micro_batch, train.examples_per_step),
            stack=tuning.stack,
        )
        self.operations, self.unit = tuning.operations(), tuning.unit

    def facts(self) -> dict[str, Any]:
        loaded, total = self.tuning.loaded, self.learned.total
        body = loaded.model.model if isinstance(loaded.model, Classifier) else loaded.model
        return {
            "method": self.recipe.method["name"],
            "base": self.recipe.base,
            "unit": self.unit,
            "parameters": total.parameters,
            "parameters_that_learn": total.learn,
            "family": family_for(loaded.config, type(body)).name,
            "data": self.tuning.facts(),
        }

    def tell(self, view: View, step: int) -> None:
        for line in self.learned.lines():
            view.say(line)
        train, n_examples = self.recipe.train, len(self.tuning.samples)
        epochs = train.steps * train.examples_per_step / n_examples
        view.say(
            f"{n_examples:,} {self.tuning.samples_are}, {train.examples_per_step} in each of "
            f"{train.steps:,} steps: {epochs:.3g} epochs."
        )

    def watchers(self, folder: RunFolder, view: TrainingView) -> Sequence[Observer]:
        def validate(state: State) -> None:
            if not is_due(state.step, self.recipe.validate.every, self.recipe.train.steps):
                return
            with autocast(self.recipe.train.precision, self.tuning.loaded.device):
                found = self.tuning.validate()
            line = {"kind": "validation", "step": state.step, "loss": found.loss, **found.line}
            folder.log("metrics", line)
            view.note(f"step {state.step}: {found.says}")

        if not self.recipe.sample.prompts:
            return (validate,)
        return validate, Samples(folder, self.tuning.loaded, self.recipe, view)

    def live(self, view: TrainingView) -> Sequence[Observer]:
        return (LiveSample(self.tuning.loaded, self.recipe, view),)

    def score(self, folder: RunFolder, view: View, step: int) -> None:
        with view.phase("Measuring before the training" if step == 0 else "Measuring after the training"):
            found = self.tuning.scores() + (self.tuning.compared() if step else [])
        if found:
            earlier = [row for row in folder.read_evaluation() if row.get("step", 0) < step]
            write_json(folder.evaluation, [*earlier, *({"step": step, **each.as_json()} for each in found)])
        if step:
            responses = self.tuning.answers()
            if responses:
                lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in responses)
                write_text(folder.path / RESPONSES, "".join(lines))
                view.say(f"{len(responses)} answers to held-out examples: {folder.path / RESPONSES}")

    def write(self, part: Path) -> None:
        self.tuning.write(part)

    def finish(self, folder: RunFolder, state: State) -> None:
        total = self.learned.total
        card = (
            f"---\nlibrary_name: transformers\n---\n# {self.recipe.name}\n\n"
            f"Tuned from {Path(self.recipe.base).name} with groundup by {self.recipe.method['name']}, "
            f"{state.step:,} steps; {total.learn:,} of {total.parameters:,} parameters learned.\n"
        )
        with whole_folder(folder.model) as part:
            self.tuning.write(part, card)


def finetune(
    recipe: TuneRecipe, path: Path, view: View, *, device: str | None = None, restart: bool = False
) -> RunFolder:
    """Tune a model as the recipe says, into the run's folder; an unfinished run of it goes on.

    UserError if the folder holds a finished run or one of another recipe, unless `restart` is set, and for
    whatever does not fit together, before anything is trained.
    """
    where = pick_device(device)
    use_fast_float32(where)
    folder = RunFolder(path)
    check_writable(folder.path)
    refuse_foreign_folder(folder)
    recipe = with_precision(recipe, where, None if restart else folder)
    refuse_impossible(recipe.train, where)
    job = Finetuning(recipe, make_tuning_of(recipe, where, view))
    if not restart:
        refuse_other_run(folder, job.recipe)
    run_job(job, folder, view, where, restart=restart)
    return folder


def make_tuning_of(recipe: TuneRecipe, device: torch.device, view: View) -> Tuning:
    """The model and the data of a recipe, put together by its method."""
    with view.phase(f"Loading {recipe.base}"):
        loaded = load(recipe.base, device=device)
    template = recipe.model.get("template")
    if template:
        loaded.tokenizer = with_template(loaded.tokenizer, template)
    return TUNINGS.get(recipe.method["name"])(recipe, loaded, view)


def choose_what_learns(recipe: TuneRecipe, method: Method[Any], new: Sequence[nn.Module] = ()) -> Learned:
    """Add LoRA, or freeze what does not learn, as the recipe says; which parts learn now.

    new: parts that learn in any case.
    """
    lora = recipe.learn.lora
    if lora.rank:
        generator = torch.Generator().manual_seed(recipe.seed)
        body = method.model.model if isinstance(method.model, Classifier) else method.model
        add_lora(
            body,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            targets=lora.targets,
            generator=generator,
        )
    else:
        choose(method, recipe.learn.what)
    for part in new:
        part.requires_grad_()
    return learned(method, recipe.train.optimizer)


def with_precision(recipe: TuneRecipe, device: torch.device, folder: RunFolder | None) -> TuneRecipe:
    """The recipe with "auto" resolved; a run that is continued keeps what it began with."""
    precision = recipe.train.precision
    if precision == "auto" and folder is not None and folder.recipe.is_file():
        table = read_toml(folder.recipe)
        if "method" in table:
            precision = make_tuning(table).train.precision
    return replace(recipe, train=replace(recipe.train, precision=pick_precision(precision, device)))
