"""A million frames in one process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from pathlib import Path

from tests.results import command, environment

FRAMES = 1_000_000
WARM_UP = 20_000
GROWTH_KIB = 2 * 1024
LOOK_S = 2.0


def resident_kib(pid: int) -> int:
    """Return the memory a process occupies."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_a_million_frames_leave_nothing_behind(tmp_path: Path) -> None:
    """Memory grows by 2 MiB at most after the warm-up; file descriptors and threads stay as many as they were."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = ["run", "--source", "synthetic:free", "--size", "64x48", "--model", "cifar10-nano", "--preview", "none"]
    log = [*("--log", "log.jsonl", "--log-when", "periodic", "--log-period", "1", "--log-max-mb", "1")]
    started_s = time.monotonic()
    with subprocess.Popen(
        command(*run, *log, "--frames", str(FRAMES)), cwd=folder, env=environment(folder), stderr=subprocess.PIPE
    ) as process:
        looks = []
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
            try:
                here = Path(f"/proc/{process.pid}")
                counts = len(list((here / "fd").iterdir())), len(list((here / "task").iterdir()))
                frame = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["frame"]
                looks.append((frame, resident_kib(process.pid), *counts))
            except (OSError, IndexError, StopIteration):
                continue  # not begun, just rotated, or ended meanwhile
        assert process.stderr is not None
        said = process.stderr.read().decode()
    after = [look for look in looks if look[0] >= WARM_UP]
    frames, memory, descriptors, threads = zip(*after, strict=True)
    print(f"{said.strip().splitlines()[-1]} in {time.monotonic() - started_s:.0f} s, looked at {len(after)} times")
    print(f"resident {memory[0]} KiB at frame {frames[0]}, {max(memory)} at most, {memory[-1]} at frame {frames[-1]}")
    print(f"descriptors {sorted(set(descriptors))}, threads {sorted(set(threads))}")
    assert process.returncode == 0 and f"{FRAMES} frames classified" in said
    assert len(after) > 20 and frames[-1] > 0.9 * FRAMES
    assert max(memory) - memory[0] <= GROWTH_KIB
    assert len(set(threads)) == 1
    assert max(descriptors) - min(descriptors) <= 1  # the log's copy for fsync comes and goes
