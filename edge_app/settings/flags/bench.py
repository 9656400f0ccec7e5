"""Flags of `edge-app bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings.choices import DelegateName, FrameKind, Outlet, RuntimeName
from edge_app.settings.flags._base import Command
from edge_app.settings.values import DISTINCT, Shown, SizeValue

ONLY_FRAMES = (
    "source",
    "pictures",
    "kind",
    "size",
    "sink",
    "frames",
    "repetitions",
    "against_classic",
    "plot",
    "compare",
)
"""Flags that --single-stream has no use for."""


class Bench(Command):
    """Measure what a frame costs, stage by stage: prepared frames go through the pipeline as fast as it takes them.

    Several models, numbers of threads, delegates or sizes take turns, and so does the classic loop (decode all of it,
    crop, shrink, invoke), beside which the processor time of a frame stands, and beside decoding the entropy code
    alone, which no loop can avoid. With --source a camera is measured instead, at its own pace. Where the board was
    slowed down, the machine was busy or the clock may have changed, the figures are called doubtful ("valid" is false
    in the JSON), and --compare gives no verdict on them. Needs no settings file, and reads none.

    Examples:
      edge-app bench
      edge-app bench --model cifar10-nano cifar10-base --threads 1 2
      edge-app bench --against-classic --size 640x480 1280x720 --pictures photographs/
      edge-app bench --source webcam:0 --sink log
      edge-app bench --json today.json --compare yesterday.json --plot today.png
      edge-app bench --single-stream --data ../shared/cifar10 --model cifar10-nano
    """

    model: Annotated[list[str], DISTINCT] = Field(["cifar10-base"], description="names or .tflite files")
    labels: Path | None = Field(None, description="labels, one a line, for models without a card")
    threads: Annotated[list[Annotated[int, Field(ge=1, le=64)]], DISTINCT] = Field(
        [1], description="numbers of threads of the runtime"
    )
    delegate: Annotated[list[DelegateName], DISTINCT] = Field(["xnnpack"], description="xnnpack, none, or both")
    runtime: RuntimeName = Field("auto", description="package of the runtime")
    source: str | None = Field(
        None, description="measure on a camera, a video or whatever else 'run' takes; default: on prepared frames"
    )
    pictures: Annotated[Path, Shown("FOLDER")] | None = Field(
        None, description="folder of photographs to measure on; default: drawn scenes"
    )
    kind: FrameKind = Field("jpeg", description="what the camera delivers")
    size: Annotated[list[SizeValue], DISTINCT] = Field(
        [], description="sizes of the frames; default: 640x480, or the source's"
    )
    sink: list[Outlet] = Field(
        [], description="take the results too: log writes each of them, preview draws as for a window; default: nothing"
    )
    frames: int = Field(600, ge=1, description="frames of each repetition")
    repetitions: int = Field(3, ge=1, description="of each configuration")
    against_classic: bool = Field(False, description="measure the classic loop on the same frames too")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    plot: Path | None = Field(None, description="draw percentiles and stages into this .png, .svg, .pdf or .html")
    compare: Path | None = Field(None, description="an older --json file to compare with")
    single_stream: bool = Field(
        False, description="single inferences over labelled pictures instead: their 90th percentile, and the accuracy"
    )
    data: Annotated[Path, Shown("PATH")] | None = Field(
        None, description="pictures of --single-stream, as for 'evaluate'; default: CIFAR-10's test pictures"
    )
