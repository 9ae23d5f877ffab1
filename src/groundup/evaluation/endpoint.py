"""Ask a model behind an OpenAI-style address: Ollama's, llama.cpp's, our own server's or a provider's."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from groundup.errors import UserError
from groundup.system.answers import asked_wait, in_words
from groundup.system.download import CONNECT_SECONDS, TRIES
from groundup.text.chat import Message

if TYPE_CHECKING:
    from requests import Response

KEY = "GROUNDUP_JUDGE_KEY"
"""The variable that may hold the key. A name of its own: the key of one service must never reach another."""


class _Failed(Exception):
    """A try failed in a way that another one may mend; `wait` is the seconds that the server asked for."""

    def __init__(self, why: str, wait: float = 0.0):
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, and by which name.

    base_url: what stands before /chat/completions, such as "http://localhost:11434/v1". key: by default that
    of the environment variable GROUNDUP_JUDGE_KEY; local servers need none. stall: seconds without a byte
    after which a connection counts as dead: a large model may think for long before its first word.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    stall: float = 300.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def ask(self, messages: Sequence[Message]) -> str:
        """The model's reply. UserError, in one line, for what five tries do not mend."""
        for failures in range(1, TRIES + 1):
            try:
                return self._try(messages)
            except _Failed as failed:
                if failures == TRIES:
                    raise UserError(
                        f"{self.model!r} at {self.base_url} gave no reply in {TRIES} tries: {failed}. Check "
                        f"that the server runs and that base_url is right: it mostly ends in /v1."
                    ) from None
                self.sleep(failed.wait or 2.0 ** (failures - 1))
        raise AssertionError("the last try returns or raises")

    def _try(self, messages: Sequence[Message]) -> str:
        import requests
        from requests import exceptions as errors
        from urllib3.exceptions import HTTPError

        # Nothing but what every such server knows: some refuse a seed, a temperature or a limit.
        question = {"model": self.model, "messages": [dict(message) for message in messages]}
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        try:
            response = requests.post(
                url,
                json=question,
                headers=self._headers(),
                auth=lambda request: request,  # else requests would replace the key by one of ~/.netrc
                timeout=(CONNECT_SECONDS, self.stall),
                allow_redirects=False,  # a question that follows one would arrive empty
            )
        except (errors.InvalidURL, errors.MissingSchema, errors.InvalidSchema):
            raise UserError(f"base_url = {self.base_url!r} is no address. Begin it with http://") from None
        except (errors.RequestException, HTTPError) as error:
            raise _Failed(in_words(error, self.stall)) from None
        return self._reply(response, url)

    def _headers(self) -> dict[str, str]:
        key = (self.key or os.environ.get(KEY, "")).strip()
        if not all("!" <= letter <= "~" for letter in key):
            raise UserError(f"The key of the judge ({KEY}) has characters that no key has. Copy it again.")
        return {"User-Agent": "groundup"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def _reply(self, response: "Response", url: str) -> str:
        status = response.status_code
        if status == 200:
            try:
                reply = response.json()["choices"][0]["message"]["content"]
            except (ValueError, KeyError, IndexError, TypeError):
                reply = None
            if not isinstance(reply, str):
                raise _Failed(f"what came is no chat completion but {_line(response.text)!r}")
            return reply
        said = _complaint(response)
        if status in (408, 429) or status >= 500:
            raise _Failed(f"the server answered {status} {response.reason}{said}", asked_wait(response, url))
        if status in (401, 403):
            raise UserError(f"{url} does not accept the key ({status}){said}. Give one as {KEY}=...")
        if status == 404:
            raise UserError(
                f"There is no chat at {url}, or no model {self.model!r} ({status}){said}. Check both names: "
                f"base_url mostly ends in /v1."
            )
        raise UserError(
            f"{url} refuses the question ({status} {response.reason}){said}. Check what it wants."
        )


def _complaint(response: "Response") -> str:
    """What a server says about an error, if it says so in the usual form."""
    try:
        told: Any = response.json()["error"]
        told = told["message"] if isinstance(told, dict) else told
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {_line(told).rstrip('.')}" if isinstance(told, str) and told.strip() else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:160]
