"""How many of the village's instructions a model follows: each answer is checked exactly, without a judge."""

from collections.abc import Callable, Sequence

from groundup.data.conversations import FORMS, Conversation
from groundup.evaluation.responses import MAX_TOKENS, Response, respond
from groundup.evaluation.score import Score
from groundup.evaluation.statistics import wilson
from groundup.village.tasks.instructions import Example, correct, example
from groundup.weights.folder import Loaded

VERSION = 1
UNSEEN = ("documents", "compositions")
"""The splits that training does not see: new documents, and instructions that join known words anew."""


def village_conversations(seed: int, split: str, n: int) -> list[Conversation]:
    """The first n examples of a split ("train", "documents" or "compositions") as conversations of two turns.

    The instruction and the document that it is about are one question, in the form of Alpaca's records.
    """
    return [_conversation(example(seed, index, split)) for index in range(n)]


def village_accuracy(
    loaded: Loaded,
    seed: int,
    n: int,
    *,
    splits: Sequence[str] = UNSEEN,
    max_tokens: int = MAX_TOKENS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Score], dict[str, list[Response]]]:
    """The share of right answers in n examples of each split, and by split what the model said.

    Right is the known answer whatever its capitals and full stop, or for a tale any possible one in which
    happens what was asked. The best score is 1, guessing gives about 0. UserError without a chat template.
    """
    scores, responses = [], {}
    for place, split in enumerate(splits):
        examples = [example(seed, index, split) for index in range(n)]

        def follow(done: int, total: int, before: int = place * n) -> None:
            if progress:
                progress(before + done, n * len(splits))

        conversations = [_conversation(one) for one in examples]
        responses[split] = respond(loaded, conversations, max_tokens=max_tokens, progress=follow)
        scores.append(score_of(examples, responses[split], split, max_tokens))
    return scores, responses


def score_of(examples: Sequence[Example], responses: Sequence[Response], split: str, limit: int) -> Score:
    """The score of answers to examples; of both sorts of check in its details."""
    right = [correct(one, said["answer"]) for one, said in zip(examples, responses, strict=True)]
    by_checker = {}
    for checker in sorted({one.checker for one in examples}):
        these = [is_right for is_right, one in zip(right, examples, strict=True) if one.checker == checker]
        by_checker[checker] = {"right": sum(these), "n": len(these)}
    return Score(
        task="instructions",
        metric=f"accuracy_{split}",
        value=sum(right) / len(right),
        interval=wilson(sum(right), len(right)),
        n=len(right),
        protocol=f"village, split {split}: one greedy answer to each, of at most {limit} tokens; exact check",
        version=VERSION,
        chance=0.0,
        details={**by_checker, "without_end": sum(said["finished"] != "border" for said in responses)},
    )


def _conversation(one: Example) -> Conversation:
    return FORMS["alpaca"].read({"instruction": one.instruction, "input": one.input, "output": one.answer})
