"""Finds, reads and checks model files and their cards before anything runs them.

A model file is untrusted input: a damaged file can crash the process that loads it. So a file is read once, its size
is limited, its SHA-256 is checked against its card, and a file that is not shipped is first tried in a child process.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edge_app.errors import ModelRefused, closest, one_line
from edge_app.model.card import Card
from edge_app.secret import masked
from edge_app.system import files
from edge_app.system.shipped import folder as folder_of_package
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20
MAX_WEIGHTS_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Model:
    """A model file in memory, with its card and labels.

    Attributes:
        name: the name in its card, otherwise the file's.
        path: where it was read from.
        content: the file's bytes; these run, even if the file changes later.
        sha256: SHA-256 of `content`, hexadecimal.
        labels: one for each output; empty if unknown.
        card: its card, if it has one.
    """

    name: str
    path: Path
    content: bytes
    sha256: str
    labels: tuple[str, ...]
    card: Card | None


def shipped_folder() -> Path:
    """Return the folder of the models installed with the package."""
    return folder_of_package("models")


def shipped() -> list[str]:
    """Return the names of the models installed with the package."""
    return sorted(path.stem for path in shipped_folder().glob("*.tflite"))


def is_shipped(model: Model) -> bool:
    """Return whether a model is one of the package's own files, unchanged."""
    return model.card is not None and model.path.parent == shipped_folder() and model.path.stem in shipped()


def find(name_or_path: str) -> Path:
    """Return the path of a shipped model, given its name, or of a file.

    Raises:
        ModelRefused: neither exists.
    """
    # Shipped names come first: a file in the current folder cannot replace a shipped model; ./NAME selects the file.
    if name_or_path in shipped():
        return shipped_folder() / f"{name_or_path}.tflite"
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.exists():
        raise ModelRefused(f"{path} is not a file", f"name a .tflite file or one of {', '.join(shipped())}")
    close = closest(name_or_path, shipped())
    hint = f"did you mean {close!r}?" if close else f"shipped with edge-app: {', '.join(shipped())}"
    raise ModelRefused(f"no model is called {masked(name_or_path)!r} and no such file exists", hint)


_COPY_AGAIN = "copy the model and its card again from their origin"


def read(name_or_path: str, labels_file: Path | None = None) -> Model:
    """Read a model and its card and check one against the other. The model does not run here.

    Args:
        name_or_path: name of a shipped model, or a .tflite file with its card as .json in the same folder.
        labels_file: one label per line, for a model without a card; otherwise replaces the card's labels.

    Raises:
        ModelRefused: the file is missing, too large, not a TFLite model or not the one its card describes; or the
            card is invalid.
    """
    path = find(name_or_path)
    content = _read_capped(path)
    sha256 = hashlib.sha256(content).hexdigest()
    card = _read_card(path.with_suffix(".json"))
    if card is None:
        name, labels = path.stem, tuple[str, ...]()
        log.warning("%s has no card (%s), so it cannot be verified", path, path.with_suffix(".json").name)
    else:
        if card.file.sha256 != sha256:
            raise ModelRefused(
                f"{path} is not the file its card describes (SHA-256 differs): damaged or swapped", _COPY_AGAIN
            )
        if card.file.bytes != len(content):
            raise ModelRefused(
                f"{path} has {counted(len(content), 'byte')}, its card says {card.file.bytes}", _COPY_AGAIN
            )
        name, labels = card.name, tuple(card.labels)
    return Model(name, path, content, sha256, read_labels(labels_file) if labels_file else labels, card)


def check_weights(path: Path, card: Card) -> bool:
    """Check the float weights of a model against its card; return whether there are any.

    Args:
        path: the .tflite file.
        card: its card.

    Raises:
        ModelRefused: the weights cannot be read, or are not the file its card describes.
    """
    if card.weights is None:
        return False
    path = path.with_name(card.weights.name)
    try:
        found = hashlib.sha256(files.read_small(path, MAX_WEIGHTS_BYTES)).hexdigest()
    except FileNotFoundError:
        return False  # Only training needs them; a device may lack them.
    except OSError as error:
        raise ModelRefused(
            f"cannot read float weights {path}: {error.strerror}", "let this user read them, or remove them"
        ) from error
    if found != card.weights.sha256:
        raise ModelRefused(
            f"{path} is not the file its card describes (SHA-256 differs): damaged or swapped", _COPY_AGAIN
        )
    return True


def _read_capped(path: Path) -> bytes:
    try:
        content = files.read_small(path, MAX_BYTES)
    except OSError as error:
        raise ModelRefused(
            f"cannot read model {path}: {error.strerror}", "let this user read it, or name another"
        ) from error
    # Bytes 4 to 7 hold the FlatBuffers file identifier of the TFLite schema.
    if content[4:8] != b"TFL3":
        kind = "is empty" if not content else f"starts with {content[:8]!r}"
        raise ModelRefused(f"{path} is not a TFLite model: it {kind}", "name a .tflite file, or copy it again")
    return content


def _read_card(path: Path) -> Card | None:
    try:
        text = files.read_small(path).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(
            f"cannot read model card {path}: {one_line(error)}", "restore the card that came with the model"
        ) from error
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ModelRefused(
            f"model card {path} is wrong in {counted(error.error_count(), 'place')}, first {place}: {first['msg']}",
            "'edge-app models show' prints what a card looks like",
        ) from error


def read_labels(path: Path) -> tuple[str, ...]:
    """Read one label per line; blank lines at the end are ignored.

    Raises:
        ModelRefused: the file cannot be read or holds no labels.
    """
    try:
        # utf-8-sig: a byte order mark would become part of the first label. Blank lines between labels stay, because
        # without them all later labels would move to another output.
        labels = tuple(line.strip() for line in files.read_small(path).decode("utf-8-sig").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(
            masked(f"cannot read labels {path}: {one_line(error)}"), "name a text file in UTF-8, one label a line"
        ) from error
    if not labels:
        raise ModelRefused(f"{path} holds no labels", "write one a line, in the order of the model's outputs")
    return labels
