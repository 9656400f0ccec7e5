"""Flags of `edge-app evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings import sections
from edge_app.settings.choices import EvaluatedPath
from edge_app.settings.flags._base import Configured
from edge_app.settings.values import Shown


class Evaluate(Configured, sections.ModelOptions):
    """Measure a model's accuracy on labelled pictures: unchanged, degraded, and through the camera path.

    The pictures are CIFAR-10's 10,000 test pictures, or your own in folders named by label. The camera path enlarges
    each into a 640x480 frame with noise, encodes it as JPEG and sends it through a source and the pipeline, which
    exposes preprocessing mistakes. Degradations: JPEG quality 75 (4:2:0), noise of sigma 12, blur of sigma 1, exposure
    40 % up and down, warm and cold casts.

    Examples:
      edge-app evaluate --model cifar10-base --data ../shared/cifar10
      edge-app evaluate --model cifar10-nano --html report.html --json report.json
      edge-app evaluate --model trained/fruit-base.tflite --data pictures/fruit
      edge-app evaluate --path camera --limit 1000
    """

    data: Annotated[Path, Shown("PATH")] | None = Field(
        None,
        description="CIFAR-10's folder or archive, or a folder test/LABEL/*.jpg; "
        "default: $EDGE_APP_CIFAR10, else CIFAR-10 is downloaded",
    )
    path: EvaluatedPath = Field(
        "both", description="which path to measure; camera-full decodes every frame at full size, for comparison"
    )
    degraded: bool = Field(True, description="leave out the degraded pictures, which take seven more passes")
    limit: int | None = Field(None, gt=0, description="use only this many pictures, the first ones")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    html: Path | None = Field(None, description="write a page with plots and the worst mistakes; needs matplotlib")
