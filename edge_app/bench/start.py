"""Starting a program: how long until its first line, and the most memory it ever had."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_app.errors import RunError
from edge_app.system import process
from edge_app.system.masking import masked

# A process in between: a program's peak, as Linux counts it, begins with that of the process that started it.
_IN_BETWEEN = """
import resource, subprocess, sys, time
begun_s = time.perf_counter()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
    line = program.stdout.readline()
    taken_s = time.perf_counter() - begun_s
    program.communicate()
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(bool(line), program.returncode, taken_s, peak)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """How a program starts.

    Attributes:
        first_line_s: seconds from its start to its first line on stdout.
        peak_mb: most memory it had until its end, MiB.
    """

    first_line_s: float
    peak_mb: float


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Start:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        environment: of it; None gives it that of this process.

    Raises:
        RunError: it failed, or printed nothing.
    """
    # In the folder of whoever measures: the command may name files that lie there.
    words = process.bare_python(_IN_BETWEEN, *command)
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    has_line, code, taken_s, peak_mb = done.stdout.split()
    if has_line != "True" or code != "0":
        raise RunError(f"'{_shown(command)}' ended with {code} and had printed something: {has_line.lower()}")
    return Start(float(taken_s), float(peak_mb))


def _shown(command: Sequence[str]) -> str:
    """Return a command for a message of one line; Python code in it is left out."""
    return shlex.join(
        masked(word) if previous != "-c" else "..." for previous, word in zip(["", *command], command, strict=False)
    )
