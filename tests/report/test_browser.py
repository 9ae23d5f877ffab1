"""The page in a real browser: nothing sticks out on a phone, and dark mode is dark."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from groundup import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run "
    "--disable-component-update --disable-sync --hide-scrollbars --allow-file-access-from-files"
).split()
# A headless window cannot be narrower than about 500 px, but a frame in it can.
FRAME = """<!DOCTYPE html>
<body style="margin:0"><iframe src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<script>onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  const right = (part) => part.getBoundingClientRect().right;
  const parts = [...page.querySelectorAll("body *")].filter(part => !part.closest("svg"));
  const out = parts.filter(part => right(part) > {width} + 1);
  const names = out.slice(0, 5).map(part => part.className || part.tagName);
  const ground = getComputedStyle(page.body).backgroundColor;
  document.body.append(`[${{page.documentElement.scrollWidth}}|${{names}}|${{ground}}]`);
}}</script>"""


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("No Chromium is installed, so the page cannot be looked at.")
    return found


def seen(browser: str, page: Path, width: int, *options: str) -> tuple[int, str, list[int]]:
    """The page's width in px, what sticks out, and the background as red, green, blue."""
    frame = page.with_name(f"frame-{width}.html")
    frame.write_text(FRAME.format(page=page.as_uri(), width=width), encoding="utf-8")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [browser, *QUIET, profile, *options, "--window-size=1000,900", "--dump-dom", frame.as_uri()]
    dom = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r"\[(\d+)\|([^|]*)\|rgb\((.*?)\)\]", dom)
    assert found, dom[-500:]
    return int(found[1]), found[2], [int(part) for part in found[3].split(",")]


@pytest.mark.slow
def test_nothing_sticks_out_at_the_width_of_a_phone_and_dark_mode_is_dark(make_run, browser):
    long = "W" * 400
    line = make_run.sample(100, 100, long, long) | {"mistake": {"position": 2, "word": long, "why": long}}
    score = {"task": long, "metric": long, "value": 1.5, "n": 3, "protocol": long, "version": long}
    texts = dict.fromkeys(("name", "device", "family", "platform", "torch"), long)
    page = report.write(
        make_run(
            "w",
            samples=[line],
            evaluation=[score],
            recipe=f'{long} = "{long}"\n',
            facts=texts | {"data": {"source": long}},
        ),
        commands=[(long, long)],
    )
    for width in (320, 360, 900):
        assert seen(browser, page, width)[:2] == (width, "")
    assert min(seen(browser, page, 360)[2]) > 200
    assert max(seen(browser, page, 360, "--blink-settings=preferredColorScheme=0")[2]) < 60
