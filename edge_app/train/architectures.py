"""The networks. Each takes (N, 3, H, W) pictures of 0..255 and returns (N, classes) logits.

A network normalises its pixels and then runs its `head`. The shipped model is made from an `Exported` copy, which has
both normalisations folded into its weights: it computes the same logits from raw pixels.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Mean and standard deviation of CIFAR-10's training pixels, per channel, in levels of 0..255.
MEAN = (125.3, 123.0, 113.9)
STD = (63.0, 62.1, 66.7)


class Network(nn.Module, ABC):
    """Base class of the networks.

    Attributes:
        first: layer that takes the normalised pixels. It must not pad: folding would be inexact at the edges.
    """

    first: nn.Conv2d | nn.Linear

    def __init__(self) -> None:
        super().__init__()
        # Constants, not weights: persistent buffers would be written to checkpoints and to the shipped float file.
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits from pixels of 0..255."""
        return self.head((pixels - self.mean) / self.std)

    @abstractmethod
    def head(self, normalised: Tensor) -> Tensor:
        """Compute logits from normalised pixels."""

    def prepare(self, pixels: Tensor) -> None:
        """Initialise what depends on the training pictures, (N, 3, H, W) of 0..255."""

    def filters(self) -> list[nn.Parameter]:
        """Return the weights of the convolutions that batch normalisation follows."""
        return []

    def fold(self) -> None:
        """Merge the normalisation of pixels into the first layer, in place."""
        weight, bias = self.first.weight.data, self.first.bias
        assert bias is not None  # noqa: S101  # narrows the type; every first layer here has one
        if isinstance(self.first, nn.Conv2d):
            bias.data -= (weight * (self.mean / self.std)).sum((1, 2, 3))
            weight /= self.std
        else:  # a dense layer's row has the weights of one pixel after another, R, G, B for each
            by_color = weight.view(len(weight), -1, 3)
            bias.data -= (by_color * (self.mean / self.std).flatten()).sum((1, 2))
            by_color /= self.std.flatten()


class Exported(nn.Module):
    """A folded copy of a network, to convert and ship: raw pixels in, logits out."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        # Folding is in place, but the float weights are shipped unfolded, so that they can be fine-tuned: hence a copy.
        self.network = copy.deepcopy(network).float().eval()
        self.network.fold()

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute logits from pixels of 0..255."""
        return self.network.head(pixels)


class Lecture(Network):
    """The CNN of the lecture "Image Classification using Convolutions" (M. J. Rovai): 167,562 parameters, 4.0 M MACs.

    Two 3x3 valid convolutions (32, 64 channels), each with ReLU and 2x2 max pooling, then 64 and 10 dense units.
    """

    def __init__(self, classes: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3)
        self.second = nn.Conv2d(32, 64, 3)
        self.pool = nn.MaxPool2d(2)
        height, width = (((side - 2) // 2 - 2) // 2 for side in shape)
        self.hidden = nn.Linear(height * width * 64, 64)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(64, classes)

    def head(self, normalised: Tensor) -> Tensor:
        """Compute logits from normalised pixels."""
        x = self.pool(torch.relu(self.first(normalised)))
        x = self.pool(torch.relu(self.second(x)))
        # Flatten with channels last, TFLite's layout: the converter then needs no transpose.
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.output(self.dropout(torch.relu(self.hidden(x))))


class LectureDense(Network):
    """The dense network the lecture argues against: its units see all pixels, but not which are neighbours."""

    def __init__(self, classes: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Linear(shape[0] * shape[1] * 3, 512)
        self.hidden = nn.Linear(512, 256)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(256, classes)

    def head(self, normalised: Tensor) -> Tensor:
        """Compute logits from normalised pixels."""
        x = torch.relu(self.first(normalised.permute(0, 2, 3, 1).flatten(1)))
        return self.output(self.dropout(torch.relu(self.hidden(x))))


class Convolution(nn.Module):
    """3x3 convolution, optional 2x2 max pooling, batch normalisation and ReLU; optionally with a skip around it.

    Batch normalisation has no learned scale, so its scale is positive and it commutes with max pooling. Pooling before
    it saves three quarters of the training's memory traffic, and folding into the convolution stays exact.
    """

    def __init__(self, inputs: int, outputs: int, pools: bool, skips: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2) if pools else nn.Identity()
        self.norm: nn.Module = nn.BatchNorm2d(outputs, affine=False, momentum=0.1)
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(outputs, 1, 1))
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        """Compute (N, outputs, H or H / 2, W or W / 2) activations >= 0."""
        y = self.norm(self.pool(self.conv(x)))
        if self.bias is not None:
            y = y + self.bias
        return torch.relu(y + x if self.skips else y)

    def fold(self) -> None:
        """Merge batch normalisation and bias into the convolution."""
        if self.bias is None or not isinstance(self.norm, nn.BatchNorm2d):
            return  # folded already
        scale = torch.rsqrt(self.norm.running_var + self.norm.eps)
        folded = nn.Conv2d(self.conv.in_channels, self.conv.out_channels, 3, padding=1)
        folded.weight.data = self.conv.weight.data * scale[:, None, None, None]
        assert folded.bias is not None  # noqa: S101  # narrows the type
        folded.bias.data = self.bias.data.flatten() - self.norm.running_mean * scale
        self.conv, self.norm, self.bias = folded, nn.Identity(), None


class Plain(Network):
    """Whitened 2x2 patches, then stages of 3x3 convolutions with max pooling: the layers XNNPACK runs fastest.

    The shape follows K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024): a fixed first layer of
    whitening filters, pooling after the first convolution of each stage, a global maximum before the dense layer.

    Args:
        classes: number of outputs.
        shape: height and width of the pictures, at least 32.
        stages: channels of each convolution of each stage. Pooling follows the first of a stage.
        stem: number of filters in the first layer: half of them are the strongest of the 12 (2 x 2 x 3) whitening
            filters, half their negatives, so that ReLU loses nothing.
        skips: whether the later convolutions of a stage have skips around them.
    """

    def __init__(
        self, classes: int, shape: tuple[int, int], stages: Sequence[Sequence[int]], stem: int = 24, skips: bool = True
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, stem, 2)
        # The filters stay as `prepare` computes them; only the bias of this layer is trained.
        self.first.weight.requires_grad_(False)
        self.stages = nn.Sequential()
        inputs = stem
        for widths in stages:
            for place, outputs in enumerate(widths):
                has_skip = skips and place > 0 and inputs == outputs
                self.stages.append(Convolution(inputs, outputs, pools=place == 0, skips=has_skip))
                inputs = outputs
        # The 2x2 stem takes one pixel off each side, each stage halves it.
        side = [(length - 1) >> len(stages) for length in shape]
        self.pool = nn.MaxPool2d((side[0], side[1]))
        self.output = nn.Linear(inputs, classes)

    def filters(self) -> list[nn.Parameter]:
        """Return the weights of all 3x3 convolutions."""
        return [stage.conv.weight for stage in self.stages]

    def prepare(self, pixels: Tensor) -> None:
        """Set the first layer to the eigenvectors of the pictures' 2x2 patches, scaled to unit variance."""
        patches = ((pixels - self.mean) / self.std).unfold(2, 2, 1).unfold(3, 2, 1)  # (N, 3, H-1, W-1, 2, 2)
        rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).double()
        values, vectors = torch.linalg.eigh(torch.cov(rows.T))
        # 5e-4 (Jordan) keeps the weakest directions, mostly noise, from being blown up; flip puts the strongest first.
        filters = (vectors / torch.sqrt(values + 5e-4)).T.reshape(12, 3, 2, 2).flip(0)[: len(self.first.weight) // 2]
        self.first.weight.data = torch.cat([filters, -filters]).to(self.first.weight)
        self.first.bias.data.zero_()

    def head(self, normalised: Tensor) -> Tensor:
        """Compute logits from normalised pixels."""
        x = self.pool(self.stages(torch.relu(self.first(normalised))))
        return self.output(x.flatten(1))

    def fold(self) -> None:
        """Merge the normalisation of pixels and all batch normalisations into the convolutions."""
        super().fold()
        for stage in self.stages:
            stage.fold()


def count_macs(network: nn.Module, shape: tuple[int, int]) -> int:
    """Count the multiply-accumulate operations of the convolutions and dense layers for one picture."""
    total = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # Each output value takes as many operations as one filter has weights.
            total += layer.weight[0].numel() * output[0].numel()

    hooks = [layer.register_forward_hook(add) for layer in network.modules()]
    with torch.inference_mode():
        network(torch.zeros(1, 3, *shape))
    for hook in hooks:
        hook.remove()
    return total
