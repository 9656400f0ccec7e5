"""Flags of `edge-app bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge_app.flags._base import Command


class Bench(Command):
    """Measure what a frame costs, stage by stage: prepared frames go through the pipeline as fast as it takes them.

    Several models, numbers of threads or delegates take turns on the same frames. Against the classic loop (decode all
    of it, crop, shrink, invoke) the processor time of a frame is compared, and of JPEG with decoding the entropy code
    alone, which no loop can avoid. A board that is slowed down, or busy with something else, is said.

    Examples:
      edge-app bench
      edge-app bench --model cifar10-nano --model cifar10-base --threads 1 --threads 2
      edge-app bench --against-classic --size 1280x720 --pictures photographs/
      edge-app bench --json today.json --compare yesterday.json --plot today.png
      edge-app bench --single-stream --data ../shared/cifar10 --model cifar10-nano
    """

    model: list[str] = Field(["cifar10-base"], description="name or .tflite file; may be repeated")
    labels: Path | None = Field(None, description="labels, one a line, for models without a card")
    threads: list[Annotated[int, Field(ge=1, le=64)]] = Field([1], description="of the runtime; may be repeated")
    delegate: list[Literal["xnnpack", "none"]] = Field(["xnnpack"], description="may be repeated")
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = Field("auto", description="package of the runtime")
    pictures: Path | None = Field(None, description="folder of photographs to measure on; default: drawn scenes")
    kind: Literal["jpeg", "yuyv", "rgb"] = Field("jpeg", description="what the camera delivers")
    size: str = Field("640x480", pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$", description="WIDTHxHEIGHT of the frames")
    frames: int = Field(600, ge=1, description="frames of each repetition")
    repetitions: int = Field(3, ge=1, description="of each configuration")
    against_classic: bool = Field(False, description="measure the classic loop on the same frames too")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    plot: Path | None = Field(None, description="draw percentiles and stages into this .png, .svg, .pdf or .html")
    compare: Path | None = Field(None, description="an older --json file to compare with")
    single_stream: bool = Field(
        False, description="MLPerf Tiny's figure instead: p90 of single inferences over labelled pictures, and accuracy"
    )
    data: Path | None = Field(
        None, description="pictures of --single-stream, as for 'evaluate'; default: CIFAR-10's test pictures"
    )
