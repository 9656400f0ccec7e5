from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_app import sources
from edge_app.errors import SourceError
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.records import Frame
from edge_app.sources import Request, Source, folder
from tests.asking import request_for

RED_BLUE = np.zeros((40, 80, 3), np.uint8)  # BGR: the left half red, the right one blue
RED_BLUE[:, :40, 2] = RED_BLUE[:, 40:, 0] = 255


def write(path: Path, pixels: np.ndarray = RED_BLUE) -> Path:
    """Write a picture and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def read_all(source: Source) -> list[Frame]:
    """Return every frame of a source that ends."""
    frames = [item for item in source if isinstance(item, Frame)]
    source.close()
    return frames


def is_red_and_blue(pixels: np.ndarray) -> bool:
    """Tell whether an RGB picture is red on the left and blue on the right."""
    height, width = pixels.shape[:2]
    left, right = pixels[height // 2, width // 4].astype(int), pixels[height // 2, 3 * width // 4].astype(int)
    return left[0] > 240 and left[1:].max() < 15 and right[2] > 240 and right[:2].max() < 15


def test_pictures_come_sorted_by_name_with_all_below(tmp_path: Path) -> None:
    """Names are relative and POSIX, sorted as text; hidden files, hidden folders and other files are left out."""
    wanted = ["B.JPG", "a.jpeg", "a/2.png", "a/b/3.bmp", "c.WebP", "d.tif", "e.tiff"]
    for name in wanted:
        write(tmp_path / name)
    for name in [".hidden.jpg", ".thumbs/x.jpg", "a/.y.png"]:
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    source = sources.connect(str(tmp_path), Request())
    assert (source.is_live, source.is_sequence, source.name) == (False, False, f"folder:{tmp_path}")
    frames = read_all(source)
    assert [frame.name for frame in frames] == sorted(wanted)
    assert [frame.index for frame in frames] == list(range(len(wanted)))
    assert all(is_red_and_blue(frame.picture.rgb()) and frame.truth is None for frame in frames)
    assert source.dropped == 0


def test_a_single_picture_is_a_source(tmp_path: Path) -> None:
    """A picture by its path gives one frame, undecoded if it is a JPEG."""
    path = write(tmp_path / "one.jpg")
    (frame,) = read_all(sources.connect(str(path), Request()))
    assert (frame.name, frame.index, frame.stream_s) == ("one.jpg", 0, frame.captured_s)
    assert isinstance(frame.picture, JpegPicture)
    (frame,) = read_all(sources.connect(f"folder:{path}", request_for(rotate=180)))
    assert not is_red_and_blue(frame.picture.rgb())


def test_claims_folders_and_pictures(tmp_path: Path) -> None:
    """Videos and missing files are not claimed."""
    for name in ("a.jpg", "b.TIFF", "c.mp4"):
        (tmp_path / name).touch()
    assert [folder.claims(tmp_path / name) for name in ("", "a.jpg", "b.TIFF", "c.mp4", "d.jpg")] == [
        True,
        True,
        True,
        False,
        False,
    ]


# --- Files that cannot be read ---


def png_of(width_px: int, height_px: int) -> bytes:
    """Return a PNG whose header states a size and whose data is missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


DAMAGED = {
    "empty.jpg": b"",
    "text.jpg": b"not a picture\n" * 50,
    "head.jpg": cv2.imencode(".jpg", RED_BLUE)[1].tobytes()[:30],
    "torn.png": cv2.imencode(".png", RED_BLUE)[1].tobytes()[:60],
    "bomb.png": png_of(100_000, 100_000),  # OpenCV answers this one with an exception of its own
    "zero.png": png_of(0, 5),
}


def test_damaged_files_are_reported_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line for each in the log and none from OpenCV, a gap in the index, a count, and the others arrive."""
    for name, data in DAMAGED.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    write(tmp_path / "a.jpg")
    write(tmp_path / "zz.jpg")
    source = sources.connect(str(tmp_path), Request())
    frames = read_all(source)
    assert [frame.name for frame in frames] == ["a.jpg", "zz.jpg"]
    assert source.dropped == len(DAMAGED) + 1 == frames[1].index - frames[0].index - 1
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == source.dropped and not any("\n" in line for line in lines)
    assert all(any(line.startswith(name) for line in lines) for name in [*DAMAGED, "pipe.jpg"])
    assert "OpenCV" not in capfd.readouterr().err


def test_a_cut_off_jpeg_is_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A JPEG with a sound header and no end is reported and skipped: OpenCV 4 would fill what is missing with grey."""
    pixels = cv2.resize(np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8), (640, 480))
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "b.jpg").write_bytes(data + b"what some phones append" * 20)
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.name == "b.jpg"
    assert "a.jpg skipped" in caplog.text
    assert "cut off" in caplog.text


def test_nothing_to_show_is_an_error_at_once(tmp_path: Path) -> None:
    """An empty folder, a folder without pictures, a missing file and a file that is not a picture fail on opening."""
    with pytest.raises(SourceError, match="no pictures in"):
        sources.connect(str(tmp_path), Request())
    (tmp_path / "a.txt").touch()
    with pytest.raises(SourceError, match=r"put some there or below \(\.jpg"):
        sources.connect(str(tmp_path), Request())
    with pytest.raises(SourceError, match="does not exist; check the name"):
        sources.connect(f"folder:{tmp_path / 'gone'}", Request())
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="not a picture OpenCV can read"):
        sources.connect(str(tmp_path / "a.jpg"), Request())


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Drop root's rights for a while if the tests run as root, since root may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def guarded() -> Iterator[Path]:
    """Make a folder with an open and a closed one in it. pytest's own `tmp_path` is closed to others altogether."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        for path in ("open/a.jpg", "open/b.jpg", "open/sub/c.jpg", "closed/a.jpg"):
            write(Path(name, path))
        shut = [Path(name, path) for path in ("open/b.jpg", "open/sub", "closed")]
        for path in shut:
            path.chmod(0)
        yield Path(name)
        for path in shut:
            path.chmod(0o755)


def test_what_is_forbidden_is_told_in_one_line(guarded: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A forbidden folder or picture is an error when opening; inside a folder that is open it is skipped."""
    with nobody():
        frames = read_all(sources.connect(str(guarded / "open"), Request()))
        for path in ("closed", "closed/a.jpg", "open/b.jpg"):
            with pytest.raises(SourceError, match=f"{path}.*Permission denied; let this user"):
                sources.connect(str(guarded / path), Request())
    assert [frame.name for frame in frames] == ["a.jpg"]
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"{guarded}/open/sub skipped: Permission denied",
        "b.jpg skipped: Permission denied; let this user read it",
    ]


def test_names_that_are_no_text_become_text(tmp_path: Path) -> None:
    """A file name with stray bytes or a line break cannot break a line of the log or its encoding."""
    write(tmp_path / "a.jpg").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n.jpg"))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.name == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.jpg"


def test_links_that_run_in_circles_are_not_followed(tmp_path: Path) -> None:
    """A link to the folder itself does not make the list endless."""
    write(tmp_path / "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [frame.name for frame in read_all(sources.connect(str(tmp_path), Request()))] == ["a.jpg"]


# --- Every kind of picture ---


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_grey_pictures_become_rgb(tmp_path: Path, suffix: str) -> None:
    """One channel becomes three equal ones."""
    write(tmp_path / f"a{suffix}", np.full((20, 30), 77, np.uint8))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    pixels = frame.picture.rgb()
    assert pixels.shape == (20, 30, 3) and np.abs(pixels.astype(int) - 77).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparency_is_ignored(tmp_path: Path, suffix: str) -> None:
    """An alpha channel does not change the colours."""
    alpha = np.full((40, 80, 1), 200, np.uint8)
    write(tmp_path / f"a{suffix}", np.concatenate([RED_BLUE, alpha], axis=2))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert is_red_and_blue(frame.picture.rgb())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_become_eight(tmp_path: Path, suffix: str) -> None:
    """The upper eight bits are kept."""
    write(tmp_path / f"a{suffix}", RED_BLUE.astype(np.uint16) * 257)
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.picture.rgb().dtype == np.uint8 and is_red_and_blue(frame.picture.rgb())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_a_single_pixel_is_a_picture(tmp_path: Path, suffix: str) -> None:
    """A picture of one pixel can be requested at any size."""
    write(tmp_path / f"a{suffix}", np.full((1, 1, 3), 200, np.uint8))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.picture.size_px == (1, 1)
    assert frame.picture.rgb(min_side_px=32).shape == (1, 1, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_forty_eight_megapixels_work(tmp_path: Path, suffix: str) -> None:
    """A picture of 8000x6000 pixels is read; of a JPEG only an eighth each way is decoded."""
    write(tmp_path / f"a{suffix}", cv2.resize(RED_BLUE, (8000, 6000), interpolation=cv2.INTER_NEAREST))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.picture.size_px == (8000, 6000)
    small = frame.picture.rgb(min_side_px=112)
    assert 112 <= min(small.shape[:2]) < 300 and is_red_and_blue(small)


PILLOW = pytest.importorskip("PIL.Image", reason="writes formats that OpenCV cannot; pip install pillow")


def pillow_bytes(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Encode the red and blue picture with Pillow."""
    picture = PILLOW.fromarray(np.ascontiguousarray(RED_BLUE[..., ::-1])).convert(mode)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(tmp_path: Path, kind: str) -> None:
    """Print colours are converted, also at a reduced scale."""
    (tmp_path / f"a.{kind}").write_bytes(pillow_bytes(kind, "CMYK"))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert is_red_and_blue(frame.picture.rgb()) and is_red_and_blue(frame.picture.rgb(min_side_px=5))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_of_exif_is_honoured(tmp_path: Path, kind: str) -> None:
    """Orientation 6 says to turn clockwise: red comes to the top, whatever the format."""
    exif = PILLOW.Exif()
    exif[0x0112] = 6
    options: dict[str, object] = {"tiffinfo": {0x0112: 6}} if kind == "TIFF" else {"exif": exif, "quality": 95}
    (tmp_path / f"a.{kind}").write_bytes(pillow_bytes(kind, **options))
    (frame,) = read_all(sources.connect(str(tmp_path), Request()))
    assert frame.picture.size_px == (40, 80)
    pixels = frame.picture.rgb()
    assert pixels[20, 20, 0] > 200 and pixels[60, 20, 2] > 200


# --- Stopping ---


def test_a_stop_or_close_ends_the_run(tmp_path: Path) -> None:
    """After a stop or a close no further picture is read."""
    for index in range(5):
        write(tmp_path / f"{index}.jpg")
    request = Request()
    source = sources.connect(str(tmp_path), request)
    first = next(iter(source))
    request.stop.set()
    assert (first.name, list(source)) == ("0.jpg", [])
    source = sources.connect(str(tmp_path), Request())
    assert len([source.close() for _ in source]) == 1
    source.close()
