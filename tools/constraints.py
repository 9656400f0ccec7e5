"""Renew the pinned requirements, with hashes: constraints.txt and requirements/*.txt. `make constraints`.

uv resolves once for every Python and platform that it knows. What it writes is a list for
`pip install --require-hashes -r`, so nothing is installed that is not listed, and nothing whose bytes have changed
since. Every file is complete: it lists what its packages need in turn.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_app.system import files

ROOT = Path(__file__).parent.parent
OLDEST_PYTHON = "3.11"
# uv and pip disagree: uv ignores upper bounds of Requires-Python, and 1.3 is for Python 3.10 and older.
# torch: the release that the models were trained with; see docs/decisions/2026-11-27-pinned-requirements.md.
HELD_BACK = ("backports-strenum<1.3", "torch==2.13.0")
# PyTorch comes in builds for CPUs and GPUs under one version: `tools/environment.sh` installs it without a hash, and
# it brings the libraries of its own build.
NOT_LISTED = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
# Debian 12's, the oldest that there is: what it satisfies runs with newer ones too, such as Debian 13's 2.2.
NUMPY_OF_APT = "numpy==1.24.2"

# uv writes the bound of [tool.uv] in pyproject.toml to every line. A newer Python should try these pins, not skip them.
UPPER_BOUND = re.compile(
    r" (?:;|and) python_full_version < '3\.15'(?= \\?$)|(?<= ; )python_full_version < '3\.15' and ", re.M
)


@dataclass(frozen=True, slots=True)
class Pins:
    """One file of pinned requirements.

    Attributes:
        path: where it is, from the root of the checkout.
        holds: what it is for, for its first line.
        extras: of edge-app; None for a file that does not contain what edge-app needs.
        also: further requirements.
        is_for_one_python: resolved for the oldest Python only; a newer one may lack packages.
        from_apt: numpy and OpenCV come from apt, as picamera2 on a Raspberry Pi needs.
    """

    path: str
    holds: str
    extras: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    is_for_one_python: bool = False
    from_apt: bool = False


FILES = (
    Pins("constraints.txt", "the service's environment: edge-app[headless]", ("headless",)),
    Pins("constraints-apt.txt", "the service's environment where numpy and OpenCV come from apt", (), from_apt=True),
    Pins("requirements/desktop.txt", "a run with a window: edge-app[desktop]", ("desktop",)),
    Pins(
        "requirements/dev.txt",
        "tests and checks: edge-app[test,check], with both builds of OpenCV, of which one is to be installed",
        ("headless", "desktop", "test", "check"),
    ),
    Pins("requirements/dev-apt.txt", "tests where numpy and OpenCV come from apt", ("test", "check"), from_apt=True),
    Pins(
        "requirements/train.txt",
        "training, tests and checks: edge-app[train,notebook,test,check], without PyTorch, with both builds of OpenCV",
        ("headless", "desktop", "test", "check", "train", "notebook"),
    ),
    Pins("requirements/build.txt", "building edge-app", also=("setuptools>=77",)),
    Pins("requirements/lock.txt", "tools/constraints.py", also=("uv",)),
    Pins(
        "requirements/tflite-runtime.txt",
        "edge-app on tflite-runtime, for Python 3.11 only",
        also=(
            *("tflite-runtime==2.14.0", "numpy<2", "opencv-python-headless<4.12", "pydantic>=2.7", "tqdm", "pytest>=8"),
        ),
        is_for_one_python=True,
    ),
    Pins("requirements/peers.txt", "tools/bench_peers.py: edge-app and MediaPipe", (), ("mediapipe>=1.2,<2",)),
)


def main() -> None:
    """Write every file anew."""
    for pins in FILES:
        write(pins)


def write(pins: Pins) -> None:
    """Resolve one file and write it."""
    with tempfile.TemporaryDirectory() as scratch:
        held, also = Path(scratch, "held-back.txt"), Path(scratch, "also.txt")
        files.write(held, "\n".join([*HELD_BACK, *([NUMPY_OF_APT] if pins.from_apt else [])]))
        files.write(also, "\n".join(pins.also))
        words = ["--constraints", str(held), "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
        words += [
            "--no-emit-index-url",
            "--no-emit-find-links",
            *(["--no-emit-package=numpy"] if pins.from_apt else []),
        ]
        words += ["--python-version", OLDEST_PYTHON] + (
            [] if pins.is_for_one_python or pins.from_apt else ["--universal"]
        )
        words += [] if pins.extras is None else ["setup.py", *(f"--extra={extra}" for extra in pins.extras)]
        words += [str(also)] if pins.also else []
        uv = [sys.executable, "-I", "-m", "uv", "pip", "compile", *words]
        done = subprocess.run(uv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    body = UPPER_BOUND.sub("", without(NOT_LISTED, done.stdout))
    text = f"# Pinned, with hashes, for {pins.holds}.\n# Written by: make constraints\n{body}"
    files.write(ROOT / pins.path, text)
    print(f"{pins.path}: {len(re.findall('==', text))} packages")


def without(unwanted: re.Pattern[str], text: str) -> str:
    """Return a list of requirements without some, each with its hashes."""
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.IGNORECASE | re.MULTILINE)
    return "".join(entry for entry in entries if not unwanted.match(entry))


if __name__ == "__main__":
    main()
