"""Pictures in a folder and its subfolders, sorted by name; `photos/`, `photo.jpg` or `folder:photos`.

JPEG files are passed on undecoded, so one with an intact header and end but a damaged body fails in the pipeline, as a
`PictureError` of `picture.rgb`; the pipeline counts and reports it. Other unreadable files, and JPEGs that are cut off,
are reported and skipped here. A file with several pictures (TIFF, animated WebP) yields only the first.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_app.errors import PictureError, SourceError, one_line
from edge_app.pictures.decode import decode_file
from edge_app.pictures.oriented import oriented
from edge_app.records import Frame, Picture
from edge_app.sources._contract import Closeable, Request, Source
from edge_app.system.wording import printable

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_FILE_BYTES = 512 << 20  # An 8000x6000 picture takes 144 MB uncompressed; a Pi has 512 MB in all.


def is_picture_name(name: str) -> bool:
    """Return whether the name has the suffix of a picture."""
    return name.lower().endswith(SUFFIXES)


def claims(path: Path) -> bool:
    """Return whether this is a folder or a picture."""
    return path.is_dir() or (path.is_file() and is_picture_name(path.name))


def connect(request: Request) -> Source:
    """List the pictures.

    Raises:
        SourceError: there are none, or they may not be read; or it is a single file that is not a picture.
    """
    return FolderSource(request)


class FolderSource(Closeable):
    """A `Source` that ends. Its frames are unrelated pictures; `Frame.name` is the file name.

    Args:
        request: its `argument` is the folder or file.
        clock: monotonic seconds.
    """

    is_sequence = False
    is_live = False

    def __init__(self, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.dropped = f"folder:{request.argument}", 0
        self._request, self._clock = request, clock
        path = Path(request.argument.reveal())
        self._paths = _list(path)
        self._top = path if path.is_dir() else path.parent
        self._next, self._is_closed = 0, False

    def __iter__(self) -> Iterator[Frame]:
        """Yield one frame for each readable picture; unreadable ones leave a gap in the index."""
        while self._next < len(self._paths) and not self._is_closed and not self._request.stop.is_set():
            # Advances before reading, so that a second iteration continues after this picture.
            index, self._next = self._next, self._next + 1
            frame = self._frame(index)
            if frame is not None:
                yield frame

    def close(self) -> None:
        """End the iteration."""
        self._is_closed = True

    def _frame(self, index: int) -> Frame | None:
        name = printable(self._paths[index].relative_to(self._top).as_posix())
        now_s = self._clock()
        try:
            picture = oriented(load(self._paths[index]), self._request.camera.rotate, self._request.camera.flip)
        except PictureError as error:
            self.dropped += 1
            log.warning("%s skipped: %s", name, error)
            return None
        return Frame(index, now_s, now_s, picture, name)


_LET_READ = "let this user read it"


def _list(path: Path) -> list[Path]:
    """Return the pictures, sorted by their names relative to the folder.

    Raises:
        SourceError: there are none.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
        if is_folder:
            # stat succeeds on a folder that may not be listed; os.walk would then look empty instead of forbidden.
            os.scandir(path).close()
    except FileNotFoundError as error:
        raise SourceError(f"{_shown(path)} does not exist", "check the name") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise SourceError(f"{_shown(path)} cannot be read: {_reason(error)}", _LET_READ) from error
    if not is_folder:
        return [_checked(path)]
    # os.walk returns the order of the disk, which differs between machines.
    found = sorted(walk(path), key=lambda each: each.relative_to(path).as_posix())
    if not found:
        raise SourceError(f"no pictures in {_shown(path)}", f"put some there or below ({', '.join(SUFFIXES)})")
    return found


def _checked(path: Path) -> Path:
    """Refuse a single file that is not a picture at once: the run would have no frames."""
    try:
        load(path)
    except PictureError as error:
        raise SourceError(f"{_shown(path)}: {error.what}", error.remedy or "copy the file again") from error
    return path


def walk(top: Path) -> Iterator[Path]:
    """Yield the pictures below a folder, except hidden ones and those behind links to folders, which may be cyclic."""
    for folder, subfolders, files in os.walk(top, onerror=_report_subfolder):
        # In place: os.walk descends into what is left in this very list.
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (Path(folder, name) for name in files if not name.startswith(".") and is_picture_name(name))


def _report_subfolder(error: OSError) -> None:
    log.warning("%s skipped: %s", printable(str(error.filename)), error.strerror)


def load(path: Path) -> Picture:
    """Read one file.

    Raises:
        PictureError: it cannot be read, or is not a picture.
    """
    try:
        status = path.stat()
        # Reading a named pipe called x.jpg would block forever.
        if not stat.S_ISREG(status.st_mode):
            raise PictureError("not a regular file", "put a copy of the picture there")
        if status.st_size > MAX_FILE_BYTES:
            raise PictureError(f"the file is too large for a picture: {status.st_size} bytes", "shrink it")
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(error.strerror or one_line(error), _LET_READ) from error
    if not data:
        raise PictureError("the file is empty", "copy it again")
    return decode_file(data)


def _shown(path: Path) -> str:
    return printable(str(path))


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
