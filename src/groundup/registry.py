"""A folder of files as a registry: the file's name is the public name, and the file exports one constant."""

import importlib
import pkgutil
from typing import Generic, TypeVar

from groundup.errors import UserError, did_you_mean

T = TypeVar("T")


class Folder(Generic[T]):
    """The parts of one kind (families, datasets, tasks, methods, checks), one file each.

    `export` is the constant that every file of the package must define. Files whose name starts with an
    underscore are shared machinery and no part of the registry. Nothing is imported before it is asked for.
    """

    def __init__(self, package: str, export: str, kind: str):
        self.package, self.export, self.kind = package, export, kind

    def names(self) -> list[str]:
        """All public names, sorted, without importing any of the files."""
        where = importlib.import_module(self.package).__path__
        return sorted(m.name for m in pkgutil.iter_modules(where) if not m.name.startswith("_"))

    def get(self, name: str) -> T:
        """The part with that name ("a-b" is "a_b"). UserError with the nearest known one if there is none."""
        name, known = name.replace("-", "_"), self.names()
        if name not in known:
            hint = did_you_mean(name, known)
            raise UserError(f"There is no {self.kind} {name!r}.{hint} Known: {', '.join(known)}.")
        return getattr(importlib.import_module(f"{self.package}.{name}"), self.export)

    def all(self) -> list[T]:
        """Every part, in the order of the names."""
        return [self.get(name) for name in self.names()]
