"""edge-app.service as systemd sees it: systemctl, the unit's properties, its state in words."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from edge_app.errors import StartError
from edge_app.service import steps
from edge_app.service.notify import DEGRADED
from edge_app.service.steps import Step
from edge_app.system import trust, v4l2
from edge_app.system.wording import counted

UNIT = "edge-app.service"
PROGRAM = "/opt/edge-app/bin/edge-app"  # what our unit starts


def require_systemd() -> None:
    """Refuse to go on without systemd.

    Raises:
        StartError: systemd does not run this machine.
    """
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        raise StartError("systemd does not run this machine", "'edge-app run' works without it")


def systemctl(*arguments: str, stop: threading.Event | None = None) -> str:
    """Run systemctl and return its output.

    Args:
        arguments: for systemctl.
        stop: set to stop waiting for it.

    Raises:
        DependencyMissing: there is no systemctl that only root can change.
        RunError: it failed; the message quotes it.
    """
    command = [trust.find_program("systemctl"), "--no-ask-password", *arguments]
    return steps.run(Step(f"systemctl {arguments[0]}", command), stop or threading.Event())


_PROPERTIES = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "ActiveEnterTimestamp", "StateChangeTimestamp"),
    *("Result", "ExecMainStatus", "NRestarts", "StatusText", "MainPID", "ExecStart"),
)


def show() -> dict[str, str]:
    """Return the unit's properties from systemd."""
    require_systemd()
    lines = systemctl("show", UNIT, "--property", ",".join(_PROPERTIES)).splitlines()
    # Only at the first =: the status text quotes drivers and servers, and may contain more of them.
    return dict(line.split("=", 1) for line in lines if "=" in line)


_RESULTS = {
    "78": "settings or model were refused, or a package is missing: 'edge-app doctor' says which",
    "2": "the unit's command line is wrong",
}


def describe(found: Mapping[str, str]) -> str:
    """Describe the service's state in words; while it waits for a camera, also which processes have cameras open.

    Args:
        found: properties from `show`. Only root sees other users' processes.
    """
    state = found.get("LoadState", "not-found")
    if state == "not-found":
        return "not installed; run: sudo edge-app service install"
    if state != "loaded":  # masked, bad-setting, error
        return f"systemd does not load {UNIT} ({state}); see: systemctl status edge-app"
    # StateChangeTimestamp would change with every reload.
    since = found.get("ActiveEnterTimestamp" if found.get("ActiveState") == "active" else "StateChangeTimestamp")
    lines = [f"{found.get('ActiveState')} ({found.get('SubState')}) since {since or 'never'}"]
    if found.get("StatusText"):
        lines.append(found["StatusText"])
    if found.get("StatusText", "").startswith(DEGRADED):
        users = v4l2.holders([str(node) for node in v4l2.nodes()], besides=_number(found.get("MainPID")))
        lines += [f"{node} is in use by {user}" for node, user in users.items()]
    if found.get("ActiveState") == "failed":
        code = found.get("ExecMainStatus", "")
        lines.append(_RESULTS.get(code, f"ended with {found.get('Result')} (exit code {code})"))
        lines.append("its last messages: journalctl -u edge-app -n 20")
    if restarts := _number(found.get("NRestarts")):
        lines.append(f"restarted {counted(restarts, 'time')} since it was started")
    lines.append("starts at boot" if found.get("UnitFileState") == "enabled" else "does not start at boot")
    if found.get("ExecStart") and PROGRAM not in found["ExecStart"]:
        lines.append(f"this {UNIT} is not edge-app's: it does not start {PROGRAM}")
    return "\n".join(lines)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
