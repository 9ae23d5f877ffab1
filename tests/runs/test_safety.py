"""What happens to a run must not cost what it has learned: damaged checkpoints, no memory, a loss astray."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from groundup.errors import UserError
from groundup.runs import continuing
from groundup.runs.data import show_step
from groundup.runs.evaluate import tell_checkpoint
from groundup.runs.farewell import farewell
from groundup.runs.folder import RunFolder
from groundup.runs.observers import Page
from groundup.runs.pretrain import pretrain
from groundup.runs.recipe import Recipe, make_recipe
from groundup.settings import with_changes
from groundup.weights.checkpoints import best_checkpoint
from groundup.weights.folder import checkpoints, load
from tests.runs.conftest import TINY, quiet_view, said

QUICK = ["train.steps=6", "train.checkpoint={every=2, keep=2}", "validate.every=2", "validate.tokens=500"]
QUICK += ["sample.prompts=[]", "evaluate.tasks=[]"]


def quick(*changes: str) -> Recipe:
    """The tiny recipe with less beside the training."""
    return make_recipe(with_changes(TINY, [*QUICK, *changes]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished quick run, to compare with and to copy."""
    return pretrain(quick(), tmp_path_factory.mktemp("runs") / "tiny", quiet_view(), device="cpu")


@pytest.fixture
def cut(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of that run as if it had been killed after its last checkpoint."""
    run = RunFolder(shutil.copytree(whole.path, tmp_path / "tiny"))
    shutil.rmtree(run.model)
    run.update_facts(status="running")
    return run


def going_on(run: RunFolder, *changes: str) -> str:
    """Give the same command once more; gives what it said."""
    view = quiet_view()
    pretrain(quick(*changes), run.path, view, device="cpu")
    return said(view)


def same_bytes(run: RunFolder, other: RunFolder) -> bool:
    """Whether two runs ended with the same weights, optimizer and figures."""
    newest = Path("checkpoints/step-000006")
    names = ["metrics.jsonl", "checkpoints/best.json", "model/model.safetensors"]
    names += [str(newest / name) for name in ("model.safetensors", "training.safetensors", "state.json")]
    return all((run.path / name).read_bytes() == (other.path / name).read_bytes() for name in names)


def flip(path: Path) -> None:
    """One wrong bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_the_best_checkpoint_is_named_and_can_be_loaded(whole: RunFolder) -> None:
    losses = whole.validation_losses()
    best = best_checkpoint(whole.checkpoints)
    assert best is not None and best.name == f"step-{min(losses, key=lambda step: losses[step]):06d}"
    assert load(best).config == load(whole.path).config


def test_a_damaged_newest_checkpoint_is_said_and_the_one_before_ends_with_the_same_bytes(
    cut: RunFolder, whole: RunFolder
) -> None:
    flip(cut.checkpoints / "step-000006/model.safetensors")
    words = going_on(cut)
    assert (
        "step-000006 is damaged (model.safetensors). Going on from step-000004, the one before it." in words
    )
    assert "Going on from step 4 of 6." in words
    assert same_bytes(cut, whole)
    assert [path.name for path in checkpoints(cut.checkpoints)] == ["step-000004", "step-000006"]
    assert not list(cut.checkpoints.glob("damaged-*"))


def test_a_run_killed_between_its_last_save_and_the_tidying_is_tidied_when_it_goes_on(
    cut: RunFolder, whole: RunFolder
) -> None:
    shutil.copytree(cut.checkpoints / "step-000004", cut.checkpoints / "step-000002")
    (cut.checkpoints / ".step-000001.old").mkdir()
    (cut.path / ".model.4711.part").mkdir()
    (cut.checkpoints / "best.json").unlink()
    assert "Going on from step 6 of 6." in going_on(cut)
    assert same_bytes(cut, whole)
    assert {path.name for path in cut.checkpoints.iterdir()} == {"best.json", "step-000004", "step-000006"}
    assert not (cut.path / ".model.4711.part").exists()


def test_where_no_checkpoint_is_good_nothing_is_changed(cut: RunFolder) -> None:
    for path in checkpoints(cut.checkpoints):
        flip(path / "state.json")
    before = sorted(path.name for path in cut.checkpoints.iterdir())
    with pytest.raises(UserError, match=r"All 2 checkpoints .* start over with --restart"):
        going_on(cut)
    assert sorted(path.name for path in cut.checkpoints.iterdir()) == before


def test_a_checkpoint_of_another_recipe_is_refused_by_the_setting_that_differs(
    cut: RunFolder, tmp_path: Path
) -> None:
    other = quick("train.learning_rate=0.1", "train.steps=8")
    foreign = pretrain(other, tmp_path / "other", quiet_view(), device="cpu")
    shutil.copytree(foreign.checkpoints / "step-000008", cut.checkpoints / "step-000008")
    with pytest.raises(
        UserError, match=r"step-000008 was made by another recipe \(train\.steps, train\.learn"
    ):
        going_on(cut)


def test_a_setting_that_a_recipe_no_longer_has_is_a_difference() -> None:
    before, now = quick(), make_recipe(with_changes(TINY, [*QUICK, "model.dropout=0.0"]))
    assert continuing.differences(before, now) == ["model.dropout"]
    plain = {**TINY, "model": {key: value for key, value in TINY["model"].items() if key != "dropout"}}
    assert continuing.differences(before, make_recipe(with_changes(plain, QUICK))) == ["model.dropout"]


def test_rows_at_once_and_kept_checkpoints_may_change_on_the_way(cut: RunFolder, whole: RunFolder) -> None:
    shutil.rmtree(cut.checkpoints / "step-000006")
    words = going_on(cut, "train.micro_batch=1", "train.checkpoint={every=1, keep=1}")
    assert "micro_batch 3 → 1. It goes on, but not to the same bytes" in words
    assert cut.status == "finished"
    ours, theirs = (run.validation_losses()[6] for run in (cut, whole))
    assert ours == pytest.approx(theirs, rel=1e-2)  # dropout draws other numbers


def test_a_run_that_is_killed_while_an_earlier_one_is_forgotten_can_still_be_restarted(
    cut: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(path: Path) -> None:
        raise Killed

    monkeypatch.setattr(continuing, "remove_folder", die)
    with pytest.raises(Killed):
        continuing.clear(cut)
    assert cut.recipe.is_file() and (cut.path / "metrics.jsonl").is_file()
    order: list[str] = []
    monkeypatch.setattr(
        continuing, "remove_folder", lambda path: (order.append(path.name), shutil.rmtree(path))
    )
    continuing.clear(cut)
    assert order[0] == "checkpoints"


def test_figures_that_are_damaged_are_told_in_one_line(cut: RunFolder) -> None:
    (cut.path / "metrics.jsonl").write_bytes(b"{]\n" + (cut.path / "metrics.jsonl").read_bytes())
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged .* --restart"):
        going_on(cut)


@pytest.mark.parametrize("rate, what", [("1e25", "The loss became"), ("1e39", "A weight became infinite")])
def test_a_run_that_goes_astray_names_the_step_its_texts_and_what_is_kept(
    rate: str, what: str, tmp_path: Path
) -> None:
    recipe = quick(f"train.learning_rate={rate}", "train.checkpoint={every=1, keep=2}")
    with pytest.raises(UserError) as caught:
        pretrain(recipe, tmp_path / "astray", quiet_view(), device="cpu")
    run, told = RunFolder(tmp_path / "astray"), str(caught.value)
    assert told.startswith(what) and "\n" not in told
    found = re.search(
        r"at step (\d), which read the windows (\d+), (\d+), .* data show (\S+) --step \1\)", told
    )
    assert found and found[4].startswith(str(run.path))
    view = quiet_view()
    show_step(run.path, int(found[1]), 2, view)
    assert f"--- window {found[2]}\n" in said(view) and f"--- window {found[3]}\n" in said(view)
    kept = checkpoints(run.checkpoints)
    assert (f"{kept[-1].name} is kept." if kept else "No checkpoint had been saved yet.") in told
    assert len(kept) == int(found[1]) - 1
    assert all(load(path).model.tokens.weight.isfinite().all() for path in kept)
    assert run.read_facts()["status"] == "interrupted"


@contextmanager
def little_memory(more: int) -> Iterator[None]:
    """Let this process have so many bytes more than it has: what a small machine is like, on a large one."""
    resource = pytest.importorskip("resource")
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("Only Linux says how much memory a process has asked for.")
    now = int(re.search(r"VmSize:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_memory_that_does_not_suffice_is_told_with_the_rows_that_would_fit(tmp_path: Path) -> None:
    large = ["train.tokens_per_step=131072", "train.micro_batch=2048", "model.d_model=256", "train.steps=1"]
    with little_memory(300_000_000), pytest.raises(UserError) as caught:
        pretrain(quick(*large), tmp_path / "large", quiet_view(), device="cpu")
    told = str(caught.value)
    assert told.startswith("Out of memory in step 1, 2048 rows of 64 tokens at once.")
    assert "train.micro_batch=1024" in told and "\n" not in told
    assert RunFolder(tmp_path / "large").status == "interrupted"


def test_a_warm_up_that_never_ends_is_said(tmp_path: Path) -> None:
    view = quiet_view()
    pretrain(quick("train.steps=2", "train.warmup_steps=2"), tmp_path / "warm", view, device="cpu")
    assert "Warning: train.warmup_steps = 2 is not below train.steps = 2" in said(view)


def test_the_page_of_a_run_that_goes_on_takes_a_small_part_of_its_time(cut: RunFolder) -> None:
    # Made at 0 s; asked at 10, 21 (it takes until 23), 60 and 64 s.
    times = iter([0.0, 10.0, 21.0, 23.0, 60.0, 64.0, 65.0])
    page, written = Page(cut, clock=lambda: next(times)), []
    for _ in range(4):
        (cut.path / "report.html").unlink(missing_ok=True)
        page.write()
        written.append((cut.path / "report.html").is_file())
    assert written == [False, True, False, True]


def test_evaluating_a_run_that_was_killed_says_what_is_measured_and_which_was_best(cut: RunFolder) -> None:
    view = quiet_view()
    tell_checkpoint(cut.path, view)
    assert said(view) == f"{cut.path} is interrupted; measured is step-000006, its newest.\n"
    (cut.checkpoints / "best.json").write_text('{"folder": "step-000004"}', encoding="utf-8")
    view = quiet_view()
    tell_checkpoint(cut.path, view)
    assert f"The validation loss was lowest in {cut.checkpoints / 'step-000004'}." in said(view)
    farewell(cut, view)
    assert f"lowest at step 4, which is kept: {cut.checkpoints / 'step-000004'}" in said(view)


def test_settings_that_are_not_the_same_are_named_and_counted() -> None:
    assert continuing.told_names(["seed"]) == "seed differs"
    assert continuing.told_names(["seed", "name"]) == "seed, name differ"
    assert continuing.told_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more differ"
