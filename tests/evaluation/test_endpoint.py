"""A model behind an address, from a real server on this machine that behaves badly."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.chat_server import ChatServer, Wrong, serve_chat

from groundup.errors import UserError
from groundup.evaluation.endpoint import KEY, Endpoint
from groundup.system.download import TRIES

ASKED = [{"role": "user", "content": "Who? 🍞"}]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no key and no ~/.netrc of the person who runs the tests."""
    for name in ("http_proxy", "all_proxy", KEY, "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with serve_chat() as chat:
        yield chat


@pytest.fixture
def waits() -> list[float]:
    """The seconds that were waited between tries, without waiting."""
    return []


@pytest.fixture
def endpoint(chat: ChatServer, waits: list[float]) -> Endpoint:
    return Endpoint(chat.base_url, "tiny", sleep=waits.append)


def refusal(endpoint: Endpoint) -> str:
    """The one line in which a question ends."""
    with pytest.raises(UserError) as caught:
        endpoint.ask(ASKED)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_question_is_asked_in_the_form_that_every_server_knows(chat, endpoint, waits):
    chat.reply = lambda question: f"{question} Tom.\n"
    assert endpoint.ask(ASKED) == "Who? 🍞 Tom.\n"
    assert replace(endpoint, base_url=chat.base_url + "/").ask(ASKED) == "Who? 🍞 Tom.\n"
    assert chat.paths == ["/v1/chat/completions"] * 2
    assert chat.questions == [{"model": "tiny", "messages": ASKED}] * 2
    assert chat.headers[0]["Content-Type"] == "application/json"
    assert "Authorization" not in chat.headers[0]
    assert waits == []


def test_the_key_comes_from_the_argument_or_from_its_own_variable_and_is_never_shown(
    chat, endpoint, monkeypatch, tmp_path
):
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-service")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password of-another-file")
    endpoint.ask(ASKED)
    monkeypatch.setenv(KEY, "from-variable\n")
    endpoint.ask(ASKED)
    own = replace(endpoint, key="from-argument")
    own.ask(ASKED)
    sent = [headers.get("Authorization") for headers in chat.headers]
    assert sent == [None, "Bearer from-variable", "Bearer from-argument"]
    assert "from-argument" not in repr(own)
    chat.wrongs = [Wrong(401, json.dumps({"error": {"message": "Wrong key."}}))]
    told = refusal(own)
    assert "does not accept the key (401): Wrong key. Give one as GROUNDUP_JUDGE_KEY=..." in told
    assert "from-argument" not in told
    told = refusal(replace(endpoint, key="two\nlines"))
    assert "The key of the judge (GROUNDUP_JUDGE_KEY) has characters that no key has" in told
    assert "two" not in told


def test_what_may_pass_is_tried_again_after_waits_that_grow(chat, endpoint, waits):
    chat.wrongs = [Wrong(500), Wrong(503), Wrong(408), Wrong(502)]
    assert endpoint.ask(ASKED).endswith("Score: 7")
    assert waits == [1, 2, 4, 8]


def test_a_server_that_asks_to_wait_is_heeded(chat, endpoint, waits):
    chat.wrongs = [Wrong(429, headers={"Retry-After": "7"}), Wrong(503, headers={"Retry-After": "0"})]
    endpoint.ask(ASKED)
    assert waits == [7, 2]
    chat.wrongs = [Wrong(429, headers={"Retry-After": "4000"})]
    assert "asks to wait 67 minutes (429). Try again then." in refusal(endpoint)


@pytest.mark.parametrize(
    "body",
    [
        "<html>\n<p>Hello</p>",
        "",
        "[]",
        "null",
        '{"choices": []}',
        '{"choices": [{"message": {"content": null}}]}',
        '{"choices": [{"text": "a completion"}]}',
        '{"choices": [{"message": ',
    ],
)
def test_what_is_no_chat_completion_is_tried_again_and_then_told(chat, endpoint, waits, body):
    chat.wrongs = [Wrong(body=body)]
    assert endpoint.ask(ASKED).endswith("Score: 7")
    chat.wrongs = [Wrong(body=body)] * TRIES
    shown = " ".join(body.split())
    assert refusal(endpoint) == (
        f"'tiny' at {chat.base_url} gave no reply in 5 tries: what came is no chat completion but {shown!r}. "
        f"Check that the server runs and that base_url is right: it mostly ends in /v1."
    )
    assert waits == [1, 1, 2, 4, 8]


def test_a_reply_that_is_cut_is_asked_for_again(chat, endpoint, waits):
    chat.wrongs = [Wrong(body='{"choices": [{"message": {"content": "Score: 10"}}]}   ', short=20)]
    assert endpoint.ask(ASKED) == "Well.\nScore: 7"
    assert waits == [1]


def test_a_server_that_says_nothing_is_left_after_a_while(chat, endpoint, waits):
    slow = replace(endpoint, stall=0.05)
    chat.wrongs = [Wrong(silent=True)]
    assert slow.ask(ASKED).endswith("Score: 7")
    chat.wrongs = [Wrong(silent=True)] * TRIES
    assert "in 5 tries: nothing came for 0.05 seconds. Check that the server runs" in refusal(slow)


def test_a_server_that_does_not_run_is_told_in_words(endpoint, waits):
    with serve_chat() as gone:
        pass
    told = refusal(replace(endpoint, base_url=gone.base_url))
    assert "gave no reply in 5 tries: the connection was refused. Check that the server runs" in told
    assert waits == [1, 2, 4, 8]


@pytest.mark.parametrize(
    "wrong, told",
    [
        (Wrong(404, '{"error": "no such model"}'), "no model 'tiny' (404): no such model. Check both"),
        (Wrong(404, "<html>"), "There is no chat at "),
        (Wrong(400, '{"error": {"message": "Too\\nlong."}}'), "the question (400 Bad Request): Too long."),
        (Wrong(403, '{"error": {"code": 1}}'), "does not accept the key (403). Give one as"),
        (Wrong(301, headers={"Location": "/elsewhere"}), "refuses the question (301 Moved Permanently)."),
    ],
)
def test_what_no_repetition_mends_is_told_at_once(chat, endpoint, waits, wrong, told):
    chat.wrongs = [wrong]
    assert told in refusal(endpoint)
    assert (waits, len(chat.questions)) == ([], 1)


@pytest.mark.parametrize("base_url", ["localhost:11434/v1", "", "http://", "ftp://a/v1"])
def test_what_is_no_address_is_told_at_once(endpoint, waits, base_url):
    told = refusal(replace(endpoint, base_url=base_url))
    assert told == f"base_url = {base_url!r} is no address. Begin it with http://"
    assert waits == []
