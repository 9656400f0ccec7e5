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
MAX_SOFTNESS = 0.2


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


def batches(data: cifar10.LabelledPictures, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch of shuffled, shifted and mirrored batches; the last, incomplete one is left out.

    Yields:
        (size, 3, H, W) float pictures of 0..255 and (size,) int64 labels.
    """
    order = torch.randperm(len(data.labels), generator=generator)
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size].numpy()
        yield augment(to_tensor(data.pictures[chosen]), generator), torch.from_numpy(data.labels[chosen])


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, soften and shift each picture at random: what a camera may do to it without changing its label."""
    count = len(pictures)
    mirrored = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    pictures = soften(torch.where(mirrored, pictures.flip(3), pictures), generator)
    return shift(pictures, generator).contiguous(memory_format=torch.channels_last)


def soften(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Blur each picture with the kernel (s, 1 - 2 s, s) along both axes, its own s up to `MAX_SOFTNESS`.

    A picture that was enlarged and shrunk again comes out as with s of about 0.1; so does a lens slightly out of focus.
    """
    share = MAX_SOFTNESS * torch.rand(len(pictures), 1, 1, 1, generator=generator)
    for axis in (2, 3):
        edge = (0, 0, 1, 1) if axis == 2 else (1, 1, 0, 0)
        padded, size = functional.pad(pictures, edge, mode="replicate"), pictures.shape[axis]
        neighbours = padded.narrow(axis, 0, size) + padded.narrow(axis, 2, size)
        pictures = pictures + share * (neighbours - 2 * pictures)
    return pictures


def shift(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Move each picture by up to `SHIFT_PX` along both axes, its edge mirrored into the gap."""
    count, _, height, width = pictures.shape
    padded = functional.pad(pictures, (SHIFT_PX,) * 4, mode="reflect")
    down, right = torch.randint(0, 2 * SHIFT_PX + 1, (2, count, 1), generator=generator)
    rows = (down + torch.arange(height))[:, None, :, None]
    columns = (right + torch.arange(width))[:, None, None, :]
    planes = torch.arange(3)[None, :, None, None]
    return padded[torch.arange(count)[:, None, None, None], planes, rows, columns]
