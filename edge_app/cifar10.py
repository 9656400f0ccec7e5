"""CIFAR-10 on disk: the ten labels, finding the official files, checking them, reading them.

The data set is Alex Krizhevsky's "Learning Multiple Layers of Features from Tiny Images" (2009): 50,000 training and
10,000 test pictures of 32x32 pixels. Only the official "python version" is read, and only after its checksums hold.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.errors import DataError

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

FOLDER = "cifar-10-batches-py"

# MD5 of each official file, as torchvision publishes them (torchvision/datasets/cifar.py).
CHECKSUMS = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
TRAIN_FILES = tuple(name for name in CHECKSUMS if name.startswith("data"))
TEST_FILES = ("test_batch",)


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Pictures with their labels.

    Attributes:
        pictures: (N, 32, 32, 3) uint8, RGB.
        labels: (N,) int64, indices into `LABELS`.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def first(self, count: int | None) -> LabelledPictures:
        """Return the first `count` pictures, all of them for None."""
        return LabelledPictures(self.pictures[:count], self.labels[:count])


def find_folder(where: str | Path) -> Path:
    """Find the folder of the official files at `where` or one level below it.

    Raises:
        DataError: neither holds them.
    """
    where = Path(where)
    for folder in (where, where / FOLDER):
        if (folder / "batches.meta").is_file() or (folder / "test_batch").is_file():
            return folder
    raise DataError(
        f"no CIFAR-10 in {where}: expected {FOLDER}/ (or its files) there; "
        "unpack the official 'CIFAR-10 python version' and name the folder with --data"
    )


def default_folder() -> Path | None:
    """Return where `EDGE_APP_CIFAR10` points, if it is set."""
    named = os.environ.get("EDGE_APP_CIFAR10")
    return Path(named) if named else None


def read_train(where: str | Path) -> LabelledPictures:
    """Read the 50,000 training pictures. See `read_test` for the errors."""
    return _read(where, TRAIN_FILES)


def read_test(where: str | Path) -> LabelledPictures:
    """Read the 10,000 test pictures.

    Raises:
        DataError: a file is missing, unreadable or not the official one; it is named.
    """
    return _read(where, TEST_FILES)


def _read(where: str | Path, names: tuple[str, ...]) -> LabelledPictures:
    folder = find_folder(where)
    parts = [_read_file(folder / name) for name in names]
    return LabelledPictures(
        np.concatenate([part.pictures for part in parts]), np.concatenate([part.labels for part in parts])
    )


def _read_file(path: Path) -> LabelledPictures:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; fetch CIFAR-10 again") from error
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != CHECKSUMS[path.name]:
        raise DataError(f"{path} is damaged or not the official file (md5 {found}); fetch CIFAR-10 again")
    # Unpickling runs code from the file, so it happens only after the checksum has said which file this is.
    batch: dict[bytes, Any] = pickle.load(io.BytesIO(data), encoding="bytes")
    planes = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
    return LabelledPictures(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.asarray(batch[b"labels"], np.int64))
