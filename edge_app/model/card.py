"""A model's card: what it promises about its file."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge_app.system.wording import counted

SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


def _file_name(name: str) -> str:
    if not name.isprintable() or "/" in name or "\\" in name or name in ("", ".", ".."):
        raise ValueError("write the name of a file in the card's folder, without a path")
    return name


def _label(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a label is a word or a few, without control characters")
    return text


FileName = Annotated[str, AfterValidator(_file_name)]
Label = Annotated[str, AfterValidator(_label), Field(max_length=200)]
SIDES_PX = (1, 4096)  # of an input; the largest classifiers in use take 600 (EfficientNet-B7)
TEMPERATURES = (0.01, 100.0)  # fitted ones lie between 0.5 and 5 (Guo et al. 2017, table 1)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


class FileFacts(_Part):
    """The file the card describes."""

    name: FileName = Field(description="file name, in the same folder as the card")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file, hexadecimal")
    bytes: int = Field(gt=0, description="size of the file")


class InputFacts(_Part):
    """The model's input."""

    height_px: int = Field(ge=SIDES_PX[0], le=SIDES_PX[1])
    width_px: int = Field(ge=SIDES_PX[0], le=SIDES_PX[1])
    low: float = Field(description="real value of pixel 0")
    high: float = Field(description="real value of pixel 255")
    color: Literal["rgb"] = "rgb"
    crop: Literal["center"] = Field("center", description="how a picture was cropped in training and evaluation")
    resampling: Literal["area"] = Field("area", description="how a picture was shrunk in training and evaluation")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        return self


class Thresholds(_Part):
    """When a label is named: thresholds for its smoothed, calibrated probability."""

    enter: float = Field(ge=0, le=1, description="a label is named when its probability reaches this")
    leave: float = Field(ge=0, le=1, description="a label is no longer named when its probability falls below this")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.leave > self.enter:
            raise ValueError("leave must not be above enter: a label would be dropped as soon as it is named")
        return self


class Accuracy(_Part):
    """Share of pictures labelled correctly, 0..1. `test` values: one pass over CIFAR-10's 10,000 test pictures."""

    validation_float: float = Field(ge=0, le=1)
    validation_int8: float = Field(ge=0, le=1)
    test_float: float | None = Field(None, ge=0, le=1)
    test_int8: float | None = Field(None, ge=0, le=1)
    test_int8_camera_path: float | None = Field(None, ge=0, le=1, description="see 'edge-app evaluate --help'")
    test_int8_degraded: dict[str, float] = Field({}, description="by degradation; see docs/training.md")


class CalibrationError(_Part):
    """Expected calibration error on the validation pictures, 15 bins, 0..1 (Guo et al. 2017)."""

    before: float = Field(ge=0, le=1, description="with unscaled logits")
    after: float = Field(ge=0, le=1, description="with logits divided by the temperature")


class Latency(_Part):
    """Latency of one inference compared with a reference model in the same run: one thread, medians."""

    reference: str = Field(description="file name of the reference")
    ratio: float = Field(gt=0, description="this model's latency divided by the reference's")


class Training(_Part):
    """Where the weights come from."""

    recipe: str
    command: str = Field(description="command that reproduces the model")
    data: str
    data_md5: dict[str, str] = Field(description="MD5 of each official data file")
    data_sha256: str | None = Field(None, description="SHA-256 over training pictures and labels as read")
    epochs: int
    seed: int
    parameters: int
    macs: int = Field(description="multiply-accumulate operations for one picture")
    origin: str | None = Field(None, description="weights that training started from")
    teacher: str | None = Field(None, description="model whose outputs were learned in addition to the labels")


class Golden(_Part):
    """A self-test: the raw outputs that a model must compute from a generated picture.

    The picture's byte i (row by row, pixel by pixel, R G B) is (37 * i + 11) mod 256. XNNPACK and the runtime's plain
    kernels round differently, so each has its own output. Older cards hold only XNNPACK's.
    """

    output: list[int] = Field(description="raw output tensor with XNNPACK, in quantisation steps")
    output_plain: list[int] | None = Field(
        None, description="the same with plain kernels: tflite-runtime 2.14, or --delegate none"
    )
    operators_delegated: int | None = Field(
        None, ge=0, description="operators that XNNPACK ran for `output`; plain kernels ran the others"
    )
    tolerance: int = Field(2, ge=0, description="largest allowed difference in steps, for the same kind of kernel")

    @property
    def kernels(self) -> str:
        """The kinds of kernel with an output in this card, in words."""
        return "XNNPACK alone" if self.output_plain is None else "XNNPACK and plain kernels"


class Card(_Part):
    """A model's card, stored as NAME.json in the model's folder; written by the training, never by hand."""

    schema_version: Literal[1] = 1
    name: str
    description: str
    license: str
    file: FileFacts
    weights: FileFacts | None = Field(
        None, description="the float weights, in the same folder; 'edge-app train --from'"
    )
    input: InputFacts
    output: Literal["logits", "probabilities"]
    labels: list[Label] = Field(min_length=2)
    temperature: float = Field(
        ge=TEMPERATURES[0],
        le=TEMPERATURES[1],
        description="logits are divided by this before softmax; fitted on validation",
    )
    thresholds: Thresholds
    accuracy: Accuracy
    calibration_error: CalibrationError | None = None
    latency: list[Latency] = []
    training: Training
    golden: Golden

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("two labels are the same")
        if self.weights and self.weights.name == self.file.name:
            raise ValueError("weights and model are the same file")
        for output in (self.golden.output, self.golden.output_plain):
            if output is not None and len(output) != len(self.labels):
                raise ValueError(
                    f"it holds {counted(len(output), 'golden output')}, "
                    f"but the model has {counted(len(self.labels), 'label')}"
                )
        return self


def json_schema() -> str:
    """Return the card's JSON schema as text; docs/model-card.schema.json holds this text."""
    schema = {"$schema": SCHEMA_URL, **Card.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"
