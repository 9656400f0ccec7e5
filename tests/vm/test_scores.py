"""The models say the same on every processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm.machine import BIN, Machine


@pytest.mark.every_arch
def test_scores_are_the_hosts_bit_for_bit(plain: Machine) -> None:
    """Every shipped model's int8 scores of 64 fixed pictures are those of this host, whatever the guest's processor."""
    script = Path(__file__).parent / "guest" / "scores.py"
    here = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    there = plain.run(f"{BIN}/python {plain.guest_share}/guest/scores.py", 300).stdout
    print(plain.run("uname -m").stdout.strip(), there.strip())
    assert len(json.loads(here)) == 3
    assert json.loads(there) == json.loads(here)
