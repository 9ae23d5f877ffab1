"""Datasets from elsewhere, through their real code, against servers on this machine."""

import hashlib
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from huggingface_hub import HfApi, constants, hf_hub_download, scan_cache_dir
from huggingface_hub.hf_api import RepoFile

from groundup.data.piece import Report, read_pieces
from groundup.datasets import find_dataset, fineweb_edu, gutenberg, shakespeare
from groundup.datasets._remote import HubFiles, parquet_file
from groundup.errors import UserError
from groundup.system import hub as hub_files
from tests.web import Fault, serve


def texts(count: int) -> list[str]:
    """Texts that no compression makes small."""
    return [" ".join(hashlib.sha512(b"%d %d" % (n, k)).hexdigest() for k in range(10)) for n in range(count)]


def put_fineweb(hub, *files: list[str]) -> list[str]:
    """FineWeb-Edu's sample with these texts in its files; their paths."""
    paths = [f"sample/10BT/{number:03}_00000.parquet" for number in range(len(files))]
    contents = {path: parquet_file(rows) for path, rows in zip(paths, files, strict=True)}
    hub.add(fineweb_edu.REPOSITORY, fineweb_edu.COMMIT, contents)
    return paths


def test_only_the_files_that_are_needed_are_fetched(hub):
    put_fineweb(hub, texts(30), texts(60)[30:])
    assert list(islice(find_dataset("fineweb_edu").documents("train"), 30)) == texts(30)
    assert sum("/resolve/" in path for path in hub.asked()) == 1
    assert list(find_dataset("fineweb-edu:sample-10BT").documents("train")) == texts(60)
    assert sum("/resolve/" in path for path in hub.asked()) == 2


def test_an_interrupted_dataset_is_continued_and_then_needs_no_network(hub, monkeypatch):
    [path] = put_fineweb(hub, texts(300))
    content = hub.repositories[fineweb_edu.REPOSITORY, fineweb_edu.COMMIT][path]
    assert len(content) > 150_000

    def stop(done: int, total: int) -> None:
        assert total == len(content)
        if done > 65_000:
            raise KeyboardInterrupt

    [piece] = find_dataset("fineweb_edu").pieces("train", 0)
    assert piece.size == len(content) and piece.fetch
    with pytest.raises(KeyboardInterrupt):
        piece.fetch(stop)
    hub.web.requests.clear()
    assert list(find_dataset("fineweb_edu").documents("train")) == texts(300)
    assert [bool(asked) for asked in hub.web.ranges()] == [True, True], "the hub, and the storage it leads to"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.web.requests.clear()
    assert list(find_dataset("fineweb_edu").documents("train")) == texts(300)
    assert hub.web.requests == []


def test_bytes_that_differ_from_the_hubs_sha256_are_never_read(hub):
    [path] = put_fineweb(hub, texts(5))
    content = hub.repositories[fineweb_edu.REPOSITORY, fineweb_edu.COMMIT][path]
    right = hashlib.sha256(content).hexdigest()
    hub.web.files[f"/storage/{right}"] = content[:-1] + b"?"
    with pytest.raises(UserError, match=f"000_00000.parquet is not the file.*expected {right}"):
        list(find_dataset("fineweb_edu").documents("train"))


def test_offline_the_missing_file_is_named(hub, monkeypatch):
    put_fineweb(hub, texts(3))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="json is missing, and HF_HUB_OFFLINE"):
        find_dataset("fineweb_edu").pieces("train", 0)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    pieces = find_dataset("fineweb_edu").pieces("train", 0)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="blobs.* is missing, and HF_HUB_OFFLINE"):
        list(read_pieces(pieces))


def test_the_list_and_the_cache_are_those_of_huggingface_hub(hub, monkeypatch):
    """The oracle is the library: it reads the list as we do, and finds what we put into its cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    [path, _] = put_fineweb(hub, texts(3), texts(9))
    repository, commit = fineweb_edu.REPOSITORY, fineweb_edu.COMMIT
    ours = hub_files.list_files(repository, commit, "sample/10BT")
    api = HfApi(endpoint=hub.web.address, token=False)
    tree = api.list_repo_tree(repository, "sample/10BT", revision=commit, repo_type="dataset")
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    large = [(file.path, file.size, file.lfs.sha256) for file in files if file.lfs]
    assert large == [(file.path, file.size, file.sha256) for file in ours]
    place = hub_files.fetch(ours[0])
    found = hf_hub_download(repository, path, repo_type="dataset", revision=commit, local_files_only=True)
    assert Path(found) == place
    assert Path(found).read_bytes() == hub.repositories[repository, commit][path]
    seen = scan_cache_dir(constants.HF_HUB_CACHE)
    assert not seen.warnings
    assert [repo.repo_id for repo in seen.repos] == [repository]


def test_a_file_that_huggingface_hub_fetched_is_not_fetched_again(hub, monkeypatch):
    [path] = put_fineweb(hub, texts(3))
    repository, commit = fineweb_edu.REPOSITORY, fineweb_edu.COMMIT
    content = hub.repositories[repository, commit][path]
    repository_folder = Path(constants.HF_HUB_CACHE) / "datasets--HuggingFaceFW--fineweb-edu"
    place = repository_folder / "snapshots" / commit / path
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert list(find_dataset("fineweb_edu").documents("train")) == texts(3)
    assert not any("/resolve/" in asked for asked in hub.asked())


def test_the_token_goes_to_the_hub_and_not_to_the_storage_behind_it(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    put_fineweb(hub, texts(3))
    with serve() as storage:
        storage.files = hub.web.files
        for path, target in hub.web.redirects.items():
            hub.web.redirects[path] = storage.address + target
        assert list(find_dataset("fineweb_edu").documents("train")) == texts(3)
        assert {headers.get("Authorization") for _, headers in hub.web.requests} == {"Bearer hf_secret"}
        assert [headers.get("Authorization") for _, headers in storage.requests] == [None]


def test_a_mirror_that_is_none_is_one_line_and_not_remembered(hub):
    where = f"/api/datasets/{fineweb_edu.REPOSITORY}/tree/{fineweb_edu.COMMIT}/sample/10BT"
    hub.web.files[where] = b"<html>Please log in to the hotel's network</html>"
    with pytest.raises(UserError, match="gave no list of files.*HF_ENDPOINT"):
        find_dataset("fineweb_edu").pieces("train", 0)
    put_fineweb(hub, texts(3))
    assert len(find_dataset("fineweb_edu").pieces("train", 0)) == 1


def test_a_list_of_several_pages_is_refused_instead_of_cut_off(hub):
    put_fineweb(hub, texts(3))
    hub.web.faults = [Fault(headers={"Link": f'<{hub.web.address}/more?cursor=x>; rel="next"'})]
    with pytest.raises(UserError, match="only the first page"):
        find_dataset("fineweb_edu").pieces("train", 0)


def test_a_repository_without_the_wanted_files_is_one_line(hub):
    hub.add("some/repository", "c" * 40, {"data/other.parquet": b"x"})
    with pytest.raises(UserError, match="has no file data/train-"):
        HubFiles("some/repository", "c" * 40, "data", "train-*.parquet").files()


def test_a_file_without_the_column_names_those_that_exist(hub):
    buffer = arrow.BufferOutputStream()
    parquet.write_table(arrow.table({"content": ["x"], "url": ["y"]}), buffer)
    files = {"sample/10BT/000_00000.parquet": buffer.getvalue().to_pybytes()}
    hub.add(fineweb_edu.REPOSITORY, fineweb_edu.COMMIT, files)
    with pytest.raises(UserError, match='no field "text". Its fields are: content, url'):
        list(find_dataset("fineweb_edu").documents("train"))


def test_rows_without_a_text_are_counted(hub):
    rows: list = [*texts(299), None]
    put_fineweb(hub, rows)
    report = Report()
    read = list(read_pieces(find_dataset("fineweb_edu").pieces("train", 0), report))
    assert read == texts(299)
    assert report.unreadable == 1 and "row 300" in report.first_problem


@pytest.mark.parametrize(
    "source, words",
    [
        ("fineweb_edu:sample-10bt", "Did you mean 'sample-10BT'"),
        ("tinystories:v3", "Known: v1, v2"),
        ("gutenberg:austin", "neither a number nor a known author. Did you mean 'austen'"),
        ("gutenberg:", "names no books"),
        ("gutenberg:11,-3", "names no books"),
        ("openwebtext:small", "has no options"),
    ],
)
def test_an_option_that_is_none_is_one_line(source, words):
    with pytest.raises(UserError, match=words):
        find_dataset(source)


def test_books_are_named_by_number_and_author_each_once(web):
    assert [piece.name for piece in find_dataset("gutenberg:12,carroll").pieces("train", 0)] == [
        f"{web.address}/cache/epub/{number}/pg{number}.txt" for number in (12, 11, 13, 620, 29042)
    ]


def test_a_book_that_is_not_there_is_one_line_and_one_that_is_stays(web):
    web.add("/cache/epub/12/pg12.txt", gutenberg.SAMPLE.encode())
    assert len(list(find_dataset("gutenberg:12").documents("train"))) == 1
    with pytest.raises(UserError, match="no file at .*pg99.txt .404"):
        list(find_dataset("gutenberg:12,99").documents("train"))
    assert [path for path, _ in web.requests].count("/cache/epub/12/pg12.txt") == 1


def test_a_book_that_was_mended_at_the_source_has_another_identity(web, tmp_path, monkeypatch):
    web.add("/cache/epub/12/pg12.txt", gutenberg.SAMPLE.encode())
    [piece] = find_dataset("gutenberg:12").pieces("train", 0)
    before = piece.identity()
    web.add("/cache/epub/12/pg12.txt", gutenberg.SAMPLE.replace("Miss", "Mrs.").encode())
    assert piece.identity() == before, "what is here is kept"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert piece.identity() != before


def test_programs_are_slow_as_project_gutenberg_asks(web, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(gutenberg, "PAUSE", 2.0)
    monkeypatch.setattr("groundup.datasets._remote.time", SimpleNamespace(sleep=waits.append))
    for number in (11, 12):
        web.add(f"/cache/epub/{number}/pg{number}.txt", gutenberg.SAMPLE.encode())
    list(find_dataset("gutenberg:11,12").documents("train"))
    list(find_dataset("gutenberg:11,12").documents("train"))
    assert waits == [2.0, 2.0]


def test_the_real_tinyshakespeare_is_the_file_that_is_expected(shared_data, web):
    content = (shared_data / "text" / "tinyshakespeare.txt").read_bytes()
    web.add("/char-rnn/input.txt", content)
    [document] = shakespeare.DATASET.documents("train")
    assert document.encode() == content
    assert shakespeare.SIZE == len(content)
