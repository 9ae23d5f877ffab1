"""What is shown while long work runs, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from groundup.system.progress import View, duration


class Clock:
    """A time that moves only when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shown(view: View) -> str:
    file = view.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def make_view(clock: Clock, *, terminal: bool) -> View:
    return View(Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None), clock)


@pytest.mark.parametrize(
    "seconds, text",
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_length_of_time_is_told_as_people_say_it(seconds, text):
    assert duration(seconds) == text


def test_elsewhere_a_phase_is_a_plain_line_now_and_then(clock):
    view = make_view(clock, terminal=False)
    with view.phase("Counting") as progress:
        for done in range(1, 31):
            clock.now += 1
            progress(done, 30)
        clock.now += 10
        progress(1234, 0)
    assert shown(view).splitlines() == [
        "Counting …",
        "  10 of 30 (33 %), 20 s left",
        "  20 of 30 (67 %), 10 s left",
        "  30 of 30 (100 %), 0 s left",
        "  1,234",
        "  done in 40 s",
    ]


def test_on_a_terminal_a_phase_is_a_bar(clock):
    view = make_view(clock, terminal=True)
    with view.phase("Counting") as progress:
        progress(1, 2)
    assert "Counting" in shown(view)
    assert "100 %" in shown(view)


def test_elsewhere_training_tells_loss_floor_speed_and_time_left(clock):
    view = make_view(clock, terminal=False)
    with view.training(steps=200, start=100, floor=1.25) as training:
        for step in range(101, 201):
            clock.now += 1
            training.step(step, loss=3.0, tokens_per_second=12_345.6, mfu=0.314)
        training.sample(200, "Once", " upon\n a time")
        training.note("a checkpoint")
    lines = shown(view).splitlines()
    assert lines[0] == (
        "  step 110 of 200 · loss 3.000 · best possible 1.250 · 12,346 tokens a second · MFU 31 % · "
        "1 min 30 s left"
    )
    assert lines[-3:] == [
        "  step 200 of 200 · loss 3.000 · best possible 1.250 · 12,346 tokens a second · MFU 31 % · 0 s left",
        "  sample after step 200: Once upon a time",
        "  a checkpoint",
    ]
    assert len(lines) == 12


def test_on_a_terminal_training_shows_all_of_it_and_text_is_no_markup(clock):
    view = make_view(clock, terminal=True)
    with view.training(steps=20, start=0, floor=None) as training:
        training.step(5, loss=2.5, tokens_per_second=100, mfu=0.05)
        training.sample(5, "[bold]Once", " [/red] upon")
        training.note("[blink]")
    text = shown(view)
    for part in (
        "step 5 of 20",
        "loss 2.500",
        "100 tokens a second",
        "MFU 5 %",
        "sample after step 5",
        "[bold]Once [/red] upon",
    ):
        assert part in text
    assert "[blink]" in text
    assert "best possible" not in text


def test_words_are_shown_as_they_are():
    view = make_view(Clock(), terminal=False)
    view.say("[red]a[/] path/to:file")
    assert shown(view) == "[red]a[/] path/to:file\n"
