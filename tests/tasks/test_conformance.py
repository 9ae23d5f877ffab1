"""Every task: named after its file, the same on every run, and finite values inside their own intervals."""

import json
import math

import pytest
import torch

from groundup.evaluation.texts import Texts
from groundup.model.config import ModelConfig
from groundup.model.decoder import Decoder
from groundup.tasks import TASKS
from groundup.tasks._task import Task
from groundup.text.tokenizer import Tokenizer
from groundup.weights.folder import Loaded


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Task:
    """Every task."""
    return TASKS.get(request.param)


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """A tiny model over bytes."""
    config = ModelConfig(vocab_size=264, context_length=32, d_model=8, n_layers=1, n_heads=2)
    model = Decoder(config).initialise(torch.Generator().manual_seed(0)).eval()
    return Loaded(model, Tokenizer.from_bytes(), config)


@pytest.fixture(params=[1, 5, 40])
def texts(request: pytest.FixtureRequest, loaded: Loaded, stories: list[str]) -> Texts:
    """Texts that every task so far can be asked of, a few and many."""
    return Texts.from_strings(loaded.tokenizer, stories[: request.param], floor=lambda text: 0.3 * len(text))


def test_a_task_says_its_name_its_version_and_what_it_is_about(task):
    assert TASKS.get(task.name) is task
    assert isinstance(task.version, int)
    assert task.version >= 1
    assert task.about
    assert "\n" not in task.about
    assert task.needs


def test_every_score_is_finite_inside_its_interval_and_says_what_it_is(task, loaded, texts):
    scores = task.score(loaded, texts, None)
    assert scores
    assert len({score.metric for score in scores}) == len(scores)
    for score in scores:
        assert (score.task, score.version) == (task.name, task.version)
        assert math.isfinite(score.value), score.metric
        assert score.n >= 1
        assert score.protocol
        if score.interval is not None:
            low, high = score.interval
            assert low <= score.value <= high, score.metric
    assert any(score.interval for score in scores)
    assert json.loads(json.dumps([score.as_json() for score in scores]))


@pytest.mark.parametrize("texts", [5], indirect=True)
def test_the_same_model_and_texts_give_the_same_scores(task, loaded, texts):
    assert task.score(loaded, texts, None) == task.score(loaded, texts, None)


@pytest.mark.parametrize("texts", [5], indirect=True)
def test_a_task_tells_how_far_it_is(task, loaded, texts):
    told = []
    task.score(loaded, texts, lambda done, total: told.append((done, total)))
    assert told
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
