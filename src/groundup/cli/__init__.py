"""The command line: one small file per verb. Asking for help costs no torch."""

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from groundup.errors import UserError, did_you_mean
from groundup.registry import Folder

VERBS: Folder[Any] = Folder("groundup.cli", "VERB", "verb")
EXIT_USER, EXIT_STOPPED = 2, 130
LESS_MEMORY = "Choose a smaller model (model.d_model), or fewer rows at once (train.micro_batch)."

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a wrong option or argument. typer carries click inside, under a private name."""


class Suggesting(TyperGroup):
    """A group of verbs that names the nearest one when it does not know what was typed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            known = list(self.commands)
            raise UserError(
                f"There is no verb {args[0]!r}.{did_you_mean(args[0], known)} Known: {', '.join(known)}."
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort() from None  # typer itself would end without a word


def build() -> typer.Typer:
    """The whole command, from the files of this folder."""
    app = typer.Typer(
        name="groundup",
        cls=Suggesting,
        help="A whole language-model workshop on your own machine.",
        epilog="Start with:  groundup demo",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version.")
        ] = False,
    ) -> None: ...

    for name in VERBS.names():
        verb = VERBS.get(name)
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name)
        else:
            app.command(name)(verb)
    return app


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"groundup {version('groundup')}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. What the user can mend is one line on stderr and exit code 2."""
    # Threads that spin long while they wait for each other lose much of their speed as soon as another
    # program wants a core; a short spin and then sleep costs nothing. torch reads it when it is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            command = typer.main.get_command(build())
            code = command.main(args=arguments, prog_name="groundup", standalone_mode=False)
        return int(code or 0)
    except UserError as error:
        return _refuse(str(error))
    except UsageError as error:
        return _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        print("groundup: stopped.", file=sys.stderr)
        return EXIT_STOPPED
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            return _refuse(f"Out of memory ({str(error).splitlines()[0][:200]}). {LESS_MEMORY}")
        raise


def _usage(error: Any) -> int:
    """A wrong option or argument in one line; a group without a verb shows its help instead."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.ctx.get_help())
        return 0
    where = error.ctx.command_path if error.ctx else "groundup"
    return _refuse(f"{error.format_message().rstrip('.')}. See {where} --help.")


def _refuse(message: str) -> int:
    _tell(message)
    return EXIT_USER


def _warn(message: Warning | str, *where_in_the_code: object) -> None:
    _tell(str(message))


def _tell(message: str) -> None:
    print("groundup: " + " ".join(message.split()), file=sys.stderr)
