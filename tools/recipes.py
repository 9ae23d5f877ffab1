"""Checks that every file in recipes/ is complete and valid, before somebody runs it in vain."""

import sys
from pathlib import Path

from groundup.errors import UserError
from groundup.runs.recipe import read_recipe
from groundup.runs.tuning_recipe import read_tuning
from groundup.settings import read_toml

RECIPES = Path(__file__).resolve().parent.parent / "recipes"


def main() -> int:
    """Print what is wrong with each recipe. Returns the exit code."""
    paths = sorted(RECIPES.glob("**/*.toml"))
    broken = not paths
    if broken:
        print(f"There is no recipe in {RECIPES.name}/.")
    for path in paths:
        try:
            (read_tuning if "method" in read_toml(path) else read_recipe)(path)
        except UserError as error:
            print(f"{path.relative_to(RECIPES.parent)}: {error}")
            broken = True
    return broken


if __name__ == "__main__":
    sys.exit(main())
