"""What all commands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from edge_app.settings.sections import Record


@dataclass(frozen=True, slots=True)
class Positional:
    """Marks a field that is a word by itself and no flag."""


class Group(Record):
    """What has commands of its own."""


class Command(Record):
    """What every command takes."""

    verbose: bool = Field(False, description="say more on stderr")


class Configured(Command):
    """What those take that read settings."""

    config: Path | None = Field(
        None, description="settings file; default: $EDGE_APP_CONFIG, else ~/.config/edge-app/config.toml"
    )
