"""Crop, size and input range: one parser each, whoever writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.records import Box, Crop, InputRange, Size
from edge_app.settings import values
from edge_app.settings.sections import CameraOptions, ModelOptions

PIXELS = st.integers(0, 10**6)
SIDES = st.integers(1, 10**6)
BOXES = st.builds(Box, PIXELS, PIXELS, SIDES, SIDES)
CROPS = st.sampled_from([Crop("center"), Crop("fit"), Crop("squash")]) | st.builds(Crop, st.just("box"), BOXES)
SIZES = st.builds(Size, SIDES, SIDES)
ENDS = st.floats(allow_nan=False, allow_infinity=False)
RANGES = st.tuples(ENDS, ENDS).filter(lambda ends: ends[0] < ends[1]).map(lambda ends: InputRange(*ends))


@given(CROPS, SIZES, RANGES)
def test_what_is_printed_can_be_read(crop: Crop, size: Size, input_range: InputRange) -> None:
    """`edge-app config` prints each in the form a flag takes, and nothing is lost on the way."""
    assert values.crop(str(crop)) == crop
    assert values.size(str(size)) == size
    assert values.input_range(str(input_range)) == input_range


def test_settings_hold_records() -> None:
    """Nobody behind the settings takes a text apart: a flag's text, a file's list and a record give the same record."""
    for crop in ("10,0,480,320", " 10, 0, 480, 320 ", [10, 0, 480, 320], Crop("box", Box(10, 0, 480, 320))):
        assert CameraOptions.model_validate({"crop": crop}).crop == Crop("box", Box(10, 0, 480, 320))
    for size in ("640x480", [640, 480], Size(640, 480)):
        assert CameraOptions.model_validate({"size": size}).size == Size(640, 480)
    for ends in ("-1,1", [-1, 1], InputRange(-1, 1)):
        assert ModelOptions.model_validate({"input_range": ends}).input_range == InputRange(-1, 1)


@pytest.mark.parametrize("text", ["centre", "1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "", "1.5,0,5,5"])
def test_bad_crops_are_refused(text: str) -> None:
    """A crop that cannot be read names what is allowed."""
    with pytest.raises(ValueError, match=r"X,Y,W,H|W and H"):
        values.crop(text)


@pytest.mark.parametrize("text", ["640", "640x", "x480", "0x480", "640x480x3", "-640x480", "640.5x480", ""])
def test_bad_sizes_are_refused(text: str) -> None:
    """A size has two whole sides."""
    with pytest.raises(ValueError, match="write WIDTHxHEIGHT, such as 640x480"):
        values.size(text)


@pytest.mark.parametrize("rotation", ["90", 90])
def test_a_rotation_may_be_text(rotation: object) -> None:
    """Flags and variables are text, a file has numbers."""
    assert CameraOptions.model_validate({"rotate": rotation}).rotate == 90
