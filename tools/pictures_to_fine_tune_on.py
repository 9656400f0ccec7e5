"""Write labelled pictures to fine-tune on: tools/pictures_to_fine_tune_on.py FOLDER --data CIFAR10 [--train 50].

They are CIFAR-10's validation pictures, turned grey and upside down: known objects as no shipped model has been trained
to see them. FOLDER/train/LABEL/*.png gets --train pictures of each label, FOLDER/test/LABEL/*.png the rest of the 250.
Do not commit them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from edge_app.data import cifar10
from edge_app.pictures.opencv import cv2
from edge_app.train import data


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10's folder or archive")
    parser.add_argument("--train", type=int, default=50, help="pictures of each label to learn from")
    options = parser.parse_args()
    held_out = data.divide(cifar10.read_train(options.data)).validation
    for label, name in enumerate(held_out.names):
        for number, place in enumerate(np.flatnonzero(held_out.labels == label)):
            folder = options.folder / ("train" if number < options.train else "test") / f"{name} upside down"
            folder.mkdir(parents=True, exist_ok=True)
            grey = cv2.cvtColor(held_out.pictures[place], cv2.COLOR_RGB2GRAY)
            cv2.imwrite(str(folder / f"{number:03d}.png"), grey[::-1])


if __name__ == "__main__":
    main()
