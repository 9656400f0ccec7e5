"""The training loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from edge_app import cifar10
from edge_app.train import data

BATCH = 250


def fit(network: nn.Module, split: data.Split, epochs: int, peak_rate: float, seed: int) -> None:
    """Train `network` in place: Adam, one cycle, label smoothing 0.1, pictures shifted and mirrored.

    Args:
        network: takes pixels of 0..255, returns logits.
        split: learns from `split.train`; `split.validation` is only reported.
        epochs: passes over the training pictures.
        peak_rate: highest learning rate of the cycle.
        seed: fixes the order and the augmentation.
    """
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * (len(split.train.labels) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=peak_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak_rate, total_steps=steps, pct_start=0.2)
    with tqdm(total=steps * BATCH, unit="img", unit_scale=True, disable=None) as bar:
        for _ in range(epochs):
            network.train()
            for pictures, labels in data.batches(split.train, BATCH, generator):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = functional.cross_entropy(network(pictures), labels, label_smoothing=0.1)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
                bar.update(BATCH)
            bar.set_postfix(loss=f"{loss.item():.3f}", val=f"{accuracy(network, split.validation):.4f}")


def logits(network: nn.Module, pictures: Tensor) -> Tensor:
    """Return the network's logits, without gradients, in float32."""
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(part) for part in pictures.split(1000)])


def accuracy(network: nn.Module, pictures: cifar10.LabelledPictures) -> float:
    """Return the share of pictures whose highest logit is the label's."""
    guessed = logits(network, data.to_tensor(pictures.pictures)).argmax(1)
    return float((guessed == torch.from_numpy(pictures.labels)).float().mean())
