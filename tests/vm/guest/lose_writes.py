"""Lose the writes of a log again and again: lose_writes.py TURNS. Prints one JSON object a turn.

A small ext4 lies on a dm-flakey device. A child writes log lines and has them synced; at some moment the device begins
to drop what is written to it, without an error, as a disk does whose power fails; a little later the child is killed
and the file system taken off. What is on the disk then is what a power cut would have left: the file is checked, and
the next child appends to it.
"""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

SYNC_S = 0.3
DISK, MOUNTED, NAME = "/dev/shm/disk.img", Path("/mnt/flaky"), "flaky"
LOG = MOUNTED / "log"


def shell(text):
    """Run a command that has to succeed."""
    return subprocess.run(text, shell=True, check=True, capture_output=True, text=True).stdout.strip()


def switch(table):
    """Change what the device does; what waits to be written stays in the page cache."""
    shell(
        f"dmsetup suspend --noflush --nolockfs {NAME} && dmsetup load {NAME} --table '{table}' && dmsetup resume {NAME}"
    )


class Told:
    """Numbers of written lines, and where a child says which of them are synced."""

    written = -1
    pipe = -1


def sync(descriptor, real_sync=os.fsync):
    """Stand before fsync: say the last line that was written when it was called, and when it came back."""
    before = Told.written
    real_sync(descriptor)
    os.write(Told.pipe, f"synced {before} {time.monotonic()}\n".encode())


os.fsync = sync  # before the log's modules take it as a default
from edge_app.records import Result, Verdict  # noqa: E402
from edge_app.settings.sections import OutputOptions  # noqa: E402
from edge_app.sinks import Destination, log  # noqa: E402


def write_lines(first, pipe):
    """Write lines until killed."""
    Told.written, Told.pipe = first - 1, pipe
    sink = log.Log(Destination(str(LOG), OutputOptions(log_max_mb=1024, log_sync=SYNC_S)))
    verdict = Verdict("ok", "ship", 0.9, (("ship", 0.9), ("airplane", 0.05), ("truck", 0.02)))
    for number in itertools.count(first):
        now_s = time.monotonic()
        sink.emit(Result(verdict, "test", number, now_s, time.time(), now_s, 30.0, 0), None)
        Told.written = number
        time.sleep(0.002)


def run_child(first, drop_after_s, dropping):
    """Let a child write, begin to drop its writes after a while, kill it; return the last number synced before."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        write_lines(first, writer)
    os.close(writer)
    time.sleep(drop_after_s)
    dropped_s = time.monotonic()
    switch(dropping)
    time.sleep(random.uniform(0, 2 * SYNC_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reader) as file:
        told = [line.split() for line in file.read().splitlines() if line.count(" ") == 2]
    return max((int(number) for _, number, at_s in told if float(at_s) < dropped_s), default=first - 1)


def main():
    """Make the device, run the turns."""
    random.seed(1)
    shell(f"truncate -s 64M {DISK}; modprobe -a loop dm-flakey; mkdir -p {MOUNTED}")
    loop = shell(f"losetup --find --show {DISK}")
    sectors = shell(f"blockdev --getsz {loop}")
    passing, dropping = f"0 {sectors} linear {loop} 0", f"0 {sectors} flakey {loop} 0 0 3600 1 drop_writes"
    shell(f"dmsetup create {NAME} --table '{passing}'; mkfs.ext4 -q /dev/mapper/{NAME}")
    first = 0
    for turn in range(int(sys.argv[1])):
        shell(f"mount -o commit=1 /dev/mapper/{NAME} {MOUNTED}")
        synced = run_child(first, random.uniform(1.0, 2.5), dropping)
        shell(f"umount {MOUNTED}")
        switch(passing)
        shell(f"mount -o commit=1 /dev/mapper/{NAME} {MOUNTED}")
        content = LOG.read_bytes() if LOG.exists() else b""
        *whole, tail = content.split(b"\n")
        numbers, invalid, torn_told = [], 0, 0
        for line in whole:
            try:
                record = json.loads(line)
                numbers.append(record["frame"])
                torn_told += record.get("gap", {}).get("torn_bytes", 0)
            except ValueError:
                invalid += 1
        found = {
            "turn": turn,
            "lines": len(numbers),
            "invalid": invalid,
            "in_order": numbers == sorted(set(numbers)),
            "torn_tail_bytes": len(tail),
            "torn_told_so_far": torn_told,
            "synced_missing": len(set(range(first, synced + 1)) - set(numbers)),
            "synced": synced - first + 1,
        }
        print(json.dumps(found), flush=True)
        first = max(numbers[-1] if numbers else -1, synced) + 1
        shell(f"umount {MOUNTED}")
    shell(f"dmsetup remove {NAME}; losetup -d {loop}; rm {DISK}")


main()
