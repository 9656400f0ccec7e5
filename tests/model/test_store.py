"""Cards and files: what is accepted, what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest

from edge_app.errors import ModelRefused
from edge_app.model import card, store

ROOT = Path(__file__).parents[2]
NAME = "cifar10-lecture"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Copy the shipped model and its card to where a test may damage them."""
    for suffix in (".tflite", ".json"):
        shutil.copy(store.shipped_folder() / f"{NAME}{suffix}", tmp_path)
    return tmp_path / f"{NAME}.tflite"


def test_every_shipped_model_has_a_card_that_fits() -> None:
    """Each model that is installed has a card; checksum, size and name agree; the thresholds make sense."""
    assert NAME in store.shipped()
    for name in store.shipped():
        card = store.read(name).card
        assert card is not None
        assert card.name == name
        assert card.file.bytes == len(store.read(name).content)
        assert card.thresholds.leave <= card.thresholds.enter


def test_published_schema_is_the_one_in_use() -> None:
    """docs/model-card.schema.json is what the code checks with ('edge-app models schema' prints it anew)."""
    assert (ROOT / "docs" / "model-card.schema.json").read_text() == card.json_schema()


def test_cards_validate_against_the_published_schema() -> None:
    """Anybody's JSON schema validator accepts the shipped cards, and refuses one without labels."""
    schema = json.loads((ROOT / "docs" / "model-card.schema.json").read_text())
    cards = list((ROOT / "models").glob("*.json"))
    assert cards
    for path in cards:
        card = json.loads(path.read_text())
        jsonschema.validate(card, schema)
        del card["labels"]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(card, schema)


def test_a_swapped_file_is_refused(copied: Path) -> None:
    """A model file with one changed byte no longer matches its card and is refused."""
    content = bytearray(copied.read_bytes())
    content[-1] ^= 1
    copied.write_bytes(content)
    with pytest.raises(ModelRefused, match="not the file its card describes"):
        store.read(str(copied))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a TFLite model"), (b"TFL3", "not a TFLite model")],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """An empty file, a picture and a truncated model are refused before the runtime sees them."""
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match=message):
        store.read(str(path))


def test_an_oversized_file_is_refused(tmp_path: Path) -> None:
    """A file beyond the size cap is refused without being read whole."""
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.truncate(store.MAX_BYTES + 1)
    with pytest.raises(ModelRefused, match="larger than 64 MiB"):
        store.read(str(path))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda card: card.update(temperature="warm"), "temperature"),
        (lambda card: card.update(surprise=1), "surprise"),
        (lambda card: card["file"].update(sha256="0"), "file.sha256"),
        (lambda card: card.update(schema_version=2), "schema_version"),
        (lambda card: card.update(temperature=float("inf")), "temperature"),
        (lambda card: card.update(temperature=1e308), "temperature"),
        (lambda card: card.update(temperature=0.0), "temperature"),
        (lambda card: card["input"].update(low=float("nan")), "input.low"),
        (lambda card: card["input"].update(low=1.0, high=-1.0), "input"),
        (lambda card: card["input"].update(height_px=10**9), "input.height_px"),
        (lambda card: card["thresholds"].update(enter=0.2, leave=0.9), "thresholds"),
        (lambda card: card["labels"].__setitem__(1, card["labels"][0]), "the file"),
        (lambda card: card["labels"].__setitem__(1, " "), "labels.1"),
        (lambda card: card["labels"].__setitem__(1, "cat\x1b[2J"), "labels.1"),
        (lambda card: card["weights"].update(name="../x"), "weights.name"),
        (lambda card: card["weights"].update(name=""), "weights.name"),
        (lambda card: card["file"].update(name="/etc/passwd"), "file.name"),
        (lambda card: card["golden"].update(output=[1, 2, 3]), "the file"),
        (lambda card: card["accuracy"].update(test_int8=float("inf")), "accuracy.test_int8"),
    ],
)
def test_a_wrong_card_is_refused(copied: Path, change, place: str) -> None:  # type: ignore[no-untyped-def]
    """The error for a card that violates the schema names the first wrong field."""
    path = copied.with_suffix(".json")
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))
    with pytest.raises(ModelRefused, match=f"first {place}"):
        store.read(str(copied))


def test_a_card_that_is_no_json_is_refused(copied: Path) -> None:
    """Half a card is refused, not ignored: the model behind it would run unchecked."""
    path = copied.with_suffix(".json")
    path.write_text(path.read_text()[:100])
    with pytest.raises(ModelRefused, match="model card"):
        store.read(str(copied))


def test_unknown_names_get_a_suggestion() -> None:
    """A misspelt model name gets a suggestion; any other name gets the list of models."""
    with pytest.raises(ModelRefused, match="did you mean 'cifar10-lecture'"):
        store.find("cifar10-lectur")
    with pytest.raises(ModelRefused, match="shipped with edge-app: .*cifar10-lecture"):
        store.find("/nowhere/else.tflite")


def test_labels_are_read_line_by_line(tmp_path: Path) -> None:
    """Labels keep their order and inner spaces; an empty file is refused."""
    path = tmp_path / "labels.txt"
    path.write_text("fire truck\n bird \n\n")
    assert store.read_labels(path) == ("fire truck", "bird")
    path.write_text("\n")
    with pytest.raises(ModelRefused, match="holds no labels"):
        store.read_labels(path)


def test_a_card_of_another_size_is_refused(copied: Path) -> None:
    """The size in the card is a promise too."""
    path = copied.with_suffix(".json")
    path.write_text(path.read_text().replace('"bytes": ', '"bytes": 1', 1))
    with pytest.raises(ModelRefused, match="its card says 1"):
        store.read(str(copied))


@pytest.mark.parametrize("suffix", [".json", ".txt", ".tflite"])
def test_what_is_no_file_is_refused_at_once(suffix: str, copied: Path) -> None:
    """A pipe that nobody writes to, or an endless device, in the place of card, labels or model: no waiting."""
    labels = copied.with_suffix(".txt")
    labels.write_text("a\n")
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        path = copied.with_suffix(suffix)
        kept = path.rename(path.with_suffix(".kept"))
        make(path)
        with pytest.raises(ModelRefused, match=r"pipe, socket or device|[Ii]s a directory|is not a file"):
            store.read(str(copied), labels)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        kept.rename(path)


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000, '{"labels": ' + "9" * 100_000 + "}"])
def test_a_card_made_to_cost_is_refused(text: str, copied: Path) -> None:
    """Nested a thousand deep, or with a number of a hundred thousand digits: one error."""
    copied.with_suffix(".json").write_text(text)
    with pytest.raises(ModelRefused, match="model card"):
        store.read(str(copied))
