"""What all commands have in common."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class Group(BaseSettings):
    """What has commands, or is one."""

    model_config = SettingsConfigDict(
        extra="forbid",
        defer_build=True,  # of a dozen commands one is used
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags="toggle",
        cli_use_class_docs_for_groups=True,
    )

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Take the indentation out of the docstring: it becomes the help. Python 3.13 does it by itself."""
        super().__init_subclass__(**arguments)
        cls.__doc__ = inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Believe only what `command_line` hands over: by itself the class would read $PATH for `--path`."""
        return (init_settings,)


class Command(Group):
    """What every command takes."""

    verbose: bool = Field(False, description="say more on stderr")


class Configured(Command):
    """What those take that read settings."""

    config: Path | None = Field(
        None, description="settings file; default: $EDGE_APP_CONFIG, else ~/.config/edge-app/config.toml"
    )
