"""Nothing that a command prints steers the terminal."""

from __future__ import annotations

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from edge_app.system import terminal

CONTROLS = [*range(32), *range(127, 160), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x061C]
LAYOUT = "\t\n\r"


@given(st.text(st.sampled_from([*map(chr, CONTROLS), "a", "\u732b", "\ud800", " "])))
def test_no_text_steers(text: str) -> None:
    """Control characters, marks of direction and half characters are replaced; all others stay where they are."""
    stream = io.StringIO()
    assert terminal.Harmless(stream).write(text) == len(text)
    shown = stream.getvalue()
    assert len(shown) == len(text)
    for was, now in zip(text, shown, strict=True):
        assert now == (was if was in f"{LAYOUT}a\u732b " else "\N{REPLACEMENT CHARACTER}")


@given(st.text())
def test_an_escaped_json_means_the_same(text: str) -> None:
    """And holds none of these characters itself."""
    escaped = terminal.escaped(json.dumps({"reason": text}, ensure_ascii=False))
    assert json.loads(escaped) == {"reason": text}
    assert not any(ord(char) in CONTROLS for char in escaped)


def test_a_terminal_that_lacks_letters_shows_their_numbers() -> None:
    """An ASCII terminal neither ends the command nor hides the name."""
    raw = io.BytesIO()
    stream = terminal.Harmless(io.TextIOWrapper(raw, "ascii"))
    stream.write("k\u00fcche")
    stream.flush()
    assert raw.getvalue() == b"k\\xfcche"
