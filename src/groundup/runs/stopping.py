"""Being asked to stop: the first time a run ends after its step with all of it saved, the second at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator

from groundup.training.loop import State


@contextlib.contextmanager
def stopping(state: State, say: Callable[[str], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the run after its step, with a checkpoint; a second one at once."""

    def ask(number: int, frame: object) -> None:
        if state.stop:
            raise KeyboardInterrupt
        state.stop = True
        say("Stopping after this step …")

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
