"""What a network is trained on: the split of the training pictures, and the batches of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edge_app import cifar10

VALIDATION_PER_CLASS = 500
SPLIT_SEED = 10
SHIFT_PX = 4


@dataclass(frozen=True, slots=True)
class Split:
    """The training pictures, divided once and for all. The test pictures are not among them.

    Attributes:
        train: 45,000 pictures to learn from.
        validation: 5,000 (500 of each class) to choose, calibrate and set thresholds on.
    """

    train: cifar10.LabelledPictures
    validation: cifar10.LabelledPictures


def read_split(where: Path) -> Split:
    """Read CIFAR-10's training pictures and divide them by a fixed seed, the same number of each class held out."""
    whole = cifar10.read_train(where)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(whole.labels))
    of_class = [order[whole.labels[order] == label] for label in range(len(cifar10.LABELS))]
    held_out = np.sort(np.concatenate([indices[:VALIDATION_PER_CLASS] for indices in of_class]))
    kept = np.setdiff1d(order, held_out)
    return Split(
        cifar10.LabelledPictures(whole.pictures[kept], whole.labels[kept]),
        cifar10.LabelledPictures(whole.pictures[held_out], whole.labels[held_out]),
    )


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Turn (N, H, W, 3) uint8 pictures into a (N, 3, H, W) float tensor of 0..255, channels last in memory."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float()


def batches(
    data: cifar10.LabelledPictures, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, shifted and mirrored batches; the last, incomplete one is left out.

    Yields:
        (size, 3, H, W) float pictures of 0..255 and (size,) int64 labels.
    """
    order = torch.randperm(len(data.labels), generator=generator)
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size].numpy()
        yield augment(to_tensor(data.pictures[chosen]), generator), torch.from_numpy(data.labels[chosen])


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror every second picture on average and shift each by up to `SHIFT_PX`, its edge mirrored into the gap."""
    count, _, height, width = pictures.shape
    mirrored = torch.rand(count, generator=generator) < 0.5
    pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
    padded = functional.pad(pictures, (SHIFT_PX,) * 4, mode="reflect")
    down, right = torch.randint(0, 2 * SHIFT_PX + 1, (2, count, 1), generator=generator)
    rows = (down + torch.arange(height))[:, None, :, None]
    columns = (right + torch.arange(width))[:, None, None, :]
    planes = torch.arange(3)[None, :, None, None]
    shifted = padded[torch.arange(count)[:, None, None, None], planes, rows, columns]
    return shifted.contiguous(memory_format=torch.channels_last)
