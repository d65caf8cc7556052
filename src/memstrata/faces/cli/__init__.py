"""The command line: each command parses, calls one method of the engine, and shows what comes back."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

# each adds its commands, and `--help` lists them in this order
# isort: off
from memstrata.faces.cli import memories  # noqa: F401
from memstrata.faces.cli import keeping  # noqa: F401
from memstrata.faces.cli import serve, mcp, demo, doctor, bench  # noqa: F401

# isort: on
from memstrata.faces.cli.options import app

__all__ = ["app", "main"]


def _version(wanted: bool) -> None:
    if wanted:
        from memstrata import __version__

        typer.echo(f"memstrata {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Run the command line; what a terminal cannot show is replaced."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file, unless Python was embedded
    app()
