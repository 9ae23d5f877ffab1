"""Instructions: learn to answer, from conversations; the loss counts the answers alone."""

from collections.abc import Sequence
from typing import Any

from groundup.data.answers import AnswerExamples, PackedAnswers, stack_answers
from groundup.data.batches import stack_windows
from groundup.data.conversations import Conversation, read_conversations
from groundup.evaluation.answers import answers_loss, told
from groundup.evaluation.responses import respond
from groundup.evaluation.score import Score
from groundup.generation.chat import speaking
from groundup.methods.answers import Answers, Settings
from groundup.runs.examples import cut, example_files
from groundup.runs.recipe import check_context
from groundup.runs.tuning_recipe import TuneRecipe
from groundup.runs.tunings._tuning import Judged, Tuning
from groundup.system.progress import View
from groundup.weights.folder import Loaded, need_decoder

ANSWERED = 30
"""So many held-out questions are answered at the end, for people to read."""


class Instructions(Tuning):
    """Conversations, written down as the model's chat template says, several in a row."""

    Settings = Settings

    def __init__(self, recipe: TuneRecipe, loaded: Loaded[Any], view: View):
        super().__init__(recipe, speaking_decoder(loaded), view)
        check_context(loaded.config, recipe.train.sequence_length)
        files = example_files(recipe.data, "conversations", view)
        learned, self.empty = _read(files.learned)
        if files.kept:
            kept, _ = _read(files.kept)
        else:
            learned, kept = cut(learned, recipe.data.validation, recipe.seed, _question)
        learned = learned[: recipe.data.max_examples or None]
        length = recipe.train.sequence_length
        with view.phase("Encoding the conversations") as progress:
            examples = AnswerExamples(learned, self.loaded.tokenizer, length, progress=progress)
        few = kept[: recipe.validate.examples or None]
        self.few, self.many = (AnswerExamples(each, self.loaded.tokenizer, length) for each in (few, kept))
        self.samples = PackedAnswers(examples, recipe.seed) if self.settings.packing else examples
        self.samples_are = "rows of conversations" if self.settings.packing else "conversations"
        self.stack = stack_answers if self.settings.packing else stack_windows
        self.kept = kept
        self.about = files.facts() | {
            "examples": len(examples),
            "validation_examples": len(self.many),
            "left_out": len(examples.left_out) + len(examples.empty) + self.empty,
            "cut": len(examples.cut),
        }
        view.say(examples.told)

    def make_method(self) -> Answers:
        return Answers(self.loaded.model)

    def facts(self) -> dict[str, Any]:
        return self.about

    def validate(self) -> Judged:
        found = answers_loss(self.loaded, self.few)
        return Judged(found["loss"], found, told(found))

    def scores(self) -> list[Score]:
        found = answers_loss(self.loaded, self.many)
        rows = (("loss", "loss_interval"), ("accuracy", "accuracy_interval"))
        return [
            Score(
                task="answers",
                metric=metric,
                value=found[metric],
                interval=found[interval],
                n=found["examples"],
                protocol=f"{found['tokens']} tokens of answers in {found['examples']} held-out conversations",
                version=1,
            )
            for metric, interval in rows
        ]

    def answers(self) -> Sequence[dict[str, Any]]:
        with self.view.phase("Answering held-out questions") as progress:
            found = respond(self.loaded, self.kept[:ANSWERED], progress=progress)
        return [dict(each) for each in found]


def speaking_decoder(loaded: Loaded[Any]) -> Loaded[Any]:
    """The model whose generation_config.json says where answers end. UserError if it cannot answer."""
    need_decoder(loaded)
    return speaking(loaded)


def _read(files: Sequence[Any]) -> tuple[list[Conversation], int]:
    """All conversations of the files, and how many records were empty."""
    read = [read_conversations(file) for file in files]
    return [each for part in read for each in part.found], sum(len(part.empty) for part in read)


def _question(conversation: Conversation) -> str:
    return "\n".join(message["content"] for message in conversation if message["role"] != "assistant")


TUNING = Instructions
