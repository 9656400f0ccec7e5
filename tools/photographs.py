"""The photographs in scikit-image and scikit-learn, for tests and figures."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

LARGE = ("hubble_deep_field.jpg", "retina.jpg", "motorcycle_left.png", "motorcycle_right.png")
SMALLER = ("rocket.jpg", "astronaut.png", "coffee.png")


def photographs() -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and pixels of every photograph, (H, W, 3) uint8, BGR."""
    for name in (*LARGE, *SMALLER):
        yield name, cv2.imread(str(_folder("skimage") / "data" / name))
    for path in sorted((_folder("sklearn") / "datasets" / "images").glob("*.jpg")):
        yield path.name, cv2.imread(str(path))


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; pip install 'edge-app[test]' brings it")
    return Path(spec.origin).parent
