"""Pictures whose patches and scores are known before a camera has seen them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_app.model import classifier
from edge_app.model.decision import TOP, probabilities
from edge_app.pictures import preprocess
from edge_app.records import Picture
from edge_app.settings import sections
from edge_app.settings.sections import ModelOptions
from edge_app.sources.synthetic.film import Film

WIDTH_PX, HEIGHT_PX = 640, 480


def draw() -> dict[str, np.ndarray]:
    """Return (480, 640, 3) uint8 RGB pictures by name: formula, gradients, flat blocks, three drawn scenes."""
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    ramps = x * 255 // (WIDTH_PX - 1), y * 255 // (HEIGHT_PX - 1), (x + y) % 256
    count = HEIGHT_PX * WIDTH_PX * 3
    blocks = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    film = Film(5, (WIDTH_PX, HEIGHT_PX), 30.0)
    return {
        "formula": ((37 * np.arange(count) + 11) % 256).astype(np.uint8).reshape(HEIGHT_PX, WIDTH_PX, 3),
        "gradient": np.stack(ramps, 2).astype(np.uint8),
        "blocks": blocks.repeat(80, 0).repeat(80, 1),
    } | {f"scene {film.truth(index)}": film.frame_pixels(index) for index in (30, 150, 270)}


def to_yuyv(pixels: np.ndarray) -> np.ndarray:
    """Convert RGB to packed 4:2:2, BT.601 limited range, in floating point (ITU-R BT.601-7, section 2.5).

    Returns:
        (480, 640, 2) uint8: luma, and U and V by turns, each the mean of two pixels.
    """
    red, green, blue = (pixels[..., channel].astype(float) / 255 for channel in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    u, v = 128 + 224 * (blue - luma) / 1.772, 128 + 224 * (red - luma) / 1.402
    chroma = np.stack([plane.reshape(HEIGHT_PX, -1, 2).mean(2) for plane in (u, v)], 2).reshape(luma.shape)
    return np.stack([16 + 219 * luma, chroma], 2).round().astype(np.uint8)


class Expected:
    """The shipped model on the host: what the guest has to say of a picture."""

    def __init__(self) -> None:
        self.classifier = classifier.load(ModelOptions(model=sections.ModelOptions().model))

    def patch(self, picture: Picture) -> np.ndarray:
        """Return the model's input."""
        return preprocess.patch(picture, self.classifier.shape)

    def top(self, patch: np.ndarray) -> list[list[Any]]:
        """Return what stands in the log under `top`."""
        card = self.classifier.card
        assert card is not None
        chances = probabilities(self.classifier.scores(patch), card.temperature)
        best = sorted(range(len(chances)), key=chances.__getitem__, reverse=True)[:TOP]
        return [[self.classifier.labels[place], round(chances[place], 4)] for place in best]
