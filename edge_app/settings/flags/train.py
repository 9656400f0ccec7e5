"""Flags of `edge-app train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings.choices import Device
from edge_app.settings.flags._base import Command
from edge_app.settings.values import Shown


class Train(Command):
    """Train a network on labelled pictures, quantise it to int8, measure it, and write it with its card.

    After an interruption (Ctrl-C, a power cut) the same command resumes after the last finished epoch and produces the
    same file. Recipes: base (the default), nano (small and quick), lecture, lecture-dense. Writes NAME.tflite (the
    model), NAME.json (its card) and NAME.safetensors (float weights for further training).

    Examples:
      edge-app train --recipe nano --data ../shared/cifar10
      edge-app train --data pictures/fruit --size 96                a folder train/LABEL/*.jpg
      edge-app train --data pictures/fruit --from cifar10-base      fine-tune: a few pictures suffice
      edge-app run --model trained/fruit-base.tflite
    """

    recipe: str = Field("base", description="base, nano, lecture or lecture-dense")
    data: Annotated[Path, Shown("PATH")] | None = Field(
        None,
        description="CIFAR-10's folder or archive, or a folder train/LABEL/*.jpg; "
        "default: $EDGE_APP_CIFAR10, else CIFAR-10 is downloaded",
    )
    out: Annotated[Path, Shown("FOLDER")] = Field(
        Path("trained"), description="folder for the model and the checkpoint"
    )
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+$", description="name of the model; default: DATA-RECIPE")
    epochs: int | None = Field(None, gt=0, description="passes over the training pictures; default: the recipe's")
    seed: int = Field(1, ge=0, lt=2**32, description="fixes initial weights, order and augmentation")
    size: int | None = Field(
        None, ge=32, le=512, description="side of the model's input, pixels; default: 32, or that of --from"
    )
    from_: Annotated[str, Shown("PATH")] | None = Field(
        None, alias="from", description="start from a shipped model's weights, or from a .safetensors file"
    )
    rate: float | None = Field(
        None, gt=0, le=10, description="factor on the recipe's learning rates; default: 1, or 0.2 with --from"
    )
    device: Device = Field("auto", description="where to train")
    threads: int | None = Field(None, ge=1, description="number of CPU threads; default: one for each core")
    restart: bool = Field(False, description="start again, ignoring the checkpoint of an interrupted training")
    reference: list[Path] = Field([], description=".tflite file to compare latency with on the card; may be repeated")
