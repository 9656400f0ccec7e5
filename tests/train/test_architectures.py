"""The networks: the exported one computes the same as the trained one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edge_app.train import recipes
from edge_app.train.architectures import Exported, Network, Plain, count_macs

PIXELS = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()


def lived(name: str, shape: tuple[int, int] = (32, 32)) -> Network:
    """Build a network whose statistics and biases differ from their initial values, as after training."""
    torch.manual_seed(1)
    network = recipes.find(name).build(10, shape)
    network.prepare(PIXELS)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_folding_changes_nothing(name: str) -> None:
    """The exported network gives the trained one's logits from raw pixels; the trained one is unchanged."""
    network = lived(name)
    with torch.inference_mode():
        before = network(PIXELS)
        exported = Exported(network)(PIXELS)
        assert torch.allclose(before, exported, rtol=1e-3, atol=1e-3 * before.abs().max().item())
        assert torch.equal(before, network(PIXELS))


def normalisations(network: nn.Module) -> int:
    """Count the layers of batch normalisation."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_nothing_but_what_the_runtime_runs_is_exported() -> None:
    """The exported network has no batch normalisation left."""
    trained = {name: normalisations(lived(name)) for name in recipes.RECIPES}
    assert {name for name, count in trained.items() if count} >= {"base", "nano"}
    assert {name: normalisations(Exported(lived(name))) for name in recipes.RECIPES} == dict.fromkeys(trained, 0)


def test_the_lectures_network_is_the_lectures() -> None:
    """167,562 parameters and 4.0 million multiply-accumulates, as published."""
    network = lived("lecture")
    assert sum(weight.numel() for weight in network.parameters()) == 167_562
    assert count_macs(network, (32, 32)) == 4_040_704  # 30*30*32*27 + 13*13*64*288 + 2304*64 + 64*10


@pytest.mark.parametrize("side_px", [32, 48, 96])
def test_other_sizes(side_px: int) -> None:
    """A network is built for any size of picture."""
    network = recipes.find("nano").build(3, (side_px, side_px))
    assert network(torch.zeros(2, 3, side_px, side_px)).shape == (2, 3)


def test_whitened_patches_are_white() -> None:
    """The responses of the first layer's twelve filters are uncorrelated and have unit variance."""
    torch.manual_seed(0)
    smooth = nn.functional.interpolate(torch.rand(200, 3, 9, 9) * 255, 32, mode="bilinear")
    pixels = (smooth + 8 * torch.randn_like(smooth)).clamp(0, 255)
    network = Plain(10, (32, 32), ((16,),))
    network.prepare(pixels)
    with torch.no_grad():
        responses = network.first((pixels - network.mean) / network.std)[:, :12].permute(1, 0, 2, 3).flatten(1)
    covariance = torch.cov(responses)
    assert torch.allclose(covariance, torch.eye(12), atol=0.1)
    assert torch.equal(network.first.weight[:12], -network.first.weight[12:])
