"""Where the files that are installed with the package are: models, files for systemd, pinned requirements."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent.parent


def folder(name: Literal["models", "systemd"]) -> Path:
    """Return a folder that comes with the package: inside the installed package, next to it in a checkout.

    `importlib.resources` finds it in a checkout only through an editable install: not when another copy is installed
    and the checkout comes first in sys.path, as in the tests.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def constraints(has_apt_numpy: bool) -> Path:
    """Return the pinned requirements of the service's environment, for `pip install --require-hashes -r`.

    They are those of this edge-app. A wheel of another version has its own at `edge_app/NAME`, a checkout at its top.

    Args:
        has_apt_numpy: the environment sees numpy and OpenCV from apt, as picamera2 needs; the file leaves them out.
    """
    name = "constraints-apt.txt" if has_apt_numpy else "constraints.txt"
    inside = _PACKAGE / name
    return inside if inside.is_file() else _PACKAGE.parent / name
