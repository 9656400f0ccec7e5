"""Data sets: CIFAR-10's official files, their archive, or folders named by label.

A user's folder holds `train/LABEL/*.jpg` and, for `evaluate`, `test/LABEL/*.jpg`; or `LABEL/*.jpg` alone. Pictures go
through the same preprocessing as a camera's frames.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_app.data import cifar10
from edge_app.errors import DataError, PictureError
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.records import LabelledPictures, Pixels
from edge_app.sources import folder
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

Part = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that has been found but not read.

    Attributes:
        where: file or folder.
        is_cifar10: whether it is CIFAR-10's files or archive; otherwise it is a folder with a folder for each label.
    """

    where: Path
    is_cifar10: bool

    @property
    def title(self) -> str:
        """Name of the data set, from which models trained on it get theirs."""
        return "cifar10" if self.is_cifar10 else self.where.resolve().name.lower().replace(" ", "-")

    def read(self, part: Part, shape: tuple[int, int]) -> LabelledPictures:
        """Read one part.

        Args:
            part: a folder without train/ and test/ serves as both; otherwise the parts share no picture.
            shape: height and width to scale the pictures to.

        Raises:
            DataError: pictures, which the message names, are missing, damaged or too few.
        """
        if not self.is_cifar10:
            return _read_labelled_folder(self.where, part, shape)
        whole = cifar10.read_train(self.where) if part == "train" else cifar10.read_test(self.where)
        if whole.pictures.shape[1:3] == shape:
            return whole
        resized = [preprocess.patch(ArrayPicture(picture), shape) for picture in whole.pictures]
        return LabelledPictures(np.stack(resized), whole.labels, whole.names)

    def has_test(self) -> bool:
        """Return whether it has test pictures, which training never sees."""
        return self.is_cifar10 or (self.where / "test").is_dir()

    def check_test(self, names: tuple[str, ...]) -> None:
        """Check before training that every test label has pictures and also exists in train/.

        Args:
            names: labels of train/.

        Raises:
            DataError: a test label has no pictures, or is not in train/.
        """
        if self.is_cifar10 or not self.has_test():
            return
        unknown = sorted(set(_label_folders(self.where / "test")) - set(names))
        if unknown:
            raise DataError(
                f"{self.where}/test has labels that train/ lacks: {', '.join(unknown)}",
                "add pictures of them to train/, or remove them from test/",
            )
        for label in _label_folders(self.where / "test"):
            if not any(folder.walk(self.where / "test" / label)):
                raise DataError(
                    f"{self.where}/test/{label} holds no pictures (looked for {_suffixes()})", "add some or remove it"
                )


def find(where: Path | None) -> Source:
    """Find a data set.

    Args:
        where: file or folder; None means $EDGE_APP_CIFAR10, or, if that is not set, downloading CIFAR-10.

    Raises:
        DataError: there is no data set at `where`, or the download failed.
    """
    where = where or cifar10.default_folder() or cifar10.download()
    if not where.exists():
        raise DataError(f"{where} does not exist", "name CIFAR-10's folder or archive, or a folder train/LABEL/*.jpg")
    if where.is_file() or cifar10.holds(where):
        return Source(where, True)
    if not any(entry.is_dir() for entry in where.iterdir()):
        raise DataError(
            f"no pictures to learn from in {where}",
            f"name a folder with {cifar10.FOLDER}/ (CIFAR-10's official files), or with train/LABEL/*.jpg, "
            "a folder for each label",
        )
    return Source(where, False)


def _read_labelled_folder(where: Path, part: Part, shape: tuple[int, int]) -> LabelledPictures:
    parts = [name for name in ("train", "test") if (where / name).is_dir()]
    if parts and part not in parts:
        raise DataError(
            f"{where} has {parts[0]}/ but no {part}/", f"put pictures that {parts[0]}/ does not hold into {part}/LABEL/"
        )
    top = where / part if parts else where
    names = _label_folders(top)
    if len(names) < 2:
        raise DataError(f"{top} holds {counted(len(names), 'folder')}", "add a folder for each label, at least two")
    of_class = [_read_class(top / name, shape) for name in names]
    labels = np.concatenate([np.full(len(pictures), label) for label, pictures in enumerate(of_class)])
    return LabelledPictures(np.concatenate(of_class), labels.astype(np.int64), tuple(names))


def _label_folders(top: Path) -> list[str]:
    try:
        # The order fixes each label's index. A hidden folder, such as .ipynb_checkpoints, is no label.
        return sorted(entry.name for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"cannot list {top}: {error.strerror}", "let this user read it, or name another folder"
        ) from error


def _read_class(top: Path, shape: tuple[int, int]) -> Pixels:
    """Read the pictures of one label; leave out unreadable ones, with a warning."""
    read: list[Pixels] = []
    paths = sorted(folder.walk(top))
    for path in paths:
        try:
            read.append(preprocess.patch(folder.load(path), shape))
        except PictureError as error:
            log.warning("%s left out: %s", path, error)
    if not read:
        found = f"none of its {counted(len(paths), 'picture')} can be read" if paths else "it holds no pictures"
        raise DataError(f"label {top.name!r} has no usable picture: {found} ({top})", f"add pictures ({_suffixes()})")
    return np.stack(read)


def _suffixes() -> str:
    return ", ".join(folder.SUFFIXES)


def places(data: LabelledPictures, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return each picture's label as an index into a model's labels.

    Raises:
        DataError: the model does not know one of them.
    """
    missing = [name for name in data.names if name not in labels]
    if missing:
        raise DataError(f"this model does not know {', '.join(missing)}", "the pictures say nothing about its accuracy")
    return np.array([labels.index(name) for name in data.names])[data.labels]
