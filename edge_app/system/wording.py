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


def printable(text: str) -> str:
    """Return a text as one line that cannot steer a terminal or a journal.

    Names of files, cameras and labels, and what servers send, may hold any character: control characters, line breaks,
    marks that reverse the direction of writing, or bytes that are not UTF-8 (as lone surrogates). Each becomes U+FFFD.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
