"""Labelled pictures from folders, and mistakes in them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_app.data import dataset
from edge_app.errors import DataError
from tests import shapes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a small data set of drawn shapes."""
    return shapes.write(tmp_path / "Drawn Shapes", 4)


def test_folders_are_labels(folder: Path) -> None:
    """Labels are the folders' names, sorted; pictures are shrunk to the size asked for."""
    source = dataset.find(folder)
    train = source.read("train", (48, 48))
    assert train.names == shapes.LABELS
    assert train.pictures.shape == (12, 48, 48, 3)
    assert np.bincount(train.labels).tolist() == [4, 4, 4]
    assert len(source.read("test", (48, 48)).labels) == 3
    assert source.title == "drawn-shapes"


def test_pictures_go_through_the_cameras_preprocessing(folder: Path) -> None:
    """A picture read for training is the patch that a folder source's frame gives."""
    from edge_app.pictures import preprocess
    from edge_app.sources import folder as folder_source

    first = folder / "train" / "circle" / "0000.jpg"
    patch = preprocess.patch(folder_source.load(first), (32, 32))
    assert np.array_equal(dataset.find(folder).read("train", (32, 32)).pictures[0], patch)


def test_a_folder_without_parts_is_both(folder: Path) -> None:
    """LABEL/*.jpg serves as both parts; train/ alone never serves as test/."""
    bare = dataset.find(folder / "train")
    assert len(bare.read("train", (32, 32)).labels) == 12
    shutil.rmtree(folder / "test")
    with pytest.raises(DataError, match="no test/"):
        dataset.find(folder).read("test", (32, 32))
    assert not dataset.find(folder).has_test()


def test_pictures_to_be_examined_on_are_not_learned(folder: Path) -> None:
    """A folder with test/ and no train/ is refused: `test` is not a label."""
    shutil.rmtree(folder / "train")
    with pytest.raises(DataError, match="has test/ but no train/"):
        dataset.find(folder).read("train", (32, 32))


def test_one_class_is_refused(folder: Path) -> None:
    """A data set with one label is refused."""
    for name in ("square", "triangle"):
        shutil.rmtree(folder / "train" / name)
    with pytest.raises(DataError, match="at least two"):
        dataset.find(folder).read("train", (32, 32))


def test_an_empty_class_is_named(folder: Path) -> None:
    """The error names a label without pictures and the suffixes looked for."""
    for path in (folder / "train" / "square").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"'square' has no usable picture: it holds no pictures.*\.jpg"):
        dataset.find(folder).read("train", (32, 32))


def test_unreadable_pictures_are_named_and_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged picture is left out; a class with only damaged pictures is refused."""
    square = folder / "train" / "square"
    (square / "0001.jpg").write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING):
        assert len(dataset.find(folder).read("train", (32, 32)).labels) == 11
    assert "0001.jpg left out" in caplog.text
    for path in square.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="none of its 4 pictures can be read"):
        dataset.find(folder).read("train", (32, 32))


def test_nothing_there_says_what_was_expected(tmp_path: Path) -> None:
    """For a missing path and a folder of loose files, the error says what to name instead."""
    with pytest.raises(DataError, match="does not exist"):
        dataset.find(tmp_path / "nowhere")
    (tmp_path / "loose.jpg").touch()
    with pytest.raises(DataError, match="name a folder with cifar-10-batches-py"):
        dataset.find(tmp_path)


def test_labels_to_be_examined_on_must_have_been_learned(folder: Path) -> None:
    """A label that test/ has and train/ lacks is reported before training."""
    source = dataset.find(folder)
    source.check_test(shapes.LABELS)
    (folder / "test" / "hexagon").mkdir()
    with pytest.raises(DataError, match="labels that train/ lacks: hexagon"):
        source.check_test(shapes.LABELS)
    (folder / "test" / "hexagon").rmdir()
    (folder / "test" / "circle").rename(folder / "circle")
    (folder / "test" / "circle").mkdir()
    with pytest.raises(DataError, match="test/circle holds no pictures"):
        source.check_test(shapes.LABELS)


def test_cifar10_can_be_had_at_another_size(cifar10_folder: Path) -> None:
    """The same test pictures, enlarged."""
    source = dataset.find(cifar10_folder)
    assert source.is_cifar10 and source.title == "cifar10"
    assert source.read("test", (48, 48)).pictures.shape == (10_000, 48, 48, 3)
