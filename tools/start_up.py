"""Checks that `groundup --help` answers within half a second and that it does not import what is heavy."""

import subprocess
import sys
import time

SECONDS = 0.5
HEAVY = ("torch", "transformers", "matplotlib", "pyarrow", "numpy", "huggingface_hub", "tokenizers")
LIST_WHAT_HELP_IMPORTS = """
import sys
sys.argv = ["groundup", "--help"]
from groundup.cli import main
main()
print("imported:", *sorted(sys.modules))
"""


def seconds_for_help() -> float:
    """The shortest of up to five runs: whatever else the machine does makes a run longer, never shorter."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "groundup", "--help"], check=True, capture_output=True)
        best = min(best, time.perf_counter() - start)
        if best < SECONDS:
            break
    return best


def heavy_imports_of_help() -> list[str]:
    """The heavy packages that are loaded after the help has been printed."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_WHAT_HELP_IMPORTS], check=True, capture_output=True, text=True
    )
    modules = done.stdout.splitlines()[-1].split()
    return [name for name in HEAVY if name in modules]


def main() -> int:
    """Print what is wrong with starting up, if anything. Returns the exit code."""
    heavy, seconds = heavy_imports_of_help(), seconds_for_help()
    if heavy:
        print(f"groundup --help imports {', '.join(heavy)}. Import it inside the function that needs it.")
    if seconds > SECONDS:
        print(f"groundup --help took {seconds:.2f} s, more than {SECONDS} s. Find the reason with")
        print("python -X importtime -m groundup --help")
    return bool(heavy) or seconds > SECONDS


if __name__ == "__main__":
    sys.exit(main())
