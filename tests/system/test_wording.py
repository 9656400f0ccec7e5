"""Numbers with their nouns, and that every message counts with them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edge_app.system.wording import counted, printable
from tests.conftest import ROOT

NOUNS = (
    *("bytes", "cameras", "classes", "cores", "directories", "epochs", "errors", "files", "folders", "frames"),
    *("golden", "inputs", "labels", "lines", "models", "operators", "outputs", "pictures", "places", "seconds"),
    *("steps", "threads", "times", "words"),
)
# Numbers that are never 1: constants, sizes in pixels, what is refused below 2, figures of a card that ships.
NEVER_ONE = {
    "_SEED_DIGITS",
    "MOST_PX",
    "RATES_HZ",
    "rate_hz",
    "threads",
    "2 * width * height",
    "status.st_size",
    "self._length",
    "len(self._buffer)",
    "len(labels)",
}


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "frame", "0 frames"),
        (1, "frame", "1 frame"),
        (2, "frame", "2 frames"),
        (1, "class", "1 class"),
        (10, "class", "10 classes"),
        (7, "golden output", "7 golden outputs"),
    ],
)
def test_number_and_noun_agree(number: int, noun: str, said: str) -> None:
    """One is singular; none and many are plural."""
    assert counted(number, noun) == said


def test_a_share_takes_the_number_of_the_whole() -> None:
    """3/7 of seven, 1/1 of one."""
    assert counted(7, "operator", "3/7") == "3/7 operators"
    assert counted(1, "operator", "1/1") == "1/1 operator"


def hand_made_plurals(path: Path) -> list[str]:
    """Return the messages of a module that put a number before a plural without `counted`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if is_number(value) and isinstance(text, ast.Constant) and begins_with_plural(str(text.value)):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(value)}{text.value}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [
                f"{path.name}:{node.lineno}: {word}"
                for word in re.findall(r"%[ds] ([a-z]+)", node.value)
                if word in NOUNS
            ]
    return found


def is_number(value: ast.expr) -> bool:
    """Say whether a part of an f-string may be the number 1; one with a format is a figure in a table."""
    return (
        isinstance(value, ast.FormattedValue)
        and value.format_spec is None
        and ast.unparse(value.value) not in NEVER_ONE
    )


def begins_with_plural(text: str) -> bool:
    """Say whether a text goes on with something counted."""
    word = re.match(r" ([a-z]+)\b", text)
    return word is not None and word[1] in NOUNS


def test_every_message_counts_with_the_helper() -> None:
    """No message says "1 frames": a number that may be 1 takes its noun from `counted`."""
    modules = sorted((ROOT / "edge_app").rglob("*.py"))
    assert [found for path in modules for found in hand_made_plurals(path)] == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Both kinds of message, f-strings and those of the log, are found."""
    path = tmp_path / "module.py"
    path.write_text('f"a JPEG of {len(data)} bytes"\nlog.info("%d frames", frames)\nf"{size:,} bytes"\nf"{x} is"\n')
    assert len(hand_made_plurals(path)) == 2


def test_printable_text_is_one_harmless_line() -> None:
    """Letters of any script stay; control characters, line breaks and half characters do not."""
    assert printable("Küche 猫") == "Küche 猫"
    assert printable("a\x1b[2J\nb\udcff\u202ec") == "a�[2J�b��c"
