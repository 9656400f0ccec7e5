"""Reading CIFAR-10: found in either place, checked before use."""

from __future__ import annotations

import functools
import http.server
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_app.data import cifar10
from edge_app.errors import DataError
from edge_app.records import LabelledPictures


def official(folder: Path) -> Path:
    """Return the folder of the official files below (or at) a folder."""
    return folder if (folder / "test_batch").exists() else folder / cifar10.FOLDER


def test_folder_or_the_one_above(cifar10_folder: Path, test_pictures: LabelledPictures) -> None:
    """`--data` may name the folder of the files or the one that holds it."""
    assert cifar10.holds(official(cifar10_folder)) and cifar10.holds(official(cifar10_folder).parent)
    assert np.array_equal(cifar10.read_test(official(cifar10_folder)).labels, test_pictures.labels)


def test_pictures_are_upright_rgb(test_pictures: LabelledPictures) -> None:
    """There are 1,000 test pictures of each class, 32x32 RGB; ships and airplanes are bluest at the top."""
    assert test_pictures.pictures.shape == (10_000, 32, 32, 3)
    assert (np.bincount(test_pictures.labels) == 1000).all()
    skies = test_pictures.pictures[np.isin(test_pictures.labels, [0, 8])][:, :8].astype(float).mean((0, 1, 2))
    assert skies[2] > skies[1] > skies[0]


def test_training_and_test_pictures_are_apart(cifar10_folder: Path, test_pictures: LabelledPictures) -> None:
    """None of the 50,000 training pictures is among the 10,000 test pictures."""
    train = cifar10.read_train(cifar10_folder)
    assert (np.bincount(train.labels) == 5000).all()
    seen = {picture.tobytes() for picture in train.pictures}
    assert not any(picture.tobytes() in seen for picture in test_pictures.pictures)


def test_a_damaged_file_is_named(cifar10_folder: Path, tmp_path: Path) -> None:
    """One flipped bit is detected and the file named before unpickling."""
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    shutil.copy(official(cifar10_folder) / "test_batch", folder)
    content = bytearray((folder / "test_batch").read_bytes())
    content[1000] ^= 1
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch is damaged"):
        cifar10.read_test(tmp_path)


def test_missing_data_says_what_to_do(tmp_path: Path) -> None:
    """For a folder without the files, the error says what was expected."""
    with pytest.raises(DataError, match="expected cifar-10-batches-py"):
        cifar10.read_test(tmp_path)
    (tmp_path / "batches.meta").touch()
    with pytest.raises(DataError, match="cannot read .*test_batch"):
        cifar10.read_test(tmp_path)


@pytest.fixture(scope="module")
def archive(cifar10_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the test pictures as the official archive packs them."""
    path = tmp_path_factory.mktemp("archive") / cifar10.ARCHIVE
    with tarfile.open(path, "w:gz", compresslevel=1) as packed:
        packed.add(official(cifar10_folder) / "test_batch", f"{cifar10.FOLDER}/test_batch")
    return path


def test_the_archive_is_read_without_unpacking(archive: Path, test_pictures: LabelledPictures) -> None:
    """The tar.gz gives the same pictures, and nothing is written next to it."""
    assert np.array_equal(cifar10.read_test(archive).pictures, test_pictures.pictures)
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]


def test_a_cut_off_archive_is_named(archive: Path, tmp_path: Path) -> None:
    """An incomplete download, another file, and an archive without a member are refused by name."""
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[:100_000])
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"no archive")
    for path in (cut, other):
        with pytest.raises(DataError, match=f"{path.name} is damaged or not CIFAR-10's archive"):
            cifar10.read_test(path)
    with pytest.raises(DataError, match="data_batch_1"):
        cifar10.read_train(archive)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with an archive that is not the official one; yield its address."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / cifar10.ARCHIVE).write_bytes(b"something else")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}/{cifar10.ARCHIVE}"
        found.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the download a cache of its own."""
    pytest.importorskip("pooch", reason="the [train] extra is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_downloaded_is_checked(server: str, cache: Path) -> None:
    """A file with another checksum is refused and deleted."""
    with pytest.raises(DataError, match=r"cannot download CIFAR-10 .*hash.*; fetch cifar-10-python\.tar\.gz"):
        cifar10.download(server)
    assert not list(cache.rglob("*.tar.gz"))


def test_a_download_is_kept(server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right file is fetched once; the second time no server is needed."""
    import hashlib

    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(b"something else").hexdigest())
    path = cifar10.download(server)
    assert path.read_bytes() == b"something else"
    (tmp_path / "served" / cifar10.ARCHIVE).unlink()
    assert cifar10.download(server) == path


def test_no_network_says_what_to_do(cache: Path) -> None:
    """If the server does not answer, the message has the address and an alternative."""
    with pytest.raises(DataError, match=r"cannot download CIFAR-10 from http://127\.0\.0\.1:9/.*--data"):
        cifar10.download(f"http://127.0.0.1:9/{cifar10.ARCHIVE}")
