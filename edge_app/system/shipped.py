"""What is installed with the package and is not Python: the models, and the files for systemd."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent.parent


def folder(name: Literal["models", "systemd"]) -> Path:
    """Return a folder that comes with the package: inside it where it is installed, beside it in a checkout.

    `importlib.resources` would find it in a checkout only where an editable install says where to look: not when
    another copy is installed, and the checkout comes first on the path, as in the tests.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
