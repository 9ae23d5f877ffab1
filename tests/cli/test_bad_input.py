"""Bad input, one row each, and the table grows: one line with the remedy, exit code 2, nothing lost."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from groundup.runs.folder import RunFolder
from groundup.settings import to_toml
from tests.cli.conftest import Said
from tests.runs.conftest import TINY

Call = Callable[..., Said]

RECIPE = to_toml(TINY)

FILES = {
    "empty.txt": b"",
    "blank.txt": b"  \n\n \t\n",
    "binary.txt": b"A text\x00\x01\x02with zeros in it" * 100,
    "mixed.txt": "Ein Märchen von früher. ".encode() * 50
    + "Ein Märchen".encode("latin-1")
    + b" and more." * 50,
    "utf16.txt": "A text in another encoding.".encode("utf-16") * 20,
    "small.txt": b"Too short a text.",
    "broken.jsonl": b'{"text": "fine"}\n{"text": 3}\n{"text": ',
    "array.jsonl": b'[{"text": "fine"}, {"text": "fine, too"}]',
    "other.jsonl": b'{"body": "fine", "title": "x"}\n' * 300,
    "no.gz": b"this is no gzip file",
    "bad.toml": b"name = \n",
    "unknown_key.toml": (RECIPE + "\n[trian]\nsteps = 1\n").encode(),
    "foreign_key.toml": RECIPE.replace("d_model", "n_embd").encode(),
    "wrong_type.toml": RECIPE.replace("steps = 10", 'steps = "many"').encode(),
    "no_steps.toml": RECIPE.replace("steps = 10\n", "").encode(),
    "impossible.toml": RECIPE.replace("n_heads = 2", "n_heads = 2\nqk_norm = true").encode(),
    "odd_heads.toml": RECIPE.replace("n_heads = 2", "n_heads = 3").encode(),
    "no_family.toml": RECIPE.replace('family = "gpt2"', 'family = "gtp2"').encode(),
    "no_source.toml": RECIPE.replace('source = "village"', 'source = "vilage"').encode(),
    "long_sequence.toml": RECIPE.replace("sequence_length = 64", "sequence_length = 128").encode(),
    "sized.toml": to_toml({**TINY, "model": {"family": "gpt2", "size": "300k"}}).encode(),
    "from.toml": to_toml({**TINY, "model": {"from": "runs/none"}}).encode(),
    "uneven_step.toml": RECIPE.replace("tokens_per_step = 512", "tokens_per_step = 500").encode(),
}

# words of the command ({dir}: a folder with the files above, {run}: a finished run), what the line must say
ROWS = [
    ("pretran", "Did you mean 'pretrain'?"),
    ("pretrain", "Missing argument 'source'. See groundup pretrain --help."),
    ("pretrain {dir}/empty.txt", "empty"),
    ("pretrain {dir}/blank.txt", "no text"),
    ("pretrain {dir}/binary.txt", "binary"),
    ("pretrain {dir}/mixed.txt", "byte"),
    ("pretrain {dir}/utf16.txt", "UTF-16"),
    ("pretrain {dir}/small.txt", "too"),
    ("pretrain {dir}/broken.jsonl", "record"),
    ("pretrain {dir}/array.jsonl", "one JSON array"),
    ("pretrain {dir}/other.jsonl", "body"),
    ("pretrain {dir}/no.gz", "gz"),
    ("pretrain {dir}/nothing_here", "neither a file or folder, nor a dataset"),
    ("pretrain vilage", "Did you mean 'village'?"),
    ("pretrain sms_spam", "sms_spam holds labels, which fine-tuning learns from; here texts are wanted"),
    ("pretrain {dir}/good.toml data.source=village_labels:kind,5", "village_labels:kind,5 holds labels"),
    ("data prepare alpaca", "alpaca holds conversations"),
    ("data show village_preferences:none", "names no number of examples"),
    ("pretrain {empty}", "The source is empty"),
    ("pretrain {run}", "is a run's folder, no text"),
    ("pretrain {dir}/good.toml steps=3", "Did you mean 'train.steps'?"),
    ("pretrain {dir}/good.toml seed=99999999999999999999", "seed"),
    ("pretrain {dir}/good.toml train.learning_rate=inf", "train.learning_rate = inf does not fit"),
    ("pretrain {dir}/good.toml train.learning_rate=nan", "train.learning_rate = nan does not fit"),
    ("pretrain {dir}/good.toml name={name300}", "Use at most 100"),
    ("pretrain {dir}/good.toml name=CON", "cannot be a folder's name on Windows"),
    ("pretrain {dir}/good.toml name=lpt1.long", "cannot be a folder's name on Windows"),
    ("pretrain {dir}/good.toml name=last.", "cannot be a folder's name on Windows"),
    ("pretrain {dir}/good.toml model.d_model=400000", "Out of memory"),
    ("pretrain {dir}/good.toml train.learning_rate=1e25 sample.prompts=[]", "at step 2, which read"),
    ("pretrain {path5000}", "neither a file or folder, nor a dataset"),
    ("pretrain {dir}/no_folder/recipe.toml", "There is no file"),
    ("pretrain {dir}/bad.toml", "no valid TOML"),
    ("pretrain {dir}/unknown_key.toml", "Did you mean 'train'?"),
    ("pretrain {dir}/foreign_key.toml", "Did you mean 'd_model'?"),
    ("pretrain {dir}/wrong_type.toml", "train.steps = 'many' does not fit: expected a valid integer"),
    ("pretrain {dir}/no_steps.toml", "lacks 'steps'"),
    ("pretrain {dir}/impossible.toml", "qk_norm=True"),
    ("pretrain {dir}/odd_heads.toml", "not a multiple of n_heads=3"),
    ("pretrain {dir}/no_family.toml", "Did you mean 'gpt2'?"),
    ("pretrain {dir}/no_source.toml", "Did you mean 'village'?"),
    ("pretrain {dir}/long_sequence.toml", "longer than model.context_length"),
    ("pretrain {dir}/uneven_step.toml", "not a multiple of train.sequence_length"),
    ("pretrain {dir}/good.toml nonsense", "section.key=value"),
    ("pretrain {dir}/good.toml train.stepps=3", "Did you mean 'steps'?"),
    ("pretrain {dir}/good.toml name=a/b", "cannot be a folder's name"),
    ("pretrain {dir}/good.toml --device tpu", "The device 'tpu' is not there"),
    ("pretrain {dir}/good.toml evaluate.tasks=['perplexty']", "Did you mean 'perplexity'?"),
    ("pretrain {dir}/good.toml data.source={dir}/small.txt", "too few"),
    ("pretrain {dir}/good.toml --device cpu:x", "The device 'cpu:x' is not there"),
    ("pretrain {dir}/good.toml data.max_tokens=-1", "data.max_tokens = -1 is negative"),
    ("pretrain {dir}/good.toml sample.temperature=-1", "temperature=-1"),
    ("pretrain {dir}/good.toml model.from=runs/none", "from and family"),
    ("pretrain {dir}/good.toml --minutes 3", "set train.steps=NUMBER"),
    ("pretrain {dir}/good.toml train.learning_rate=1e6 sample.every=1", "lower learning rate"),
    ("pretrain village --minutes 0", "--minutes"),
    ("pretrain village --minutes inf", "--minutes"),
    ("pretrain {dir}/good.toml model.size=10m model.d_model=16", "contradicts"),
    ("pretrain {dir}/sized.toml model.size=ten", 'such as "16m"'),
    ("pretrain {dir}/sized.toml model.size=1k", "too small: with 261 tokens"),
    ("pretrain {dir}/sized.toml model.from=runs/none", "from and family, size"),
    ("pretrain {dir}/good.toml sample.count=0", "sample.count = 0 is too small"),
    ("generate {dir}/nothing", "There is no folder"),
    ("generate {dir}", "holds no model"),
    ("generate {run} {long}", "Shorten the prompt"),
    ("generate {run} --temperature -1", "temperature"),
    ("generate {run} --temperature inf", "temperature"),
    ("generate {run} --seed 99999999999999999999999", "seed"),
    ("evaluate {run} --max-tokens 1", "at least 2"),
    ("generate {run} --top-p 0", "top_p"),
    ("generate {run} --max-tokens 0", "max_tokens"),
    ("generate {run} --min-p 2", "min_p=2.0 is no share"),
    ("generate {run} --repetition-penalty 0", "repetition_penalty=0.0 does not fit"),
    ("generate {run} --stop-token <|ende|>", "no token '<|ende|>'. Did you mean '<|end|>'?"),
    ("generate {run} --file {dir}/nothing.txt", "Could not read"),
    ("generate {run} --file {dir}/empty.txt", "one prompt a line"),
    ("generate {run} Ana --file {dir}/small.txt", "Give the one or the other"),
    ("generate {run} --temprature 1", "--temperature"),
    ("evaluate {run} --tasks perplexiti", "Did you mean 'perplexity'?"),
    ("evaluate {run} --tasks village --data {dir}/small.txt", "needs documents of the village"),
    ("evaluate {run} --data {dir}/empty.txt", "empty"),
    ("evaluate {run}/model/none", "There is no folder"),
    ("evaluate {run} --output /proc/nowhere/scores.json", "Could not write"),
    ("evaluate {run} --data village --max-tokens 300 --output {dir}", "Could not write"),
    ("report {dir}", "no run"),
    ("report {name300}", "There is no"),
    ("report {run}x", "There is no"),
    ("data show {run} --step 99", "is not a step"),
    ("data show {run} --limit 0", "--limit"),
    ("data show {dir}/none", "neither a file or folder, nor a dataset"),
    ("data shw", "Did you mean 'show'?"),
    ("tokenizer train {dir}/good.txt {dir}", "is there already"),
    ("tokenizer train {dir}/good.txt {dir}/new --vocab-size 100", "vocab"),
    ("tokenizer train {dir}/good.txt /proc/nowhere", "Could not write"),
    ("tokenizer train {dir}/good.txt {name300}", "too long"),
    ("tokenizer train {dir}/good.txt {dir}/new --pattern gtp4", "Did you mean 'gpt4'?"),
    ("tokenizer show {run} {empty}", "The text is empty"),
    ("tokenizer show {run}", "neither a text nor a file"),
    ("tokenizer show {run} x --file {dir}/good.txt", "both a text and a file"),
    ("tokenizer show bytes --file {dir}/none.txt", "There is no file"),
    ("tokenizer show bytes x --compare {dir}", "holds no model"),
    ("tokenizer show {dir} x", "holds no model"),
    ("export {run} {dir}/new --to hff", "--to hff is not there. Did you mean 'hf'?"),
    ("export {run} {dir}/new --dtype q8_0", "Known for hf: float32, bf16, fp16"),
    ("export {run} {dir}/new --to gguf --dtype q4_0", "Did you mean 'q8_0'?"),
    ("export {run} {dir}/new --shard-gb 0", "--shard-gb must be above 0"),
    ("export {run} {dir}/new --shard-gb nan", "--shard-gb must be above 0"),
    ("export {run} {dir}", "is there already"),
    ("export {dir} {dir}/new", "holds no model"),
    ("export {dir}/none {dir}/new", "There is no folder"),
    ("export {dir}/good.txt {dir}/new", "neither a file of torch.save nor one of llama2.c"),
    ("export {dir}/empty.txt {dir}/new", "empty.txt is empty"),
    ("export {run} {dir}/small.txt/new", "a part of that path is a file"),
    ("export {run} /proc/nowhere", "Could not write"),
    ("export {run} {name300} --to pth", "too long"),
    ("export {run}", "Missing argument 'target'"),
    ("import openai:125M {dir}/new", "Did you mean '124M'?"),
    ("import hf:a/b/c {dir}/new", "names no model on the hub"),
    ("import hf:someone/something {dir}/new", "HF_HUB_OFFLINE"),
    ("import openai:124M {dir}/new", "HF_HUB_OFFLINE"),
    ("import {dir}/none {dir}/new", "There is no folder"),
    ("import {name300} {dir}/new", "There is no folder"),
    ("import {dir} {dir}/new", "holds no model"),
    ("import openai:124M {run}", "is there already"),
    ("import openai:124M {dir}/good.txt", "Could not write"),
    ("import {run} /proc/nowhere", "Could not write"),
    ("import {run} {dir}/new --heads 2", "are for a single file"),
    ("import {run}", "Missing argument 'folder'"),
    ("generate openai:1.5B Once", "Known: openai:124M"),
    ("pretrain {dir}/from.toml model.from=openai:small", "Known: openai:124M"),
    ("pretrain {dir}/from.toml model.from=hf: --estimate", "names no model on the hub"),
    ("tokenizer show openai:small x", "Known: openai:124M"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bad file of every kind, and a good recipe."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "good.toml").write_text(RECIPE, encoding="utf-8")
    (folder / "good.txt").write_text("A good text with many words in it. " * 100, encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, whole; lock files do not count."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("words, wanted", ROWS, ids=[row[0] for row in ROWS])
def test_bad_input_is_one_line_with_the_remedy(
    words: str, wanted: str, bad_files: Path, a_run: RunFolder, tmp_path: Path, groundup: Call
) -> None:
    given = [
        word.format(
            dir=bad_files,
            run=a_run.path,
            long="a long prompt " * 40,
            empty="",
            name300="x" * 300,
            path5000="y" * 5000,
        )
        for word in words.split()
    ]
    if words.startswith("pretrain "):
        given += ["--runs", str(tmp_path / "runs")]
    before = contents(bad_files) | contents(a_run.path)
    code, out, err = groundup(*given)
    assert code == 2, out + err
    assert err.startswith("groundup: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert wanted in err
    assert contents(bad_files) | contents(a_run.path) == before


def test_a_recipe_that_fails_leaves_an_earlier_run_as_it_was(
    bad_files: Path, a_run: RunFolder, tmp_path: Path, groundup: Call
) -> None:
    shutil.copytree(a_run.path, tmp_path / "runs/tiny")
    before = contents(tmp_path)
    words = "pretrain", bad_files / "good.toml", "--runs", tmp_path / "runs"
    for change in ("train.steps=99", "model.n_heads=5", "data.source=nowhere"):
        assert groundup(*words, change).code == 2
    # Some mistakes show only when data and model are there; even then nothing has been thrown away.
    lengths = ("train.tokens_per_step=4096", "train.sequence_length=4096", "model.context_length=4096")
    late = [("sample.prompts=['" + "long " * 40 + "']",), ("validate.tokens=1",)]
    for changes in [*late, ("data.max_tokens=10", *lengths)]:
        assert groundup(*words, *changes, "--restart").code == 2, changes
    assert contents(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no place here that refuses even root")
@pytest.mark.parametrize("verb", ["pretrain {dir}/good.toml", "pretrain village", "demo"])
def test_runs_that_cannot_be_written_are_refused_before_any_work(
    verb: str, bad_files: Path, groundup: Call
) -> None:
    code, out, err = groundup(*verb.format(dir=bad_files).split(), "--runs", "/proc/nowhere")
    assert code == 2, out + err
    assert err.count("\n") == 1
    assert "Could not write" in err
    assert "Measuring" not in out


def test_a_full_disk_is_one_line_and_earlier_checkpoints_and_models_stay(
    bad_files: Path, tmp_path: Path, groundup: Call
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no limits on the size of files.")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    words = ["pretrain", str(bad_files / "good.toml"), "--runs", str(tmp_path / "runs"), "model.d_model=128"]
    words += ["train.steps=4", "train.checkpoint={every=2, keep=2}", "sample.prompts=[]", "evaluate.tasks=[]"]
    assert groundup(*words).code == 0
    run = RunFolder(tmp_path / "runs/tiny")
    whole = contents(run.checkpoints) | contents(run.model)
    shutil.rmtree(run.checkpoints / "step-000004")  # as if the process had died before its last step
    (run.checkpoints / "best.json").unlink()
    run.update_facts(status="running")
    before = contents(run.checkpoints) | contents(run.model)
    command = [sys.executable, "-m", "groundup", *words]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=small_files)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Could not write" in done.stderr
    assert "Going on from step 2" in done.stdout
    assert contents(run.checkpoints) | contents(run.model) == before
    assert run.status == "interrupted"
    # With space again the same command goes on, to the same bytes as if nothing had happened.
    assert groundup(*words).code == 0
    assert contents(run.checkpoints) | contents(run.model) == whole
