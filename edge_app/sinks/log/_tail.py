"""The end of a log that a power cut or a crash left behind."""

from __future__ import annotations

import json
import os
import stat

_TAIL_BYTES = 2**20  # More than a run writes between two commits of the file system's journal.
_LINE_START = b'{"time":"'
_AFTER_TIME = b',"mono_s":'  # the field after `time` in every line of ours, and hardly in another program's


def mend_tail(descriptor: int) -> int:
    """Cut an incomplete line of ours off the end of a file; return how many bytes were cut.

    A line appended to it would be unreadable too. Anything else that lacks its newline gets one: a whole line, or the
    text of another program.
    """
    size = os.fstat(descriptor).st_size
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or size == 0:
        return 0
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    last = tail[tail.rfind(b"\n") + 1 :]
    if not last:
        return 0
    # After a power cut a file may end in zeros: its new length was stored before its content.
    begun = last.rstrip(b"\0")
    if begun and _is_a_line(begun):
        os.ftruncate(descriptor, size - len(last) + len(begun))
    elif _begins_a_line(begun) if begun else _LINE_START in tail:
        os.ftruncate(descriptor, size - len(last))
        return len(last)
    os.write(descriptor, b"\n")
    return 0


def _is_a_line(text: bytes) -> bool:
    """Return whether a text is a whole line of ours, without its newline."""
    if not text.startswith(_LINE_START):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return _begins_a_line(text)


def _begins_a_line(text: bytes) -> bool:
    """Return whether a text is the beginning of a line of ours."""
    if _LINE_START.startswith(text):
        return True
    _, quote, rest = text.removeprefix(_LINE_START).partition(b'"')
    is_ours = not quote or rest.startswith(_AFTER_TIME) or _AFTER_TIME.startswith(rest)
    return text.startswith(_LINE_START) and is_ours
