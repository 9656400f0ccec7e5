"""The sandbox's doors: each opens what its need takes and no more, is found closed, comes and goes with settings."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import ConfigError, RunError, StartError
from edge_app.service import building, doors, environments, install, needs, systemd, unit_files
from edge_app.service.install import Places
from edge_app.service.needs import Kind, Need
from edge_app.settings.flags.service import ServiceDoors, ServiceInstall
from edge_app.settings.sections import Settings
from tests.conftest import ROOT

UNIT = ROOT / "systemd" / "edge-app.service"
SHIPPED = unit_files.parse(UNIT.read_text())
LAN = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 link-local"
# One of each kind, and what the door says.
EACH: list[tuple[Kind, str, list[str]]] = [
    ("stream", "192.168.1.7", ["RestrictAddressFamilies=AF_INET", f"IPAddressAllow={LAN}"]),
    ("stream", "cam.local", ["RestrictAddressFamilies=AF_INET AF_INET6", f"IPAddressAllow={LAN}"]),
    ("stream", "", ["RestrictAddressFamilies=AF_INET AF_INET6", f"IPAddressAllow={LAN}"]),
    ("stream", "203.0.113.9", ["RestrictAddressFamilies=AF_INET", "IPAddressAllow=203.0.113.9"]),
    ("stream", "2001:db8::9", ["RestrictAddressFamilies=AF_INET6", "IPAddressAllow=2001:db8::9"]),
    ("stream", "fe80::1%eth0", ["RestrictAddressFamilies=AF_INET6", f"IPAddressAllow={LAN}"]),
    ("stream", "::ffff:10.1.2.3", ["RestrictAddressFamilies=AF_INET", f"IPAddressAllow={LAN}"]),
    ("stream", "127.0.0.1", ["RestrictAddressFamilies=AF_INET", "IPAddressAllow=127.0.0.1"]),
    ("broker", "localhost", ["RestrictAddressFamilies=AF_INET", "IPAddressAllow=127.0.0.1"]),
    ("broker", "::1", ["RestrictAddressFamilies=AF_INET6", "IPAddressAllow=::1"]),
    ("names", "127.0.0.53", ["RestrictAddressFamilies=AF_INET", "IPAddressAllow=127.0.0.53"]),
    ("names", "9.9.9.9", ["RestrictAddressFamilies=AF_INET", "IPAddressAllow=9.9.9.9"]),
    (
        "listener",
        "0.0.0.0:8080",
        [
            "RestrictAddressFamilies=AF_INET AF_INET6",
            "SocketBindAllow=tcp:8080",
            "SystemCallFilter=listen accept accept4",
            f"IPAddressAllow=localhost {LAN}",
        ],
    ),
    (
        "listener",
        "[::1]:9100",
        [
            "RestrictAddressFamilies=AF_INET6",
            "SocketBindAllow=tcp:9100",
            "SystemCallFilter=listen accept accept4",
            "IPAddressAllow=localhost",
        ],
    ),
    ("write", "/mnt/usb/logs", ["ReadWritePaths=-/mnt/usb/logs", "BindPaths=-/mnt/usb/logs"]),
    ("write", "/data/50 %", ['ReadWritePaths="-/data/50 %%"']),
    ("read", "/srv/models", ["BindReadOnlyPaths=-/srv/models"]),
    ("credential", "cam", ["LoadCredential=cam:/etc/edge-app/credentials/cam"]),
]
NEEDS = [Need(kind, "[camera] source", value) for kind, value, _ in EACH]


@pytest.mark.parametrize(("kind", "value", "lines"), EACH, ids=[f"{kind}-{value}" for kind, value, _ in EACH])
def test_a_door_opens_what_the_need_takes(kind: Kind, value: str, lines: list[str]) -> None:
    """Exactly these directives, in a file of ours that says what it is for."""
    ((name, text),) = doors.drop_ins([Need(kind, "[camera] source", value)]).items()
    assert name == doors.FILES[kind]
    assert text.startswith(doors.MARKER) and "\n# for [camera] source\n[Service]\n" in text
    assert text.partition("[Service]\n")[2].splitlines() == lines


@pytest.mark.parametrize("need", NEEDS, ids=str)
def test_a_door_is_closed_until_it_is_opened(need: Need) -> None:
    """The shipped unit allows none of the needs; with its drop-in it does. Said once a setting, with a remedy."""
    assert doors.closed([need], SHIPPED) == [need]
    (problem,) = doors.problems([need, need], SHIPPED)
    assert problem.what.startswith("[camera] source needs ") and problem.remedy == doors.REMEDY
    assert doors.closed([need], with_doors([need])) == []


def with_doors(wanted: Sequence[Need]) -> unit_files.Directives:
    """Return the shipped unit with the doors for some needs."""
    return unit_files.merge([SHIPPED, *map(unit_files.parse, doors.drop_ins(wanted).values())])


@given(st.lists(st.sampled_from(NEEDS), unique=True), st.sampled_from(NEEDS))
def test_doors_open_nothing_else(opened: list[Need], other: Need) -> None:
    """Whatever doors are open, a need of another kind is closed; all that were asked for are open."""
    unit = with_doors(opened)
    assert doors.closed(opened, unit) == []
    network = {"stream", "broker", "names", "listener"}
    if other.kind not in {need.kind for need in opened} and other.kind not in network:
        assert doors.closed([other], unit) == [other]
    if not network & {need.kind for need in opened}:
        assert unit["IPAddressAllow"] == [] or "IPAddressAllow" not in unit


def test_a_stream_opens_no_other_network() -> None:
    """A camera in the LAN does not open this machine, nor the world; one on a public address opens that alone."""
    lan, public = with_doors([NEEDS[0]]), with_doors([Need("stream", "s", "203.0.113.9")])
    for host in ("127.0.0.1", "localhost", "8.8.8.8", "100.64.0.1"):
        assert doors.closed([Need("stream", "s", host)], lan)
    for host in ("203.0.113.10", "192.168.1.7", "127.0.0.1"):
        assert doors.closed([Need("stream", "s", host)], public)
    assert doors.closed([Need("listener", "s", "0.0.0.0:80")], lan)


@pytest.mark.parametrize(
    "line",
    [
        "RestrictAddressFamilies=AF_INET\nIPAddressAllow=192.168.1.0/24",
        "RestrictAddressFamilies=\nIPAddressDeny=",
        "RestrictAddressFamilies=\nRestrictAddressFamilies=~AF_PACKET\nIPAddressAllow=any",
    ],
)
def test_a_users_own_drop_in_counts(line: str, tmp_path: Path) -> None:
    """What it allows is open, and no door of ours is written beside it."""
    (tmp_path / "mine.conf").write_text(f"[Service]\n{line}\n")
    assert doors.closed([NEEDS[0]], unit_files.read(UNIT, tmp_path)) == []
    assert doors.changes(UNIT, tmp_path, [NEEDS[0]]) == {}


@pytest.mark.parametrize(
    ("line", "need"),
    [
        ("ReadWritePaths=/mnt\nBindPaths=/mnt", Need("write", "s", "/mnt/usb/logs")),
        ("ProtectSystem=full\nTemporaryFileSystem=", Need("write", "s", "/mnt/usb/logs")),
        ("ProtectHome=no", Need("read", "s", "/home/pi/models")),
        ('BindReadOnlyPaths="/home/pi/my models":/home/pi/x', Need("read", "s", "/home/pi/my models")),
        ("LoadCredentialEncrypted=cam:/etc/cam.cred", Need("credential", "s", "cam")),
        ("SetCredential=cam:x", Need("credential", "s", "cam")),
        (
            "SocketBindAllow=8080\nRestrictAddressFamilies=AF_INET\nIPAddressAllow=any",
            Need("listener", "s", "0.0.0.0:8080"),
        ),
    ],
)
def test_other_ways_to_open_count_too(line: str, need: Need, tmp_path: Path) -> None:
    """Not only the directives that we write."""
    (tmp_path / "mine.conf").write_text(f"[Service]\n{line}\n")
    assert doors.closed([need], unit_files.read(UNIT, tmp_path)) == []


@pytest.mark.parametrize(
    ("need", "says"),
    [
        (Need("write", "[output] log", "/home/pi/logs"), "in /home/pi/logs, which a service cannot see"),
        (Need("read", "[model] model", "/root/models"), "in /root/models, which a service cannot see"),
        (Need("read", "[camera] source", '/srv/a"b'), "which systemd cannot read"),
        (Need("read", "[camera] source", "/srv/a\nExecStartPre=+/bin/x"), "which systemd cannot read"),
        *[
            (Need("write", "[output] log", folder), f"cannot be in {folder}")
            for folder in ("/", "/etc", "/etc/edge-app", "/usr/lib", "/var/log", "/var", "/boot/x", "/opt/edge-app/lib")
        ],
    ],
    ids=str,
)
def test_what_no_door_can_give_is_refused(need: Need, says: str, tmp_path: Path) -> None:
    """Home folders are hidden, and a log's folder is opened only if it is not half of the system."""
    assert doors.drop_ins([need]) == {}
    with pytest.raises(ConfigError, match=re.escape(says)) as refused:
        doors.changes(UNIT, tmp_path, [need])
    assert refused.value.each[0].remedy


def test_a_credential_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd would not start the service, and not say why."""
    monkeypatch.setattr(doors, "SECRETS", tmp_path / "credentials")
    with pytest.raises(ConfigError, match=f"there is no {tmp_path}/credentials/cam"):
        doors.changes(UNIT, tmp_path, [NEEDS[-1]])
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "cam").write_text("secret")
    assert [*doors.changes(UNIT, tmp_path, [NEEDS[-1]])] == [tmp_path / "edge-app-credentials.conf"]


def test_hidden_folders_are_those_of_the_unit() -> None:
    """What the unit hides is bound, not only made writable."""
    assert unit_files.paths(SHIPPED, "TemporaryFileSystem") == list(doors.HIDDEN)


def test_only_our_own_files_go(tmp_path: Path) -> None:
    """By exact name and by the first line; what a user changed in one of ours is noticed."""
    text = next(iter(doors.drop_ins([NEEDS[0]]).values()))
    contents = {
        "edge-app-streams.conf": text,
        "edge-app-broker.conf": text.replace("10.0.0.0/8", "any"),
        "edge-app-names.conf": "[Service]\n",
        "edge-app-network.conf": f"{doors._EARLIER_MARKER} and this machine only.\n[Service]\n",
        "my-streams.conf": text,
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "edge-app-folders.conf").symlink_to("edge-app-streams.conf")
    mine = ["edge-app-streams.conf", "edge-app-broker.conf", "edge-app-network.conf"]
    assert [path.name for path in doors.ours(tmp_path)] == mine
    assert [path.name for path in doors.edited(tmp_path)] == ["edge-app-broker.conf"]
    (tmp_path / "my-streams.conf").unlink()
    (tmp_path / "edge-app-folders.conf").unlink()
    assert doors.changes(UNIT, tmp_path, []) == {tmp_path / name: None for name in mine}
    with pytest.raises(ConfigError, match="edge-app-names.conf is in the way"):
        doors.changes(UNIT, tmp_path, [Need("names", "s", "9.9.9.9")])


# --- at the start


def test_the_service_says_at_the_start_what_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line for each setting; nothing where the door is open, and nothing of a run that is not the service."""
    unit, group = tmp_path / "edge-app.service", tmp_path / "cgroup"
    unit.write_text(UNIT.read_text())
    settings = Settings.model_validate({"source": "rtsp://me:hush@10.0.0.9/1", "log": "/mnt/usb/logs/r.jsonl"})
    group.write_text("0::/user.slice/session-1.scope\n")
    with caplog.at_level(logging.WARNING):
        doors.warn(settings, unit, group)
        assert caplog.messages == []
        group.write_text("0::/system.slice/edge-app.service\n")
        doors.warn(settings, unit, group)
    assert caplog.messages == [
        "[camera] source needs the network, and the service's sandbox has no door for it; "
        "run: sudo edge-app service doors",
        "[output] log needs to write into /mnt/usb/logs, and the service's sandbox has no door for it; "
        "run: sudo edge-app service doors",
    ]
    folder = tmp_path / "edge-app.service.d"
    folder.mkdir()
    for path, content in doors.changes(unit, folder, needs.of(settings)).items():
        path.write_bytes(content or b"")
    caplog.clear()
    doors.warn(settings, unit, group)
    assert caplog.messages == []


# --- service install, doors, uninstall


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a root folder that the tests may install into, and a systemctl that notes what it is told."""
    monkeypatch.setattr(install, "require_root", lambda: None)
    monkeypatch.setattr(systemd, "show", lambda: {"ActiveState": "inactive", "LoadState": "loaded"})
    monkeypatch.setattr(building, "build", lambda settings, link, own_settings, stop: built(link))
    monkeypatch.setattr(systemd, "systemctl", lambda *words, stop=None: "")
    (tmp_path / "root" / "opt").mkdir(parents=True)
    return Places(tmp_path / "root")


def built(link: Path) -> Path:
    """Make an empty environment."""
    folder = environments.create(link)
    environments.finish(folder)
    return folder


def settle(places: Places, source: str) -> None:
    """Write the service's settings."""
    places.settings.parent.mkdir(parents=True, exist_ok=True)
    places.settings.write_text(f'[camera]\nsource = "{source}"\n')


def names(places: Places) -> set[str]:
    """Return the drop-ins that are there."""
    return {path.name for path in places.drop_ins.glob("*")}


def test_an_installation_opens_what_the_settings_need(places: Places) -> None:
    """Doors come and go with the settings, --network opens one for later; the user's own drop-ins stay."""
    settle(places, "rtsp://10.0.0.9/1")
    places.drop_ins.mkdir(parents=True)
    (places.drop_ins / "mine.conf").write_text("[Service]\nNice=5\n")
    install.install(ServiceInstall(), threading.Event(), places)
    assert names(places) == {"mine.conf", "edge-app-streams.conf"}
    settle(places, "auto")
    install.install(ServiceInstall(), threading.Event(), places)
    assert names(places) == {"mine.conf"}
    install.install(ServiceInstall(network=True), threading.Event(), places)
    assert names(places) >= {"mine.conf", "edge-app-streams.conf"}
    install.uninstall(is_purging=False, places=places)
    assert names(places) == {"mine.conf"}


def test_an_upgrade_replaces_the_earlier_door(places: Places) -> None:
    """The door of earlier versions opened this machine, too: it goes."""
    places.drop_ins.mkdir(parents=True)
    earlier = places.drop_ins / doors.EARLIER
    earlier.write_text(f"{doors._EARLIER_MARKER} and this machine only.\n[Service]\nIPAddressAllow=localhost\n")
    install.install(ServiceInstall(network=True), threading.Event(), places)
    assert not earlier.exists() and "edge-app-streams.conf" in names(places)
    assert "localhost" not in (places.drop_ins / "edge-app-streams.conf").read_text()


@pytest.mark.parametrize("before", ["rtsp://10.0.0.9/1", "auto"])
def test_a_failed_installation_puts_the_doors_back(
    before: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were opened are closed, those that were closed are opened again, byte for byte."""
    settle(places, before)
    install.install(ServiceInstall(), threading.Event(), places)
    was = {path: path.read_bytes() for path in places.drop_ins.glob("*")}
    settle(places, "auto" if before != "auto" else "rtsp://10.0.0.9/1")

    def failing(*words: str, stop: threading.Event | None = None) -> str:
        if words[0] == "restart":
            raise RunError("it does not")
        return ""

    monkeypatch.setattr(systemd, "systemctl", failing)
    with pytest.raises(RunError, match="it does not"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert {path: path.read_bytes() for path in places.drop_ins.glob("*")} == was


def test_what_cannot_be_opened_is_refused_before_the_build(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after ten minutes of installing."""
    places.settings.parent.mkdir(parents=True)
    places.settings.write_text('[output]\nlog = "/home/pi/r.jsonl"\n')
    monkeypatch.setattr(building, "build", lambda *_: pytest.fail("built"))
    with pytest.raises(ConfigError, match=r"\[output\] log is in /home/pi, which a service cannot see"):
        install.install(ServiceInstall(), threading.Event(), places)


def test_doors_follow_the_settings_without_installing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """`service doors` changes only drop-ins, restarts only if one changed, and keeps what a user wrote into ours."""
    told: list[str] = []
    with pytest.raises(StartError, match="not installed"):
        install.open_doors(ServiceDoors(), threading.Event(), places)
    install.install(ServiceInstall(), threading.Event(), places)
    monkeypatch.setattr(systemd, "systemctl", lambda *words, stop=None: told.append(words[0]) or "")
    settle(places, "rtsp://10.0.0.9/1")
    door = places.drop_ins / "edge-app-streams.conf"
    assert install.open_doors(ServiceDoors(), threading.Event(), places) == [f"opened {door}"]
    assert told == ["daemon-reload", "try-restart"]
    assert install.open_doors(ServiceDoors(), threading.Event(), places)[0].startswith("nothing to do")
    assert told == ["daemon-reload", "try-restart"]
    door.write_text(door.read_text() + "# mine\n")
    install.open_doors(ServiceDoors(), threading.Event(), places)
    assert "# mine" not in door.read_text() and "# mine" in door.with_name(f"{door.name}.yours").read_text()
    settle(places, "auto")
    assert install.open_doors(ServiceDoors(), threading.Event(), places) == [f"closed {door}"]
    places.settings.write_text("[camera]\nrat = 1\n")
    with pytest.raises(ConfigError, match="rat"):
        install.open_doors(ServiceDoors(), threading.Event(), places)


# --- what systemd says

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
# The table of docs/service.md.
EXPOSURES: list[tuple[str, list[Need], float]] = [
    ("none", [], 1.2),
    ("streams", [Need("stream", "s", "cam.local")], 1.6),
    ("names", [Need("names", "s", "127.0.0.53")], 1.5),
    ("broker", [Need("broker", "s", "127.0.0.1")], 1.5),
    ("listen", [Need("listener", "s", "0.0.0.0:8080")], 1.6),
    ("folders", [Need("write", "s", "/mnt/usb/logs"), Need("read", "s", "/srv/models")], 1.2),
    ("credentials", [Need("credential", "s", "cam")], 1.2),
    ("all", NEEDS, 1.6),
]


@needs_systemd
def test_systemd_understands_every_door(tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing, of the unit with all doors, odd paths included."""
    program = tmp_path / "edge-app"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "edge-app.service"
    unit.write_text(re.sub("(?m)^ExecStart=[^ ]*", f"ExecStart={program}", UNIT.read_text()))
    odd = [Need(kind, "s", "/srv/ä b/$x {y} #1 100%") for kind in ("write", "read")]
    unit.with_name("edge-app.service.d").mkdir()
    for name, text in doors.drop_ins([*NEEDS, *odd]).items():
        unit.with_name("edge-app.service.d").joinpath(name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize(("name", "opened", "exposure"), EXPOSURES, ids=[name for name, *_ in EXPOSURES])
def test_the_sandbox_is_as_tight_as_documented(name: str, opened: list[Need], exposure: float, tmp_path: Path) -> None:
    """`systemd-analyze security` gives at most 1.2 as shipped, and with each door what docs/service.md says."""
    unit = tmp_path / "edge-app.service"
    texts = [UNIT.read_text().replace("[Install]", "[X-Install]"), *doors.drop_ins(opened).values()]
    unit.write_text("\n".join(texts))
    words = ["systemd-analyze", "security", "--no-pager", "--offline=true", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    score = re.search(r"Overall exposure level for edge-app.service: ([\d.]+)", done.stdout)
    assert score and float(score[1]) <= exposure, done.stdout
    assert re.search(rf"^\| {name} \|.* {exposure} \|$", (ROOT / "docs" / "service.md").read_text(), re.MULTILINE)
