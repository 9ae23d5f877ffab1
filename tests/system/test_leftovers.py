"""What a killed process leaves half written goes with the next one."""

import os

from groundup.system.files import remove_leftovers


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    for name in (".model.old", ".step-000004.17.part", ".hidden", "model"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    for name in (".run.json.17.part", ".report.html.17.part", ".loss.png.17.part", ".lock", "a.part"):
        (tmp_path / name).write_bytes(b"x")
    os.utime(tmp_path / ".loss.png.17.part", (0, 0))
    remove_leftovers(tmp_path, shared=("report.html", "loss.png"))
    left = {".hidden", "model", ".lock", "a.part", ".report.html.17.part"}
    assert {path.name for path in tmp_path.iterdir()} == left
    remove_leftovers(tmp_path / "nowhere")
