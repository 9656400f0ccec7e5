"""CIFAR-10 on disk: find the official files, check them, read them.

The data set is Alex Krizhevsky's "Learning Multiple Layers of Features from Tiny Images" (2009): 50,000 training and
10,000 test pictures of 32x32 pixels. Only the official "python version" is read, after its checksums have matched.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.errors import DataError, DependencyMissing, one_line
from edge_app.records import LABELS, LabelledPictures

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"  # as published on the data set's page

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


def holds(where: Path) -> bool:
    """Return whether the official files are in `where` or one level below it."""
    return _folder_at(where) is not None


def _folder_at(where: Path) -> Path | None:
    for folder in (where, where / FOLDER):
        # One file is enough: the error for an incomplete folder can then name the missing one.
        if any((folder / name).is_file() for name in ("batches.meta", *CHECKSUMS)):
            return folder
    return None


def default_folder() -> Path | None:
    """Return the path in `EDGE_APP_CIFAR10`, None if it is not set."""
    named = os.environ.get("EDGE_APP_CIFAR10")
    return Path(named) if named else None


def download(url: str = URL) -> Path:
    """Download the official archive into the user's cache, unless it is there already, and return its path.

    Raises:
        DependencyMissing: pooch is not installed.
        DataError: the download failed, or is not the official file.
    """
    try:
        import pooch
    except ImportError as error:
        raise DependencyMissing(
            "downloading CIFAR-10 needs pooch",
            "install it with \"pip install 'edge-app[train]'\", or name the data with --data",
        ) from error
    pooch.get_logger().setLevel("WARNING")
    try:
        kept = pooch.retrieve(
            url, f"md5:{ARCHIVE_MD5}", ARCHIVE, pooch.os_cache("edge-app"), progressbar=sys.stderr.isatty()
        )
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise DataError(
            f"cannot download CIFAR-10 from {url} ({one_line(error)})",
            f"fetch {ARCHIVE} some other way and name it with --data",
        ) from error
    return Path(kept)


def read_train(where: str | Path) -> LabelledPictures:
    """Read the 50,000 training pictures. See `read_test` for arguments and errors."""
    return _read(Path(where), TRAIN_FILES)


def read_test(where: str | Path) -> LabelledPictures:
    """Read the 10,000 test pictures.

    Args:
        where: the folder of the official files, its parent, or the official archive.

    Raises:
        DataError: a file, which the message names, is missing, unreadable or not the official one.
    """
    return _read(Path(where), TEST_FILES)


def _read(where: Path, names: tuple[str, ...]) -> LabelledPictures:
    parts = list(_from_archive(where, names) if where.is_file() else _from_folder(where, names))
    return LabelledPictures(
        np.concatenate([part.pictures for part in parts]), np.concatenate([part.labels for part in parts]), LABELS
    )


def _from_folder(where: Path, names: tuple[str, ...]) -> Iterator[LabelledPictures]:
    folder = _folder_at(where)
    if folder is None:
        raise DataError(
            f"no CIFAR-10 in {where}: expected {FOLDER}/ (or its files) there",
            "unpack the official 'CIFAR-10 python version' and name the folder with --data",
        )
    for name in names:
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}", "fetch CIFAR-10 again") from error
        yield _parse(name, content, str(path))


def _from_archive(path: Path, names: tuple[str, ...]) -> Iterator[LabelledPictures]:
    """Read members of the official tar.gz without unpacking it to disk."""
    try:
        with tarfile.open(path) as archive:
            for name in names:
                member = archive.extractfile(f"{FOLDER}/{name}")
                yield _parse(name, member.read() if member else b"", f"{path}: {FOLDER}/{name}")
    # A truncated gzip raises EOFError, a corrupt one zlib.error, and a missing member KeyError.
    except (OSError, EOFError, KeyError, tarfile.TarError, zlib.error) as error:
        raise DataError(f"{path} is damaged or not CIFAR-10's archive ({error})", f"fetch {ARCHIVE} again") from error


def _parse(name: str, content: bytes, place: str) -> LabelledPictures:
    # Without the flag, Python refuses MD5 on systems in FIPS mode.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != CHECKSUMS[name]:
        raise DataError(f"{place} is damaged or not the official file (md5 {found})", "fetch CIFAR-10 again")
    # Unpickling can run code from the file: safe only now that the checksum has proved it to be the official one.
    batch: dict[bytes, Any] = pickle.load(io.BytesIO(content), encoding="bytes")
    # A row holds all red pixels, then all green, then all blue.
    planes = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32)
    return LabelledPictures(
        np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.asarray(batch[b"labels"], np.int64), LABELS
    )
