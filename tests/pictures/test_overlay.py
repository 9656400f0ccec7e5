"""A verdict drawn on a copy of the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.pictures.overlay import blank, draw
from edge_app.records import Result
from tests.results import OK, OUTAGE, UNKNOWN, result

STATES = {"ok": result(OK), "unknown": result(UNKNOWN), "outage": result(OUTAGE)}
BAR_COLORS = {"ok": (80, 210, 110), "unknown": (240, 180, 60)}


@settings(max_examples=60, deadline=None)
@given(st.integers(32, 900), st.integers(32, 900), st.sampled_from(list(STATES.values())))
def test_every_size_is_drawn_on_a_copy(width_px: int, height_px: int, shown: Result) -> None:
    """Any size from 32x32 up, wide or tall, gets a drawing; the picture itself stays as it was."""
    picture = np.full((height_px, width_px, 3), 200, np.uint8)
    drawn = draw(picture, shown)
    assert drawn.shape == picture.shape
    assert drawn.dtype == np.uint8
    assert (picture == 200).all()
    assert (drawn[: height_px // 2] == 200).all()  # the upper half belongs to the picture
    assert (drawn[-1] != 200).any()


@pytest.mark.parametrize("state", ["ok", "unknown"])
def test_the_bar_is_as_long_as_the_confidence(state: str) -> None:
    """The bar's coloured share is the confidence, in the state's colour."""
    shown = STATES[state]
    drawn = draw(blank(), shown)
    row = drawn[480 - 13, 14:-14]
    share = (row == BAR_COLORS[state]).all(axis=1).mean()
    assert share == pytest.approx(shown.verdict.confidence or shown.verdict.top[0][1], abs=0.01)


def test_an_outage_has_no_bar() -> None:
    """Without a picture nothing is known, so nothing is coloured as if it were."""
    drawn = draw(blank(), STATES["outage"])
    assert not any((drawn == color).all(axis=2).any() for color in BAR_COLORS.values())


def test_labels_of_any_kind_are_drawn() -> None:
    """Characters that OpenCV's font lacks, and empty labels, are harmless."""
    for label in ("", "猫", "a" * 500, "line\nbreak"):
        verdict = type(OK)("ok", label, 1.0, ((label, 1.0),))
        assert draw(blank(), result(verdict)).shape == blank().shape
