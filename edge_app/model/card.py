"""A model's card: what its file promises."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class FileFacts(_Part):
    """The file that the card speaks of."""

    name: str = Field(description="file name, beside the card")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file, hexadecimal")
    bytes: int = Field(gt=0, description="size of the file")


class InputFacts(_Part):
    """What goes in."""

    height_px: int = Field(gt=0)
    width_px: int = Field(gt=0)
    low: float = Field(description="real value that pixel 0 becomes")
    high: float = Field(description="real value that pixel 255 becomes")
    color: Literal["rgb"] = "rgb"
    crop: Literal["center"] = Field("center", description="how a picture was cropped in training and evaluation")
    resampling: Literal["area"] = Field("area", description="how a picture was shrunk in training and evaluation")


class Thresholds(_Part):
    """When a label is named; smoothed, calibrated probabilities."""

    enter: float = Field(ge=0, le=1, description="a label is named when its probability reaches this")
    leave: float = Field(ge=0, le=1, description="and no longer named when it falls below this")


class Accuracy(_Part):
    """Share of pictures labelled correctly, 0..1. `test` figures: CIFAR-10's 10,000 test pictures, one pass."""

    validation_float: float = Field(ge=0, le=1)
    validation_int8: float = Field(ge=0, le=1)
    test_float: float | None = Field(None, ge=0, le=1)
    test_int8: float | None = Field(None, ge=0, le=1)
    test_int8_camera_path: float | None = Field(None, ge=0, le=1, description="see 'edge-app evaluate --help'")
    test_int8_degraded: dict[str, float] = Field({}, description="by degradation; see docs/training.md")


class CalibrationError(_Part):
    """Expected calibration error on the validation pictures, 15 bins, 0..1 (Guo et al. 2017)."""

    before: float = Field(ge=0, le=1, description="with the logits as they are")
    after: float = Field(ge=0, le=1, description="divided by the temperature")


class Latency(_Part):
    """How long one inference takes beside a reference model in the same run: one thread, medians."""

    reference: str = Field(description="file name of the reference")
    ratio: float = Field(gt=0, description="this model's latency divided by the reference's")


class Training(_Part):
    """Where the weights come from."""

    recipe: str
    command: str = Field(description="command that makes the model again")
    data: str
    data_md5: dict[str, str] = Field(description="MD5 of each official data file")
    data_sha256: str | None = Field(None, description="SHA-256 over training pictures and labels, as they were read")
    epochs: int
    seed: int
    parameters: int
    macs: int = Field(description="multiply-accumulate operations for one picture")
    origin: str | None = Field(None, description="weights that the training went on from")
    teacher: str | None = Field(None, description="model whose answers were learned beside the labels")


class Golden(_Part):
    """A self-test: a picture made by a formula, and the raw outputs it must give.

    The picture's byte i (row by row, pixel by pixel, R G B) is (37 * i + 11) mod 256. XNNPACK and the runtime's plain
    kernels round differently, so each has an output of its own. Older cards hold XNNPACK's only.
    """

    output: list[int] = Field(description="raw output tensor with XNNPACK, in quantisation steps")
    output_plain: list[int] | None = Field(
        None, description="the same on plain kernels: tflite-runtime 2.14, or --delegate none"
    )
    operators_delegated: int | None = Field(
        None, ge=0, description="operators that XNNPACK ran for `output`; plain kernels ran the others"
    )
    tolerance: int = Field(2, ge=0, description="steps by which the same kind of kernel may differ")

    @property
    def kernels(self) -> str:
        """Kinds of kernel that have an output here, in words."""
        return "XNNPACK alone" if self.output_plain is None else "XNNPACK and plain kernels"


class Card(_Part):
    """A model's card, stored beside it as NAME.json and written by the training, never by hand."""

    schema_version: Literal[1] = 1
    name: str
    description: str
    license: str
    file: FileFacts
    weights: FileFacts | None = Field(None, description="the float weights, beside the file; 'edge-app train --from'")
    input: InputFacts
    output: Literal["logits", "probabilities"]
    labels: list[str] = Field(min_length=2)
    temperature: float = Field(gt=0, description="logits are divided by this before softmax; fitted on validation")
    thresholds: Thresholds
    accuracy: Accuracy
    calibration_error: CalibrationError | None = None
    latency: list[Latency] = []
    training: Training
    golden: Golden


def json_schema() -> str:
    """Return the card's JSON schema as text; docs/model-card.schema.json is this."""
    schema = {"$schema": SCHEMA_URL, **Card.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
