"""Write labelled pictures to fine-tune on: tools/drawn_scenes.py FOLDER [--train 50] [--test 100] [--night].

They are scenes of the synthetic camera, each built anew, as FOLDER/train/LABEL/*.jpg and FOLDER/test/LABEL/*.jpg: a
stand-in for a camera's own world, which no model that ships has been trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from edge_app._opencv import cv2
from edge_app.cifar10 import LABELS
from edge_app.records import Pixels
from edge_app.sources import _scenes

SIZE_PX = (160, 160)
EXPOSURE, NOISE, GRAIN_PX = 0.25, 20.0, 5  # at night


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=50, help="pictures of each label to learn from")
    parser.add_argument("--test", type=int, default=100, help="pictures of each label to examine on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--night", action="store_true", help="as a small camera sees them in the dark: harder")
    options = parser.parse_args()
    generator = np.random.default_rng(options.seed)
    wanted = [(part, label, n) for part in ("train", "test") for label in LABELS for n in range(getattr(options, part))]
    for part, label, number in tqdm(wanted, disable=None):
        folder = options.folder / part / label
        folder.mkdir(parents=True, exist_ok=True)
        pixels = _scenes.draw(_scenes.build(label, generator, SIZE_PX), generator.uniform(0, 20))
        if options.night:
            pixels = at_night(pixels, generator)
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


def at_night(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """Darken a picture, and add noise in grains of the size that a network of 32x32 pixels sees."""
    height, width = (side // GRAIN_PX for side in pixels.shape[:2])
    grains = generator.normal(0, NOISE, (height, width, 3)).astype(np.float32)
    noise = cv2.resize(grains, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.clip(pixels * EXPOSURE + noise, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
