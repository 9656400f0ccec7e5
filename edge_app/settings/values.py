"""Parsers of the settings that are more than a word or a number: crop, size, input range, addresses.

Each accepts a flag's text; those of numbers also the list that the settings file may hold instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator

from edge_app.records import Box, Crop, InputRange, Size
from edge_app.secret import Secret
from edge_app.settings.choices import Rotation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A value's name in the help, for types that have no obvious one."""

    metavar: str


def crop(value: object) -> Crop:
    """Read `center`, `fit`, `squash` or `X,Y,W,H` in pixels.

    Raises:
        ValueError: the value has none of these forms, or the box is negative or empty.
    """
    if isinstance(value, Crop):
        return value
    text = _joined(value, ",").strip()
    if text in ("center", "fit", "squash"):
        return Crop(text)  # type: ignore[arg-type]  # mypy does not narrow a str by "in"
    parts = [part.strip() for part in text.split(",")]
    # Not isdigit, which is true for "²", where int() fails.
    if len(parts) != 4 or not all(part.removeprefix("-").isdecimal() for part in parts):
        raise ValueError("choose center, fit, squash or X,Y,W,H in pixels, such as 100,0,480,480")
    box = Box(*map(int, parts))
    if min(box.left, box.top, box.width_px, box.height_px) < 0:
        raise ValueError("X, Y, W and H must not be negative: write pixels, such as 100,0,480,480")
    if not (box.width_px and box.height_px):
        raise ValueError("W and H must not be 0: write pixels, such as 100,0,480,480")
    return Crop("box", box)


def size(value: object) -> Size:
    """Read `WIDTHxHEIGHT` in pixels.

    Raises:
        ValueError: the value has another form, or a side is 0.
    """
    if isinstance(value, Size):
        return value
    width, _, height = _joined(value, "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError("write WIDTHxHEIGHT, such as 640x480")
    return Size(int(width), int(height))


def input_range(value: object) -> InputRange:
    """Read `LOW,HIGH`.

    Raises:
        ValueError: the value has another form, is not finite, or LOW is not below HIGH.
    """
    if isinstance(value, InputRange):
        return value
    try:
        low, high = (float(part) for part in _joined(value, ",").split(","))
    except ValueError:
        raise ValueError("write LOW,HIGH, such as -1,1") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("LOW and HIGH must be finite numbers, such as -1,1")
    if not low < high:
        raise ValueError("LOW must be below HIGH")
    return InputRange(low, high)


def address(value: object) -> Secret:
    """Take a text that may hold a password.

    Raises:
        ValueError: the value is not a text.
    """
    if not isinstance(value, Secret | str):
        raise ValueError("should be a valid string")
    return Secret.of(value)


def _joined(value: object, separator: str) -> str:
    """Return a value as a flag's text."""
    return separator.join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _distinct(values: list[T]) -> list[T]:
    return list(dict.fromkeys(values))


_Address = Annotated[Secret, PlainValidator(address), PlainSerializer(str)]
AddressValue = Annotated[_Address, Shown("TEXT")]
SinkValue = Annotated[_Address, Shown("NAME[:ARGUMENT]")]
CropValue = Annotated[Crop, PlainValidator(crop), Shown("PART")]
SizeValue = Annotated[Size, PlainValidator(size), Shown("WIDTHxHEIGHT")]
RangeValue = Annotated[InputRange, PlainValidator(input_range), Shown("LOW,HIGH")]
# pydantic compares a Literal without converting, and flags and variables are text.
RotationValue = Annotated[Rotation, BeforeValidator(lambda value: int(value) if str(value).isdecimal() else value)]
DISTINCT = AfterValidator(_distinct)
"""Drops repeated values of a list."""
