"""What a model file promises: its card; finding, reading and checking models before anything runs them.

A model file is untrusted input: a mutated file can crash the process that loads it. So a file is read once, its size
and SHA-256 are checked against its card, and a file that no card vouches for is first tried in a child process.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_app.errors import ModelRefused, closest

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20
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


@dataclass(frozen=True, slots=True)
class Model:
    """A model file in memory, with what is known of it.

    Attributes:
        name: its card's name, else the file's.
        path: where it was read from.
        content: the file's bytes; what runs is these, not what the path holds later.
        sha256: of `content`, hexadecimal.
        labels: one for each output; empty where nobody named them.
        card: its card, if it has one.
    """

    name: str
    path: Path
    content: bytes
    sha256: str
    labels: tuple[str, ...]
    card: Card | None


def json_schema() -> str:
    """Return the card's JSON schema as text; docs/model-card.schema.json is this."""
    schema = {"$schema": SCHEMA_URL, **Card.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"


def shipped_folder() -> Path:
    """Return the folder of the models that are installed with the package."""
    return Path(str(resources.files("edge_app.models")))


def shipped() -> list[str]:
    """Return the names of the models that are installed with the package."""
    return sorted(path.stem for path in shipped_folder().glob("*.tflite"))


def find(name_or_path: str) -> Path:
    """Return the path of a shipped model by its name, or of a file.

    Raises:
        ModelRefused: there is neither.
    """
    if name_or_path in shipped():
        return shipped_folder() / f"{name_or_path}.tflite"
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.exists():
        raise ModelRefused(f"{path} is not a file; name a .tflite file or one of {', '.join(shipped())}")
    close = closest(name_or_path, shipped())
    hint = f"did you mean {close!r}?" if close else f"shipped with edge-app: {', '.join(shipped())}"
    raise ModelRefused(f"no model is called {name_or_path!r} and no such file exists; {hint}")


def read(name_or_path: str, labels_file: Path | None = None) -> Model:
    """Read a model and its card and check one against the other. Nothing of the file runs here.

    Args:
        name_or_path: name of a shipped model, or a .tflite file, whose card is the .json beside it.
        labels_file: one label a line, for a model without a card; replaces the card's labels otherwise.

    Raises:
        ModelRefused: missing, too large, no TFLite file, not the file its card speaks of, or a bad card.
    """
    path = find(name_or_path)
    content = _read_capped(path)
    sha256 = hashlib.sha256(content).hexdigest()
    card = _read_card(path.with_suffix(".json"))
    if card is None:
        name, labels = path.stem, tuple[str, ...]()
        log.warning("%s has no card (%s): nothing vouches for it", path, path.with_suffix(".json").name)
    else:
        if card.file.sha256 != sha256:
            raise ModelRefused(f"{path} is not the file its card speaks of (SHA-256 differs): damaged or swapped")
        name, labels = card.name, tuple(card.labels)
    return Model(name, path, content, sha256, read_labels(labels_file) if labels_file else labels, card)


def check_weights(path: Path, card: Card) -> bool:
    """Hold the float weights beside a model against its card; return whether there are any.

    Args:
        path: of the .tflite file.
        card: its card.

    Raises:
        ModelRefused: they are not the file that the card speaks of.
    """
    if card.weights is None:
        return False
    path = path.with_name(card.weights.name)
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return False  # they are for training; a device can do without
    except OSError as error:
        raise ModelRefused(f"cannot read float weights {path}: {error.strerror}") from error
    if found != card.weights.sha256:
        raise ModelRefused(f"{path} is not the file its card speaks of (SHA-256 differs): damaged or swapped")
    return True


def _read_capped(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ModelRefused(f"cannot read model {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ModelRefused(f"{path} is larger than {MAX_BYTES >> 20} MiB, too large for a model here")
    # FlatBuffers file identifier of the TFLite schema, bytes 4 to 8.
    if content[4:8] != b"TFL3":
        kind = "is empty" if not content else f"starts with {content[:8]!r}"
        raise ModelRefused(f"{path} is no TFLite model: it {kind}")
    return content


def _read_card(path: Path) -> Card | None:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"cannot read model card {path}: {error}") from error
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ModelRefused(
            f"model card {path} is wrong in {error.error_count()} places, first {place}: {first['msg']}; "
            "'edge-app models show' prints what a card looks like"
        ) from error


def read_labels(path: Path) -> tuple[str, ...]:
    """Read one label a line; blank lines at the end do not count.

    Raises:
        ModelRefused: the file cannot be read or holds no label.
    """
    try:
        labels = tuple(line.strip() for line in path.read_text("utf-8-sig").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"cannot read labels {path}: {error}") from error
    if not labels:
        raise ModelRefused(f"{path} holds no labels; write one a line, in the order of the model's outputs")
    return labels
