"""Muon, the optimiser for convolutions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# Coefficients of the quintic iteration in K. Jordan et al., "Muon: An optimizer for hidden layers" (2024): they trade
# accuracy for speed: all singular values end between 0.7 and 1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """SGD with orthogonalised momentum, for convolutions that batch normalisation follows.

    A filter bank is treated as a matrix with a row for each output. Batch normalisation cancels its scale, so the mean
    square norm of its rows is kept at one: the learning rate is then the share of the weights that a step replaces, and
    weight decay is not needed.

    Args:
        parameters: (outputs, inputs, height, width) filter banks.
        lr: learning rate.
        momentum: share of the previous direction to keep (Nesterov).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    def step(self, closure: None = None) -> None:
        """Take one step."""
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._update(weight, group["lr"], group["momentum"])

    def _update(self, weight: Tensor, rate: float, kept: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight.grad)
        momentum: Tensor = state["momentum"].mul_(kept).add_(weight.grad)
        direction = weight.grad.add(momentum, alpha=kept)  # Nesterov: looks one step ahead
        rows = len(weight)
        weight.mul_(rows**0.5 / weight.norm())
        weight.sub_(orthogonal(direction.reshape(rows, -1)).view_as(weight), alpha=rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximate the closest matrix with orthonormal rows (or columns) by five Newton-Schulz steps.

    Args:
        matrix: (rows, columns) float32; computed in bfloat16, which the iteration tolerates.
    """
    a, b, c = _QUINTIC
    # The smaller Gram matrix is cheaper.
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    # The Frobenius norm bounds all singular values by one, as the iteration needs; 1e-7 is for a gradient of zeros.
    x = (wide / (wide.norm() + 1e-7)).bfloat16()
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x if wide is matrix else x.T).float()
