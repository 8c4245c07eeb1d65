"""The command line: one file per command. Scripts in scripts/ are thin faces of it."""

from forecast.cli.entry import main

__all__ = ["main"]
