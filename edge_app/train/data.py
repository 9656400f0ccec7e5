"""The training pictures, split into a training part and a validation part, always the same way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_app.errors import DataError
from edge_app.records import LabelledPictures
from edge_app.system.wording import counted

# Apart from --seed: with another split, a fine-tuned network would be validated on pictures it had learned from.
SPLIT_SEED = 10
HELD_OUT = 0.05


@dataclass(frozen=True, slots=True)
class Split:
    """The training pictures in two parts; neither has test pictures.

    Attributes:
        train: 95 % of each class, to learn from.
        validation: the rest, to choose recipes, calibrate and set thresholds.
    """

    train: LabelledPictures
    validation: LabelledPictures


def divide(whole: LabelledPictures) -> Split:
    """Hold out 5 % of each class, at least one picture, chosen with a fixed seed.

    Raises:
        DataError: a class has fewer than two pictures.
    """
    order = np.random.default_rng(SPLIT_SEED).permutation(len(whole.labels))
    of_class = [order[whole.labels[order] == label] for label in range(len(whole.names))]
    for name, indices in zip(whole.names, of_class, strict=True):
        if len(indices) < 2:
            raise DataError(
                f"class {name!r} has {counted(len(indices), 'picture')}",
                "add some: one to learn from and one to validate on are needed",
            )
    held_out = np.sort(np.concatenate([indices[: max(1, round(HELD_OUT * len(indices)))] for indices in of_class]))
    return Split(whole.at(np.setdiff1d(order, held_out)), whole.at(held_out))
