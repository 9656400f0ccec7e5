"""Muon: its steps are orthogonal and lead to the minimum."""

from __future__ import annotations

import pytest
import torch

from edge_app.train.optimise import Muon, orthogonal


@pytest.mark.parametrize("shape", [(16, 144), (64, 24), (32, 32)])
def test_singular_values_become_alike(shape: tuple[int, int]) -> None:
    """The iteration brings all singular values near 1 and keeps the directions."""
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5 and values.max() < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    aligned = torch.diagonal(left.T @ found @ right.T)
    assert aligned.min() > 0.5


def test_the_scale_of_a_filter_bank_is_kept() -> None:
    """Before each update the norm of a filter bank is set to the square root of its number of rows."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(16, 8, 3, 3) * 7)
    muon = Muon([weight], lr=0.0, momentum=0.9)
    weight.grad = torch.randn_like(weight)
    muon.step()
    assert weight.norm().item() == pytest.approx(4.0, rel=1e-5)


def test_it_learns() -> None:
    """It moves a filter bank to a target of the same norm."""
    torch.manual_seed(0)
    target = torch.randn(16, 8, 3, 3)
    target *= 4 / target.norm()
    weight = torch.nn.Parameter(torch.randn(16, 8, 3, 3))
    muon = Muon([weight], lr=0.1, momentum=0.9)
    for step in range(200):
        muon.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        weight.grad = None
        (weight - target).square().sum().backward()
        muon.step()
    assert torch.cosine_similarity(weight.detach().flatten(), target.flatten(), dim=0) > 0.99
