"""The split of the training pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import DataError
from edge_app.records import LabelledPictures
from edge_app.train import data


def made(counts: list[int]) -> LabelledPictures:
    """Return distinguishable pictures, a given number of each label."""
    labels = np.repeat(np.arange(len(counts)), counts)
    pictures = np.arange(len(labels), dtype=np.uint32).view(np.uint8).reshape(-1, 1, 1, 4)[..., :3]
    return LabelledPictures(pictures, labels, tuple(map(str, range(len(counts)))))


@given(counts=st.lists(st.integers(2, 60), min_size=2, max_size=5))
def test_every_picture_is_in_one_part(counts: list[int]) -> None:
    """Each picture is in exactly one part, each class in both; the same pictures are held out every time."""
    whole = made(counts)
    split, again = data.divide(whole), data.divide(whole)
    both = np.concatenate([split.train.pictures, split.validation.pictures])
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.pictures))
    for part in (split.train, split.validation):
        assert set(part.labels) == set(range(len(counts)))
    assert np.array_equal(split.validation.pictures, again.validation.pictures)


def test_a_twentieth_is_held_out() -> None:
    """Five of a hundred of each label, as its docstring says."""
    assert np.bincount(data.divide(made([100, 200])).validation.labels).tolist() == [5, 10]


def test_too_few_pictures_are_named() -> None:
    """A class with one picture is refused: it cannot be in both parts."""
    with pytest.raises(DataError, match="class '1' has 1 picture"):
        data.divide(made([5, 1]))
