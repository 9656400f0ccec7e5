"""What is in the log after a disk has lost its power."""

from __future__ import annotations

import json

from tests.vm.machine import BIN, Machine

TURNS = 45


def test_lost_writes(plain: Machine) -> None:
    """A disk that drops what it is given, 45 times: at most half a line at the end, and what was synced is there.

    All other lines are whole, and what was cut off the end is told by the next line, to the byte.
    """
    done = plain.run(f"{BIN}/python {plain.guest_share}/guest/lose_writes.py {TURNS}", 1200)
    turns = [json.loads(line) for line in done.stdout.splitlines()]
    tails = [turn["torn_tail_bytes"] for turn in turns]
    print(
        f"{turns[-1]['lines']} lines after {len(turns)} losses, {sum(turn['synced'] for turn in turns)} of them synced"
    )
    print(f"{sum(map(bool, tails))} torn tails of {[size for size in tails if size]} bytes")
    assert len(turns) == TURNS and all(turn["synced"] > 0 for turn in turns)
    assert all(turn["invalid"] == 0 and turn["in_order"] and turn["synced_missing"] == 0 for turn in turns)
    assert turns[-1]["torn_told_so_far"] == sum(tails[:-1])
