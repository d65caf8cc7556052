"""Turn what goes wrong in a command into a message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from memstrata.errors import MemstrataError, NotFound
from memstrata.faces.cli import show

JSON_WANTED: Final = "memstrata.json"  # where a command notes in its context that it answers in JSON

FAILED: Final = 1
MISUSED: Final = 2
ABSENT: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
UNREAD: Final = 141  # 128 + SIGPIPE: whoever read our output has gone


class Faults(TyperGroup):
    """The outermost group: no fault of ours, and no interruption, leaves it as a traceback."""

    def invoke(self, ctx: Any) -> Any:  # Any: the context's class lies elsewhere in every few versions of typer
        """Run a command; raises `typer.Exit` with the code that its fault stands for."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()  # here and not at the end of Python, where nobody could say what failed
        except MemstrataError as exc:
            show.error(str(exc), name=type(exc).__name__, as_json=bool(ctx.meta.get(JSON_WANTED)))
            raise typer.Exit(ABSENT if isinstance(exc, NotFound) else FAILED) from exc
        except typer.BadParameter as exc:
            if not ctx.meta.get(JSON_WANTED):
                raise
            show.error(exc.format_message(), name="Usage", as_json=True)
            raise typer.Exit(MISUSED) from exc
        except KeyboardInterrupt as exc:
            raise typer.Exit(INTERRUPTED) from exc
        except BrokenPipeError as exc:
            _close_stdout()
            raise typer.Exit(UNREAD) from exc
        return found


def _close_stdout() -> None:
    """See that Python does not try to write the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
