"""Starting a program: how long until its first line, and the most memory it ever had."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_app.errors import EdgeAppError, RunError
from edge_app.system import children, process

# A process in between: a program's peak, as Linux counts it, begins with that of the process that started it.
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
        command: the program and its arguments; no message shows them, as paths and passwords stand there.
        environment: of it; None gives it that of this process.

    Raises:
        EdgeAppError: the program is edge-app and failed: the error that it reported.
        RunError: another program failed, or it printed nothing.
    """
    variables = {**(os.environ if environment is None else environment), children.VARIABLE: "json"}
    # In the folder of whoever measures: the command may name files that lie there.
    words = process.bare_python(_IN_BETWEEN, *command)
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=variables)
    has_line, code, taken_s, peak_mb, said = json.loads(done.stdout)
    if code or not has_line:
        raise _failure(code, said)
    return Start(taken_s, peak_mb)


def _failure(code: int, said: str) -> EdgeAppError:
    if code < 0:
        return RunError(f"the program that was measured crashed (signal {-code})", _ALONE)
    if code == 0:
        return RunError("the program that was measured printed nothing", _ALONE)
    error = children.told(said)
    if error.exit_code == code and type(error) is not EdgeAppError:
        return error
    return RunError(f"the program that was measured ended with {code}: {error.what}", _ALONE)


_ALONE = "start it by itself to see what it does"
