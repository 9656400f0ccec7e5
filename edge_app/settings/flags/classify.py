"""Flags of `edge-app classify`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge_app.records import Crop
from edge_app.settings.flags._base import Configured, Positional
from edge_app.settings.sections import CameraOptions, DecisionOptions, ModelOptions
from edge_app.settings.values import CropValue


class Classify(Configured, DecisionOptions, ModelOptions):
    """Classify pictures and exit: one line each with name, label and confidence.

    A file's content decides its format. Folders are searched with all their subfolders; `-` reads names from stdin, one
    a line. A picture that cannot be read is named on stderr and skipped. The exit code is 1 if none could be read.

    Examples:
      edge-app classify cat.jpg
      edge-app classify pictures/ holiday.png --model cifar10-nano
      find . -name '*.jpg' | edge-app classify - --json | jq -r '[.name, .label] | @tsv'
    """

    pictures: Annotated[list[str], Positional()] = Field(
        min_length=1, description="files and folders; - reads their names from stdin"
    )
    crop: CropValue = Field(Crop(), description=CameraOptions.model_fields["crop"].description)
    json_: bool = Field(False, alias="json", description="write JSON lines like `run --log -` (docs/results.md)")
