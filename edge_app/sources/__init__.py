"""Finds sources by name. Each module of this folder without a leading underscore is a source: see `_contract`."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from edge_app.errors import SourceError, UsageError, closest
from edge_app.secret import Secret
from edge_app.sources._contract import LOOK_S, Closeable, Found, Request, Source
from edge_app.sources._live import Camera, Capture, LiveSource
from edge_app.system import credentials

# Includes everything the author of a camera imports; see CONTRIBUTING.
__all__ = [
    "LOOK_S",
    "Camera",
    "Capture",
    "Closeable",
    "Found",
    "LiveSource",
    "Request",
    "Source",
    "check",
    "connect",
    "discover",
    "names",
]

# A path goes to the first of these whose `claims` accepts it; each module is loaded only when its turn comes.
OF_PATHS = ("folder", "video", "webcam")


def names() -> list[str]:
    """Return the name of every source."""
    # Without importing them: the check of a name must not load OpenCV, which is slow.
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def connect(text: Secret | str, request: Request) -> Source:
    """Open the source that a string selects.

    Args:
        text: `NAME`, `NAME:ARGUMENT`, a URL, or the path of a file or folder.
        request: what to open the source with; its `argument` is filled in here.

    Raises:
        UsageError: no source has that name.
        ConfigError: a secret it refers to cannot be read, see `credentials`.
        SourceError: the source or file does not exist, or cannot be opened.
        DependencyMissing: it needs a package that is not installed.
    """
    module, argument = _find(credentials.filled(Secret.of(text)))
    source: Source = module.connect(dataclasses.replace(request, argument=argument))
    return source


def check(text: Secret | str) -> None:
    """Check that a string selects a source, which may not be there yet.

    Raises:
        UsageError: no source has that name, or speaks that kind of address.
        ConfigError: a secret it refers to cannot be read, see `credentials`.
        DependencyMissing: it needs a package that is not installed.
    """
    with suppress(SourceError):
        _find(credentials.filled(Secret.of(text)))


def discover() -> Iterator[Found]:
    """Yield the cameras found by every source that can list them."""
    for module in _modules():
        if hasattr(module, "discover"):
            yield from module.discover()


def _find(source: Secret) -> tuple[ModuleType, Secret]:
    text = source.reveal()
    name, _, argument = text.partition(":")
    # A source's name goes before a path: a folder called "webcam" is reached as ./webcam.
    if name in names():
        return _load(name), Secret(argument)
    if "://" in text:
        for module in _modules():
            if name in getattr(module, "SCHEMES", ()):
                return module, source
        raise UsageError(f"no source speaks {str(source).partition(':')[0]}://", "try rtsp:// or http://")
    path = Path(text)
    if _exists(path):
        for module in map(_load, OF_PATHS):
            if module.claims(path):
                return module, source
        raise SourceError(f"{source} is not a folder, a picture or a video", "name one, or convert the file to one")
    if path.is_absolute() or len(path.parts) > 1 or path.suffix:
        # Not a UsageError: it may appear later, when a camera is plugged in or a disk is mounted.
        raise SourceError(f"{source} does not exist", "'edge-app sources' lists the cameras")
    raise UsageError(f"no source and no file is called {source!r}", _suggestion(name))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # This user may not enter a parent folder, or the name is too long.
        raise SourceError(f"{path} cannot be accessed: {error.strerror}", "let this user enter its folder") from error


def _suggestion(name: str) -> str:
    close = closest(name, names())
    if close:
        return f"did you mean {close!r}?"
    return f"choose one of {', '.join(names())}, a URL, a video file or a folder of pictures"


def _modules() -> Iterator[ModuleType]:
    return (_load(name) for name in names())


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
