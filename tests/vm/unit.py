"""edge-app.service in a machine: installed once, then given settings and a camera by each test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.vm.machine import BIN, SHARE, Machine

LOG = "/var/log/edge-app/results.jsonl"
PROGRAM = "/opt/edge-app/bin/edge-app"
DRIVER = "/sys/bus/platform/drivers/vivid"
CAMERA = "modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0; udevadm settle"
SETTINGS = """[camera]
source = "auto"
rate = 5.0
[decision]
enter = 0.0
leave = 0.0
[output]
log_when = "every"
"""


class Unit:
    """edge-app.service in a machine.

    Args:
        machine: the machine.
        installed_status: what `service install` said at its end.
    """

    def __init__(self, machine: Machine, installed_status: str) -> None:
        self.machine, self.installed_status = machine, installed_status

    def run(self, script: str, timeout_s: float = 180, is_checked: bool = True) -> str:
        """Run a script in the guest and return what it printed."""
        return self.machine.run(script, timeout_s, is_checked).stdout

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.run(f"systemctl show -P {name} edge-app").strip()

    def now_s(self) -> float:
        """Return the guest's monotonic time."""
        return float(self.run("python3 -c 'import time; print(time.monotonic())'"))

    def lines(self, since_s: float = 0.0) -> list[dict[str, Any]]:
        """Return the log's lines of captures since then; every line is whole."""
        found = [json.loads(line) for line in self.run(f"cat {LOG}").splitlines()]
        return [line for line in found if line["mono_s"] >= since_s]

    def until(self, state: str, since_s: float, limit_s: float = 60) -> dict[str, Any]:
        """Wait for the first line of a state, captured after a moment, and return it."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            for line in self.lines(since_s):
                if line["state"] == state:
                    return line
            time.sleep(0.3)
        pytest.fail(f"no {state} within {limit_s} s: {self.show('StatusText')}\n{self.journal()}")

    def until_true(self, is_true: Callable[[], bool], limit_s: float = 60) -> None:
        """Wait for a condition."""
        deadline_s = time.monotonic() + limit_s
        while not is_true():
            assert time.monotonic() < deadline_s, f"waited in vain: {self.show('StatusText')}\n{self.journal()}"
            time.sleep(0.3)

    def journal(self, since_s: float | None = None) -> str:
        """Return what the service said last, or since a moment."""
        if since_s is None:
            return self.run("journalctl -u edge-app -n 30 -o cat --no-pager")
        return self.run(f"journalctl -u edge-app -S -{self.now_s() - since_s:.0f}s -o cat --no-pager")

    def let_hang(self) -> None:
        """Make the service's next start one whose capture calls never return once /run/hang is there."""
        self.run(
            f"""rm -f /run/hang; mkdir -p /opt/faults /run/systemd/system/edge-app.service.d
            cp {self.machine.guest_share}/guest/hang_on_demand.py /opt/faults/sitecustomize.py
            printf '[Service]\nEnvironment=PYTHONPATH=/opt/faults\n' > /run/systemd/system/edge-app.service.d/hang.conf
            systemctl daemon-reload"""
        )

    def settle(self, text: str = SETTINGS, has_camera: bool = True) -> None:
        """Give the service settings and a camera, and start it anew with an empty log."""
        (self.machine.share / "config.toml").write_text(text)
        self.run(
            f"""systemctl stop edge-app; systemctl reset-failed edge-app 2> /dev/null
            modprobe -r vivid
            {CAMERA if has_camera else ":"}
            cp {self.machine.guest_share}/config.toml /etc/edge-app/config.toml
            rm -f /var/log/private/edge-app/*
            systemctl start edge-app
            rm -rf /run/systemd/system/edge-app.service.d; systemctl daemon-reload""",
            is_checked=False,
        )

    def descriptors_and_threads(self) -> tuple[int, int]:
        """Count them."""
        counts = self.run("p=$(systemctl show -P MainPID edge-app); ls /proc/$p/fd | wc -l; ls /proc/$p/task | wc -l")
        descriptors, threads = counts.split()
        return int(descriptors), int(threads)

    def stop_s(self) -> float:
        """Stop the service and return how long that took; it ended by itself, with 0."""
        took_s = float(self.run("TIMEFORMAT=%R; { time systemctl stop edge-app; } 2>&1").split()[-1])
        assert self.show("Result") == "success" and self.show("ExecMainStatus") == "0"
        return took_s


def install(machine: Machine) -> Unit:
    """Install the service as docs/service.md says, from the wheel of this checkout, without a network."""
    wheel = next(machine.share.glob("edge_app-*.whl")).name
    machine.run("systemctl stop feeder other camera-run 2> /dev/null; modprobe -r vivid", is_checked=False)
    started_s = time.monotonic()
    done = machine.run(f"{BIN}/edge-app service install --from {SHARE}/{wheel} --wheels {SHARE}/wheels", timeout_s=900)
    print(f"service install took {time.monotonic() - started_s:.0f} s:\n{done.stderr}{done.stdout}")
    return Unit(machine, installed_status=done.stdout)
