"""Base records of the commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from edge_app.settings.sections import Record


@dataclass(frozen=True, slots=True)
class Positional:
    """Marks a field as a positional argument instead of a flag."""


class Group(Record):
    """A command that only has subcommands."""


class Command(Record):
    """The flags of every command."""

    verbose: bool = Field(False, description="print more messages on stderr")


class Configured(Command):
    """The flags of commands that read settings."""

    config: Path | None = Field(
        None, description="settings file; default: $EDGE_APP_CONFIG, else ~/.config/edge-app/config.toml"
    )
