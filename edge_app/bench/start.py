"""Measures the start of a program: time to its first line of output, and peak memory."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_app.errors import EdgeAppError, RunError
from edge_app.system import children, process

# Run by a process in between: on Linux a program's peak memory starts at that of its parent, here a large one.
# The program's stderr goes to a file: a full pipe that nobody reads would stall it before its first line.
# getrusage counts bytes on macOS, KiB elsewhere.
_IN_BETWEEN = """
import json, resource, subprocess, sys, tempfile, time
with tempfile.TemporaryFile() as said:
    begun_s = time.perf_counter()
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=said) as program:
        line = program.stdout.readline()
        taken_s = time.perf_counter() - begun_s
        program.communicate()
    said.seek(0)
    words = said.read().decode(errors="replace")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
json.dump([bool(line), program.returncode, taken_s, peak, words], sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Time and memory of a program's start.

    Attributes:
        first_line_s: seconds from start to first line on stdout.
        peak_mb: peak memory until the end, MiB.
    """

    first_line_s: float
    peak_mb: float


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Start:
    """Run a program to its end and measure its start.

    Args:
        command: program and arguments; no message shows them, as they may contain passwords.
        environment: environment variables; None means those of this process.

    Raises:
        EdgeAppError: the program is edge-app and failed; this is the error it reported.
        RunError: another program failed, or it printed nothing.
    """
    variables = {**(os.environ if environment is None else environment), children.VARIABLE: "json"}
    # Stay in the user's current folder: the command may name files relative to it.
    words = process.bare_python(_IN_BETWEEN, *command)
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=variables)
    has_line, code, taken_s, peak_mb, said = json.loads(done.stdout)
    if code or not has_line:
        raise _failure(code, said)
    return Start(taken_s, peak_mb)


def _failure(code: int, said: str) -> EdgeAppError:
    if code < 0:
        return RunError(f"the measured program crashed (signal {-code})", _ALONE)
    if code == 0:
        return RunError("the measured program printed nothing", _ALONE)
    error = children.told(said)
    if error.exit_code == code and type(error) is not EdgeAppError:
        return error
    return RunError(f"the measured program ended with {code}: {error.what}", _ALONE)


_ALONE = "start it by itself to see what it does"
