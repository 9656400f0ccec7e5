"""Reading CIFAR-10: found in either place, checked before it is believed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_app import cifar10
from edge_app.errors import DataError


def test_folder_or_the_one_above(cifar10_folder: Path) -> None:
    """`--data` may name the folder of the files or the one that holds it."""
    assert cifar10.find_folder(cifar10_folder) == cifar10.find_folder(cifar10.find_folder(cifar10_folder))


def test_pictures_are_upright_rgb(test_pictures: cifar10.LabelledPictures) -> None:
    """There are 1,000 test pictures of each class, 32x32 RGB; ships and airplanes are bluest at the top."""
    assert test_pictures.pictures.shape == (10_000, 32, 32, 3)
    assert (np.bincount(test_pictures.labels) == 1000).all()
    skies = test_pictures.pictures[np.isin(test_pictures.labels, [0, 8])][:, :8].astype(float).mean((0, 1, 2))
    assert skies[2] > skies[1] > skies[0]


def test_a_damaged_file_is_named(cifar10_folder: Path, tmp_path: Path) -> None:
    """One flipped bit is found, and the file named, before anything of it is unpickled."""
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    shutil.copy(cifar10.find_folder(cifar10_folder) / "test_batch", folder)
    content = bytearray((folder / "test_batch").read_bytes())
    content[1000] ^= 1
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch is damaged"):
        cifar10.read_test(tmp_path)


def test_missing_data_says_what_to_do(tmp_path: Path) -> None:
    """A folder without the files says what was expected."""
    with pytest.raises(DataError, match="expected cifar-10-batches-py"):
        cifar10.read_test(tmp_path)
    (tmp_path / "batches.meta").touch()
    with pytest.raises(DataError, match="cannot read .*test_batch"):
        cifar10.read_test(tmp_path)
