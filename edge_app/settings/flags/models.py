"""Flags of `edge-app models`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_app.settings import sections
from edge_app.settings.flags._base import Command, Configured, Group, Positional


class ModelsList(Command):
    """List the models that are installed with edge-app.

    Examples:
      edge-app models list
    """


class ModelsShow(Configured, sections.ModelOptions):
    """Print a model's card, and how much of the model the delegate runs on this machine.

    Examples:
      edge-app models show cifar10-lecture
      edge-app models show my.tflite --labels my-labels.txt --json -
    """

    model: Annotated[str, Positional()] = Field(description="name of a shipped model, or a .tflite file")
    json_: str | None = Field(
        None, alias="json", description="write the card and these facts as JSON to this file; - is stdout"
    )


class ModelsVerify(Configured, sections.ModelOptions):
    """Run all checks of an untrusted model file: size, checksum, trial in a child process, shapes, self-test.

    Examples:
      edge-app models verify downloaded.tflite --labels labels.txt
    """

    model: Annotated[str, Positional()] = Field(description="name of a shipped model, or a .tflite file")


class ModelsSchema(Command):
    """Print the JSON schema of a model card.

    Examples:
      edge-app models schema > card.schema.json
    """


class Models(Group):
    """List, show and verify models.

    Examples:
      edge-app models list
      edge-app models show cifar10-lecture
    """
