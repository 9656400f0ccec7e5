"""Random changes to training pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.train import augment
from edge_app.train.augment import Augmentation

NONE = Augmentation(shift_px=0, zoom=0.0, cutout_px=0, camera=0.0)
PICTURES = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype(np.uint8)
UNMIRRORED = np.zeros(64, bool)


def changed(how: Augmentation, seed: int = 1, mirrored: np.ndarray = UNMIRRORED) -> np.ndarray:
    """Change the pictures."""
    return augment.augment(PICTURES, mirrored, how, np.random.default_rng(seed))


def test_nothing_asked_for_nothing_changed() -> None:
    """With all changes off, the pictures come back unchanged, in a new array."""
    same = changed(NONE)
    assert np.array_equal(same, PICTURES) and same is not PICTURES


@pytest.mark.parametrize(
    "how",
    [replace(NONE, shift_px=4), replace(NONE, zoom=0.2), replace(NONE, camera=1.0), replace(NONE, cutout_px=8)],
    ids=["shift", "zoom", "camera", "cutout"],
)
def test_the_seed_decides(how: Augmentation) -> None:
    """The same seed gives the same pictures, another seed others; shape, type and originals are unchanged."""
    before = PICTURES.copy()
    first = changed(how)
    assert np.array_equal(first, changed(how)) and not np.array_equal(first, changed(how, seed=2))
    assert first.shape == PICTURES.shape and first.dtype == np.uint8
    assert not np.array_equal(first, PICTURES) and np.array_equal(PICTURES, before)


def test_mirroring_is_left_for_right() -> None:
    """Exactly the selected pictures are mirrored."""
    mirrored = np.arange(64) % 2 == 0
    found = changed(NONE, mirrored=mirrored)
    assert np.array_equal(found[mirrored], PICTURES[mirrored][:, :, ::-1])
    assert np.array_equal(found[~mirrored], PICTURES[~mirrored])


@given(right=st.integers(-6, 6), down=st.integers(-6, 6))
def test_a_shift_moves_the_picture(right: int, down: int) -> None:
    """What was at (x, y) is at (x + right, y + down), wherever both are inside."""
    picture = PICTURES[0]
    moved = augment.move(picture, np.array([right, down]), 1.0)
    assert moved.shape == picture.shape
    y, x = slice(max(down, 0), 32 + min(down, 0)), slice(max(right, 0), 32 + min(right, 0))
    from_y, from_x = slice(max(-down, 0), 32 + min(-down, 0)), slice(max(-right, 0), 32 + min(-right, 0))
    assert np.array_equal(moved[y, x], picture[from_y, from_x])


def test_a_zoom_keeps_the_middle() -> None:
    """Enlarged by half, a square of 8 pixels in the middle becomes one of 12."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[12:20, 12:20] = 255
    found = augment.move(picture, np.array([0, 0]), 1.5)[..., 0]
    assert found.mean() == pytest.approx(255 * 12 * 12 / 32**2, rel=0.03)
    assert abs(np.average(np.arange(32), weights=found.sum(0)) - 15.5) < 0.01


def test_cut_out_greys_a_square() -> None:
    """At most a square of the given side turns grey, somewhere in each picture."""
    grey = (changed(replace(NONE, cutout_px=8)) == augment.GREY).all(3).sum((1, 2))
    assert grey.max() == 64 and grey.min() >= 16


def test_mixing_divides_the_target_by_area() -> None:
    """Each pixel of a mixed picture comes from one of two pictures; its target has their shares of the area."""
    plain = np.repeat(np.arange(200, dtype=np.uint8), 32 * 32 * 3).reshape(200, 32, 32, 3)  # picture n is all n
    pictures, targets = plain.copy(), np.eye(200, dtype=np.float32)
    augment.mix(pictures, targets, 0.5, np.random.default_rng(1))
    for picture, target in zip(pictures, targets, strict=True):
        labels, pixels = np.unique(picture[..., 0], return_counts=True)
        assert dict(zip(labels, pixels / 32**2, strict=True)) == pytest.approx(
            {label: target[label] for label in np.flatnonzero(target)}
        )
    mixed = (pictures != plain).any((1, 2, 3))
    assert 0.35 < mixed.mean() < 0.65 and targets[mixed].max() < 1


def test_nothing_is_mixed_by_default() -> None:
    """A share of zero leaves pictures and targets alone."""
    pictures, targets = PICTURES.copy(), np.eye(64, dtype=np.float32)
    augment.mix(pictures, targets, 0.0, np.random.default_rng(1))
    assert np.array_equal(pictures, PICTURES) and np.array_equal(targets, np.eye(64))
