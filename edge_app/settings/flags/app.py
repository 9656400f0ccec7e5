"""`edge-app` with all of its commands: for the help, and for words that are none."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import CliSubCommand

from edge_app.settings.flags._base import Group
from edge_app.settings.flags.bench import Bench
from edge_app.settings.flags.config import Config
from edge_app.settings.flags.doctor import Doctor
from edge_app.settings.flags.evaluate import Evaluate
from edge_app.settings.flags.models import Models
from edge_app.settings.flags.run import Run
from edge_app.settings.flags.service import Service
from edge_app.settings.flags.sources import Sources
from edge_app.settings.flags.train import Train


class App(Group):
    """Point a camera at things and get labels you can trust."""

    version: bool = Field(False, description="print version, runtime and default model")
    run: CliSubCommand[Run]
    sources: CliSubCommand[Sources]
    models: CliSubCommand[Models]
    bench: CliSubCommand[Bench]
    evaluate: CliSubCommand[Evaluate]
    train: CliSubCommand[Train]
    doctor: CliSubCommand[Doctor]
    service: CliSubCommand[Service]
    config_: CliSubCommand[Config] = Field(alias="config")
