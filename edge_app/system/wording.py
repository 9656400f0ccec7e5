"""Words of messages: what several rooms say in the same way."""

from __future__ import annotations


def counted(number: int, noun: str, shown: str | None = None) -> str:
    """Return a number with its noun: "1 frame", "2 frames", "0 classes".

    Args:
        number: how many.
        noun: what, in the singular; it forms its plural with -s, or -es after an s.
        shown: written instead of the number, "3/7" say.
    """
    plural = noun if number == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{number if shown is None else shown} {plural}"
