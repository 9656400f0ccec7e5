"""Wording that messages of several packages share."""

from __future__ import annotations


def counted(number: int, noun: str, shown: str | None = None) -> str:
    """Return a number with its noun: "1 frame", "2 frames", "0 classes".

    Args:
        number: how many.
        noun: in the singular; the plural adds -s, or -es after an s.
        shown: shown instead of the number, such as "3/7".
    """
    plural = noun if number == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{number if shown is None else shown} {plural}"
