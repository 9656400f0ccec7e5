"""Flags of `edge-app bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge_app.settings.choices import DelegateName, FrameKind, Outlet, RuntimeName
from edge_app.settings.flags._base import Command
from edge_app.settings.values import DISTINCT, AddressValue, Shown, SizeValue

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
"""Flags that --single-stream does not use."""


class Bench(Command):
    """Measure what a frame costs, stage by stage: prepared frames go through the pipeline at full speed.

    Several models, numbers of threads, delegates or sizes take turns. So does the classic loop (decode all, crop,
    shrink, invoke): the report compares the CPU time of a frame with that loop, and with entropy decoding alone, which
    no loop can avoid. --source measures a camera instead, at its own pace. Figures are doubtful ("valid" is false in
    the JSON) if the board was throttled, the machine was busy or its clock may have changed; --compare then gives no
    verdict. This command does not read the settings file.

    Examples:
      edge-app bench
      edge-app bench --model cifar10-nano cifar10-base --threads 1 2
      edge-app bench --against-classic --size 640x480 1280x720 --pictures photographs/
      edge-app bench --source webcam:0 --sink log
      edge-app bench --json today.json --compare yesterday.json --plot today.png
      edge-app bench --single-stream --data ../shared/cifar10 --model cifar10-nano
    """

    model: Annotated[list[str], DISTINCT] = Field(
        ["cifar10-base"], description="names of shipped models, or .tflite files"
    )
    labels: Path | None = Field(None, description="file of labels, one a line, for models without a card")
    threads: Annotated[list[Annotated[int, Field(ge=1, le=64)]], DISTINCT] = Field(
        [1], description="numbers of threads of the runtime"
    )
    delegate: Annotated[list[DelegateName], DISTINCT] = Field(["xnnpack"], description="xnnpack, none, or both")
    runtime: RuntimeName = Field("auto", description="package that runs the model")
    source: AddressValue | None = Field(
        None, description="measure a camera, a video or any other source of 'run'; default: prepared frames"
    )
    pictures: Annotated[Path, Shown("FOLDER")] | None = Field(
        None, description="folder of photographs to measure on; default: drawn scenes"
    )
    kind: FrameKind = Field("jpeg", description="format of the frames")
    size: Annotated[list[SizeValue], DISTINCT] = Field(
        [], description="sizes of the frames; default: 640x480, or the source's"
    )
    sink: list[Outlet] = Field(
        [], description="also measure output: log writes every result, preview draws every picture; default: neither"
    )
    frames: int = Field(600, ge=1, description="frames in each repetition")
    repetitions: int = Field(3, ge=1, description="repetitions of each configuration")
    against_classic: bool = Field(False, description="also measure the classic loop on the same frames")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    plot: Path | None = Field(None, description="plot percentiles and stages to this .png, .svg, .pdf or .html file")
    compare: Path | None = Field(None, description="earlier --json file to compare with")
    single_stream: bool = Field(
        False,
        description="measure single inferences on labelled pictures instead: 90th percentile of latency, and accuracy",
    )
    data: Annotated[Path, Shown("PATH")] | None = Field(
        None, description="pictures of --single-stream, as for 'evaluate'; default: CIFAR-10's test pictures"
    )
