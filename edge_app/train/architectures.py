"""The networks. Each takes (N, 3, H, W) pictures of 0..255 and returns (N, classes) logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Mean and standard deviation of CIFAR-10's training pixels, per channel, in grey levels of 0..255.
MEAN = (125.3, 123.0, 113.9)
STD = (63.0, 62.1, 66.7)


class Lecture(nn.Module):
    """The CNN of the lecture "Image Classification using Convolutions" (M. J. Rovai): 167,562 parameters, 4.0 M MACs.

    Two 3x3 valid convolutions (32, 64 channels), each with ReLU and 2x2 max pooling, then 64 and 10 dense units.
    """

    def __init__(self, classes: int = 10) -> None:
        """Make the network with PyTorch's default initial weights."""
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3)
        self.second = nn.Conv2d(32, 64, 3)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(6 * 6 * 64, 64)
        self.output = nn.Linear(64, classes)
        self.dropout = nn.Dropout(0.2)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits from pixels of 0..255."""
        return self.head((pixels - self.mean) / self.std)

    def head(self, normalised: Tensor) -> Tensor:
        """Compute logits from normalised pixels."""
        x = self.pool(torch.relu(self.first(normalised)))
        x = self.pool(torch.relu(self.second(x)))
        # Channels last before flattening, as TFLite lays them out: the converter then needs no transpose.
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.output(self.dropout(torch.relu(self.hidden(x))))


class PixelsIn(nn.Module):
    """A `Lecture` whose first convolution has taken over the normalisation: what is converted and shipped."""

    def __init__(self, network: Lecture) -> None:
        """Fold `(pixel - mean) / std` into weight and bias; exact, as a valid convolution pads nothing."""
        super().__init__()
        self.network = network
        weight, bias = network.first.weight.data, network.first.bias.data
        bias -= (weight * (network.mean / network.std)).sum((1, 2, 3))
        weight /= network.std

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits from pixels of 0..255."""
        return self.network.head(pixels)
