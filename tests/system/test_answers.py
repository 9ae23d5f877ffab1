"""What servers and proxies answer to a download, and what becomes of it."""

import pytest

from groundup.errors import UserError
from tests.system.conftest import CONTENT, fetch
from tests.web import Fault


@pytest.mark.parametrize(
    "status, headers, words",
    [
        (404, {}, "There is no file at .*file.bin .404.*moved"),
        (401, {"X-Error-Code": "RepoNotFound"}, "private or not there.*HF_TOKEN"),
        (403, {"X-Error-Code": "GatedRepo"}, "is gated .403.*accept terms"),
        (418, {}, "the server answered 418"),
    ],
)
def test_what_no_repetition_mends_is_one_line_at_once(web, url, path, status, headers, words):
    web.faults = [Fault(status=status, headers=headers)]
    with pytest.raises(UserError, match=words) as caught:
        fetch(url, path)
    assert "\n" not in str(caught.value) and len(web.requests) == 1


def test_too_many_requests_are_followed_by_the_wait_that_the_server_asks_for(web, url, path):
    date = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2026 07:28:45 GMT"}
    web.faults = [
        Fault(status=429, headers={"Retry-After": "17"}),
        Fault(status=503, headers={"Retry-After": "soon"}),
        Fault(status=429, headers=date),
    ]
    assert fetch(url, path) == [17, 2, 45]
    assert path.read_bytes() == CONTENT


def test_a_wait_of_an_hour_is_told_instead_of_waited(web, url, path):
    web.faults = [Fault(status=429, headers={"Retry-After": "3601"})]
    with pytest.raises(UserError, match="asks to wait 61 minutes .429"):
        fetch(url, path)


def test_nobody_at_the_address_is_one_line(web, path):
    with pytest.raises(UserError, match="in 5 tries: the connection was refused"):
        fetch("http://127.0.0.1:9/file", path)


@pytest.mark.parametrize("address", ["file.bin", "http://", "ftp://files.example/x"])
def test_what_is_no_address_is_one_line(web, path, address):
    with pytest.raises(UserError, match="is no address"):
        fetch(address, path)


def test_the_proxy_of_the_environment_is_asked_and_no_proxy_exempts_from_it(web, path, monkeypatch):
    web.add("/file.bin", CONTENT)
    monkeypatch.setenv("HTTP_PROXY", web.address)
    fetch("http://files.example/file.bin", path)
    assert web.requests[0][0] == "http://files.example/file.bin"
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch(web.address + "/file.bin", path.with_name("direct"))
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(UserError, match="proxy"):
        fetch(web.address + "/file.bin", path.with_name("never"))
