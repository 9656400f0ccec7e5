"""The training loop: it learns, it is repeatable, it resumes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edge_app.data import dataset
from edge_app.errors import RunError
from edge_app.train import data, fit, recipes
from edge_app.train.architectures import Network
from edge_app.train.checkpoint import Checkpoint

RECIPE = replace(recipes.find("nano"), batch=16, teacher=None)
IDENTITY: dict[str, str] = {}


@pytest.fixture(scope="module")
def split(shapes_source: dataset.Source) -> data.Split:
    """Read and divide the drawn shapes."""
    return data.divide(shapes_source.read("train", (32, 32)))


def fresh(split: data.Split, recipe: recipes.Recipe = RECIPE) -> Network:
    """Build a network with the same initial weights every time."""
    torch.manual_seed(1)
    network = recipe.build(len(split.train.names), (32, 32))
    network.prepare(fit.to_tensor(split.train.pictures))
    return network


def same(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks have the same weights, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_it_learns_shapes(split: data.Split, shapes_source: dataset.Source, tmp_path: Path) -> None:
    """It distinguishes circles, squares and triangles on unseen pictures after a few seconds."""
    trained = fit.fit(fit.Plan(RECIPE, 12, seed=1), fresh(split), split, Checkpoint(tmp_path / "c", IDENTITY))
    assert fit.accuracy(trained, shapes_source.read("test", (32, 32))) > 0.85


def test_a_training_that_was_broken_off_ends_with_the_same_weights(split: data.Split, tmp_path: Path) -> None:
    """Three epochs at once give the same bits as one epoch and, with all objects new, two more."""
    plan = fit.Plan(RECIPE, 3, seed=1)
    whole = fit.fit(plan, fresh(split), split, Checkpoint(tmp_path / "whole", IDENTITY))

    class Stopping(Checkpoint):
        """Breaks off after the first epoch."""

        def save(self, *arguments: object) -> None:
            super().save(*arguments)  # type: ignore[arg-type]
            stop.set()

    stop = threading.Event()
    with pytest.raises(RunError, match="stopped in epoch 2; 1 are kept"):
        fit.fit(replace(plan, stop=stop), fresh(split), split, Stopping(tmp_path / "parts", IDENTITY))
    gone_on = fit.fit(plan, fresh(split), split, Checkpoint(tmp_path / "parts", IDENTITY))
    assert same(whole, gone_on)


def test_the_seed_decides(split: data.Split, tmp_path: Path) -> None:
    """Another seed gives other weights from the same initial ones."""
    ends = [
        fit.fit(fit.Plan(RECIPE, 1, seed), fresh(split), split, Checkpoint(tmp_path / str(seed), IDENTITY))
        for seed in (1, 2)
    ]
    assert not same(*ends)


def test_the_loss_without_a_teacher_by_hand() -> None:
    """Cross-entropy with a target that is three quarters one label and a quarter another, smoothed by 0.1."""
    logits, target = np.array([1.0, 0.0, -1.0]), np.array([0.75, 0.0, 0.25])
    expected = -((0.9 * target + 0.1 / 3) * (logits - np.log(np.exp(logits).sum()))).sum()
    found = fit.loss_of(
        nn.Identity(), None, torch.tensor(logits)[None].float(), torch.tensor(target)[None].float(), RECIPE
    )
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_with_a_teacher_by_hand() -> None:
    """0.9 T^2 KL(teacher || student) at temperature T = 2, and 0.1 cross-entropy with labels smoothed by 0.1."""
    student, teacher = np.array([1.0, 0.0, -1.0]), np.array([0.0, 2.0, 0.0])

    def log_softmax(logits: np.ndarray) -> np.ndarray:
        return logits - np.log(np.exp(logits).sum())

    taught, guessed = log_softmax(teacher / 2), log_softmax(student / 2)
    distance = (np.exp(taught) * (taught - guessed)).sum()
    target = np.array([0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3])
    expected = 0.9 * 4 * distance - 0.1 * (target * log_softmax(student)).sum()

    def says(logits: np.ndarray) -> nn.Module:
        layer = nn.Linear(1, 3)
        nn.init.zeros_(layer.weight)
        layer.bias.data = torch.tensor(logits, dtype=torch.float32)
        return layer

    found = fit.loss_of(says(student), says(teacher), torch.zeros(1, 1), torch.eye(3)[:1], RECIPE)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_alternate_mirroring(split: data.Split) -> None:
    """Each picture is mirrored in every other epoch: two epochs show both sides of all of them."""
    still = replace(RECIPE.augmentation, shift_px=0, zoom=0.0, camera=0.0, cutout_px=0)
    plan = fit.Plan(replace(RECIPE, augmentation=still, batch=len(split.train.labels)), 2, seed=3)
    epochs = [next(fit.batches(split.train, plan, epoch))[0] for epoch in (0, 1)]
    first, second = ({bytes(each.numpy().astype(np.uint8)) for each in pictures} for pictures in epochs)
    assert {bytes(each.flip(2).numpy().astype(np.uint8)) for each in epochs[0]} == second != first


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.05, 0.5), (0.1, 1.0), (0.55, 0.5), (1.0, 0.0)])
def test_rates_rise_and_fall(progress: float, share: float) -> None:
    """The rate rises linearly to its peak at the end of the warm-up, then falls linearly to zero."""
    assert fit.rate_at(progress, 0.1) == pytest.approx(share)


def test_averaging_is_short_for_short_trainings() -> None:
    """The average spans 200 steps, but at most a tenth of the training."""
    assert fit.averaging_decay(200, 100_000) == pytest.approx(1 - 1 / 200)
    assert fit.averaging_decay(200, 50) == pytest.approx(1 - 1 / 5)
    assert fit.averaging_decay(200, 3) == 0
