"""The systemd unit: every directive that matters. What systemd's own tools say of it: test_doors.py."""

from __future__ import annotations

import importlib
from collections import defaultdict
from pathlib import Path

import pytest

from edge_app.errors import EXIT_CONFIG, EXIT_USAGE
from tests.conftest import ROOT

UNIT = ROOT / "systemd" / "edge-app.service"


def directives(*files: Path) -> dict[str, list[str]]:
    """Read a unit and its drop-ins: the values of each directive in their order."""
    found = defaultdict(list)
    for file in files:
        for line in file.read_text().splitlines():
            if line and line[0] not in "#[":
                name, _, value = line.partition("=")
                found[name].append(value)
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Type", "notify"),
        ("Restart", "always"),
        ("StartLimitIntervalSec", "0"),
        ("RestartPreventExitStatus", f"{EXIT_USAGE} {EXIT_CONFIG}"),
        ("DynamicUser", "yes"),
        ("SupplementaryGroups", "video edge-app-settings"),
        ("UMask", "0077"),
        ("DevicePolicy", "closed"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("ProtectProc", "invisible"),
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallArchitectures", "native"),
        ("RestrictAddressFamilies", "AF_UNIX AF_NETLINK"),
        ("IPAddressDeny", "any"),
        ("SocketBindDeny", "any"),
        ("TemporaryFileSystem", "/media:ro /mnt:ro /srv:ro"),
        ("LogsDirectory", "edge-app"),
        ("WantedBy", "multi-user.target"),
        ("ExecStart", "/opt/edge-app/bin/edge-app run --service --config /etc/edge-app/config.toml"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ],
)
def test_what_matters_is_said_once(name: str, value: str) -> None:
    """Each of these directives has exactly this value."""
    assert directives(UNIT)[name] == [value]


def test_nobody_can_connect_to_the_service() -> None:
    """It may not listen: systemd without BPF ignores SocketBindDeny=."""
    assert directives(UNIT)["SystemCallFilter"][-1] == "~listen accept accept4"


def test_cameras_are_the_only_devices() -> None:
    """V4L2 nodes, media controllers and DMA heaps, and their drivers are loaded before the list is read."""
    found = directives(UNIT)
    assert found["DeviceAllow"] == ["char-video4linux rw", "char-media rw", "char-dma_heap rw"]
    assert "modprobe@videodev.service" in found["After"][0] and "modprobe@videodev.service" in found["Wants"][0]


def test_xnnpack_may_see_the_processor() -> None:
    """ProcSubset=pid hides /proc/cpuinfo, and with it the fast kernels on ARM."""
    assert "ProcSubset" not in directives(UNIT)


def test_memory_is_not_left_to_a_directive_that_is_ignored() -> None:
    """MemoryMax= does nothing on Raspberry Pi OS: the cap is the service's own (tests/service/test_health.py)."""
    assert "MemoryMax" not in directives(UNIT)


def test_the_watchdog_outlasts_a_capture_call_and_the_stop_a_sigterm() -> None:
    """systemd waits longer than the service itself does, so that the kinder way comes first."""
    from edge_app import sources
    from edge_app.sources import Camera

    for name in sources.names():
        importlib.import_module(f"edge_app.sources.{name}")
    cameras = [camera for camera in Camera.__subclasses__() if camera.__module__.startswith("edge_app.")]
    found = directives(UNIT)
    assert len(cameras) >= 3
    assert int(found["WatchdogSec"][0]) > 2 * max(camera.hung_s for camera in cameras)
    assert int(found["TimeoutStopSec"][0]) > 2
