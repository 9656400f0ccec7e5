"""A data set made of code: drawn circles, squares and triangles, in folders named by label."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

LABELS = ("circle", "square", "triangle")


def draw(label: str, side_px: int, generator: np.random.Generator) -> np.ndarray:
    """Draw one (side, side, 3) uint8 picture: a shape of random place, size and colour on a noisy background."""
    picture = generator.integers(0, 120, 3) + generator.normal(0, 12, (side_px, side_px, 3))
    picture = picture.clip(0, 255).astype(np.uint8)
    color = [int(value) for value in generator.integers(140, 256, 3)]
    radius = int(side_px * generator.uniform(0.2, 0.35))
    x, y = (int(value) for value in generator.integers(radius, side_px - radius, 2))
    if label == "circle":
        cv2.circle(picture, (x, y), radius, color, -1)
    elif label == "square":
        cv2.rectangle(picture, (x - radius, y - radius), (x + radius, y + radius), color, -1)
    else:
        corners = np.array([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)])
        cv2.fillPoly(picture, [corners], color)
    return picture


def write(top: Path, count: int, side_px: int = 96, seed: int = 0) -> Path:
    """Write `count` pictures of each label to top/train and a third as many to top/test; return `top`."""
    generator = np.random.default_rng(seed)
    for part, number in (("train", count), ("test", max(1, count // 3))):
        for label in LABELS:
            folder = top / part / label
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(number):
                cv2.imwrite(str(folder / f"{index:04d}.jpg"), draw(label, side_px, generator))
    return top
