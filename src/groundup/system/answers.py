"""What a server's answer to a download means: its marks, ranges and waits, and the words for a refusal."""

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from groundup.errors import UserError

if TYPE_CHECKING:
    from requests import Response

LONGEST_WAIT = 600.0
"""Seconds that a server may ask us to wait (Retry-After); it is told to the user if it asks for more."""


def mark_of(response: "Response") -> str:
    """What changes when the file there does; a weak ETag (W/) does not promise the same bytes."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def range_of(response: "Response") -> tuple[int, int]:
    """The first byte and the file's size, from "bytes 100-199/200" or "bytes */200"; else -1 and 0."""
    told = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not told:
        return -1, 0
    return int(told[1] or -1), 0 if told[2] == "*" else int(told[2])


def asked_wait(response: "Response", url: str) -> float:
    """Seconds that the server asks us to wait: a number, or a date beside its own; 0 if it says nothing."""
    asked = response.headers.get("Retry-After", "").strip()
    try:
        if asked.isdigit():
            seconds = float(asked)
        else:
            now = parsedate_to_datetime(response.headers["Date"])
            seconds = max(0.0, (parsedate_to_datetime(asked) - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0.0
    if seconds > LONGEST_WAIT:
        minutes = -int(-seconds // 60)
        raise UserError(
            f"The server of {url} asks to wait {minutes} minutes ({response.status_code}). Try again then."
        )
    return seconds


def refusal(response: "Response", url: str) -> str:
    """The words for a request that no repetition will mend."""
    status, code = response.status_code, response.headers.get("X-Error-Code", "")
    if status in (401, 403) and code == "GatedRepo":
        return (
            f"{url} is gated ({status}): its owner wants you to accept terms first. Accept them on its page, "
            f"then give your token: HF_TOKEN=..., or `hf auth login`."
        )
    if status in (401, 403):
        return (
            f"{url} may not be read ({status}): it is private or not there, or the token is wrong. Check the "
            f"name; for the Hugging Face hub, give a token: HF_TOKEN=..., or `hf auth login`."
        )
    if status in (404, 410):
        return f"There is no file at {url} ({status}). It may have been moved or taken away: check the name."
    if status == 407:
        return (
            f"The proxy wants a password ({status}). Put it into HTTPS_PROXY: http://NAME:PASSWORD@HOST:PORT"
        )
    return f"{url} cannot be fetched: the server answered {status} {response.reason}. Check the address."


def in_words(error: Exception, stall: float) -> str:
    """What cut a connection, without the libraries' chains of names."""
    text = str(error)
    if "407" in text:
        return "the proxy wants a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
    if "ProxyError" in text or type(error).__name__ == "ProxyError":
        return "the proxy cannot be reached (HTTPS_PROXY)"
    if "NameResolutionError" in text:
        return "the server's name is not known here, as without a network"
    if "timed out" in text.lower():
        return f"nothing came for {stall:g} seconds"
    if "refused" in text:
        return "the connection was refused"
    return "the connection was cut"
