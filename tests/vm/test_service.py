"""The installed service: how it starts, waits, is reloaded and stopped, and what it says of itself."""

from __future__ import annotations

import json
import time

import pytest

from tests.vm.unit import CAMERA, DRIVER, PROGRAM, SETTINGS, Unit

RECOVERED_S = 5.0


@pytest.mark.every_arch
def test_installed_without_a_camera_it_serves_degraded(unit: Unit) -> None:
    """Right after `service install` on a machine without a camera: active, READY, the status says what is missing."""
    assert unit.installed_status.startswith("active (running)")
    assert "degraded, no picture from auto: no camera found" in unit.installed_status
    assert "starts at boot" in unit.installed_status
    assert unit.run("systemd-analyze verify /etc/systemd/system/edge-app.service 2>&1") == ""


@pytest.mark.every_arch
def test_a_camera_plugged_in_later_is_found(unit: Unit) -> None:
    """Without one the service waits, degraded; when a camera appears, labels follow within 5 s; same process."""
    unit.settle(has_camera=False)
    unit.until("outage", 0)
    assert "degraded" in unit.show("StatusText")
    pid, plugged_s = unit.show("MainPID"), unit.now_s()
    unit.run(CAMERA)
    deadline_s = time.monotonic() + 60
    while "degraded" in (status := unit.show("StatusText")) and time.monotonic() < deadline_s:
        time.sleep(0.3)
    first = unit.until("ok", plugged_s)
    print(f"picture {first['mono_s'] - plugged_s:.2f} s after modprobe; {status}")
    assert status.startswith("webcam:/dev/video0: ")
    assert first["mono_s"] - plugged_s < RECOVERED_S
    assert unit.show("MainPID") == pid


def test_a_busy_camera_is_waited_for_and_its_holder_named(unit: Unit) -> None:
    """READY, degraded; `service status` names the holder, whom the sandbox hides; a label when it is free again."""
    unit.settle(has_camera=False)
    unit.run(
        f"""systemctl stop edge-app
        {CAMERA}
        systemd-run -q --collect --unit other v4l2-ctl -d /dev/video0 --stream-mmap; sleep 2
        systemctl start edge-app; sleep 8"""
    )
    status = unit.run(f"{PROGRAM} service status")
    print(status)
    assert "degraded, no picture from auto: /dev/video0 cannot be opened" in status
    assert "/dev/video0 is in use by v4l2-ctl (pid" in status
    freed_s = unit.now_s()
    unit.run("systemctl stop other")
    line = unit.until("ok", freed_s)
    print(f"label {line['mono_s'] - freed_s:.1f} s after the camera was free")
    assert line["mono_s"] - freed_s < 30 + RECOVERED_S


def test_wrong_settings_end_it_without_a_restart(unit: Unit) -> None:
    """Exit 78 with one line in the journal, no restart, and the status says what to do."""
    unit.settle(SETTINGS.replace("source", "sorce"))
    time.sleep(5)
    assert unit.show("ActiveState") == "failed" and unit.show("NRestarts") == "0"
    assert unit.show("ExecMainStatus") == "78"
    assert "did you mean [camera] source?" in unit.journal()
    status = unit.run(f"{PROGRAM} service status", is_checked=False)
    print(status)
    assert "settings or model were refused" in status


def test_a_bad_reload_is_refused_and_a_good_one_taken(unit: Unit) -> None:
    """systemctl reload: a mistake changes nothing, a good file another model; the same process."""
    unit.settle()
    unit.until("ok", 0)
    pid = unit.show("MainPID")
    unit.run("echo 'rubbish = 1' >> /etc/edge-app/config.toml; systemctl reload edge-app; sleep 8")
    assert "reload refused; going on as before" in unit.journal()
    reloaded_s = unit.now_s()
    unit.until("ok", reloaded_s)
    unit.run(
        f"""cp {unit.machine.guest_share}/config.toml /etc/edge-app/
        printf '[model]\\nmodel = "cifar10-nano"\\n' >> /etc/edge-app/config.toml
        systemctl reload edge-app; sleep 8"""
    )
    unit.until("ok", unit.now_s())
    assert unit.show("MainPID") == pid and unit.show("ActiveState") == "active"


HANGING = "touch /run/hang; sleep 3"
STATES = {
    "classifying": ":",
    "no camera": "modprobe -r vivid; sleep 3",
    "unplugged": f"echo vivid.0 > {DRIVER}/unbind; sleep 4",
    "hanging in a capture call": HANGING,
    "no frames": "v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100; sleep 4",
}


@pytest.mark.parametrize("state", list(STATES))
def test_sigterm_is_obeyed_in_every_state(unit: Unit, state: str) -> None:
    """`systemctl stop` ends it with 0 within two seconds, whatever it waits for."""
    unit.let_hang()
    unit.settle(has_camera=state != "no camera")
    unit.until("outage" if state == "no camera" else "ok", 0)
    unit.run(STATES[state], is_checked=False)
    took_s = unit.stop_s()
    unit.run(f"rm -f /run/hang; echo vivid.0 > {DRIVER}/bind", is_checked=False)
    print(f"{state}: stopped in {took_s:.2f} s")
    assert took_s < 2.0


def test_memory_above_the_cap_brings_a_new_start(unit: Unit) -> None:
    """A warning that says how much, and systemd starts it again; with a sensible cap it stays."""
    unit.settle(SETTINGS + "[service]\nmemory_max = 10\n")
    unit.until_true(lambda: int(unit.show("NRestarts")) >= 1)
    said = next(line for line in unit.journal().splitlines() if "memory_max" in line)
    print(said)
    unit.settle()
    unit.until("ok", 0)


@pytest.mark.parametrize("state", ["no camera", "no permission", "busy"])
def test_doctor_names_what_is_wrong_with_the_camera(unit: Unit, state: str) -> None:
    """The service stopped, `doctor` finds it: what is wrong, and what to do."""
    command = f"HOME=/nonexistent timeout 150 {PROGRAM} doctor --json -"
    with_source = f"EDGE_APP_SOURCE=webcam:/dev/video0 {command}"
    as_nobody = "setpriv --reuid nobody --regid nogroup --clear-groups env"
    hold = "systemd-run -q --collect --unit other v4l2-ctl -d /dev/video0 --stream-mmap; sleep 2"
    script, says, remedy = {
        "no camera": (f"EDGE_APP_SOURCE=webcam {command}", "no webcam found", "edge-app sources"),
        "no permission": (f"{CAMERA}; {as_nobody} {with_source}", "no permission to open", "usermod -aG video"),
        "busy": (f"{CAMERA}; {hold}; {with_source}", "is in use by v4l2-ctl (pid", "stop it or choose another"),
    }[state]
    unit.run("systemctl stop edge-app other; modprobe -r vivid", is_checked=False)
    found = json.loads(unit.run(script, is_checked=False))["findings"]
    unit.run("systemctl stop other", is_checked=False)
    camera = next(finding for finding in found if finding["check"] == "camera")
    print(camera)
    assert camera["state"] == "problem"
    assert says in camera["says"] and remedy in f"{camera['says']} {camera['remedy']}"
