"""What the settings need beyond the sandbox, and nothing that they do not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_app.errors import ConfigError
from edge_app.service import needs
from edge_app.service.needs import Need
from edge_app.settings.sections import Settings

SOURCE = "[camera] source"


def found(kind: str, **settings: object) -> list[str]:
    """Return the values of one kind of need."""
    return [need.value for need in needs.of(Settings.model_validate(settings)) if need.kind == kind]


def test_a_service_as_installed_needs_nothing(tmp_path: Path) -> None:
    """The shipped settings, and a missing settings file, open no door."""
    shipped = Path("systemd/config.toml")
    assert needs.of_service(shipped, {}) == needs.of_service(tmp_path / "missing.toml", {}) == []


@pytest.mark.parametrize(
    ("source", "host"),
    [
        ("rtsp://192.168.1.7/stream", "192.168.1.7"),
        ("rtsps://user:pa:ss@CAM.local.:322/stream", "cam.local"),
        ("http://[fe80::1%25eth0]:8080/video", "fe80::1%25eth0"),
        ("https://203.0.113.9/a@b", ""),  # an @ after the host: a password with a slash, or a path; nobody knows
        ("stream:rtsp://10.0.0.1/", "10.0.0.1"),
        ("HTTP://cam/x", "cam"),
        ("rtsp://{credential:login}@cam/1", "cam"),
        ("rtsp://me:{file:/etc/edge-app/password}@cam/1", "cam"),
        ("{credential:address}", ""),
    ],
)
def test_a_stream_needs_its_host(source: str, host: str) -> None:
    """However the address is written; where the host cannot be known, the need has none."""
    assert found("stream", source=source) == [host]


@pytest.mark.parametrize("source", ["auto", "webcam:/dev/video0", "picamera:1", "synthetic:rgb,seed=3", "/dev/video2"])
def test_a_camera_of_the_machine_needs_nothing(source: str) -> None:
    """Devices are the unit's own business."""
    assert needs.of(Settings.model_validate({"source": source})) == []


def test_no_part_of_a_password_is_looked_up() -> None:
    """A password with a / or # makes part of it look like the host; a name server must not learn it."""
    asked: list[str] = []

    def find(host: str) -> list[str]:
        asked.append(host)
        return []

    for source in ("rtsp://me:pass/word@cam/1", "rtsp://me:pass#word@cam/1", "rtsp://me:a@se/cret@cam/1"):
        needs.of(Settings.model_validate({"source": source}), find)
    assert asked == []
    needs.of(Settings.model_validate({"source": "rtsp://me:password@cam/1"}), find)
    assert asked == ["cam"]


def test_a_name_needs_name_servers_and_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of resolv.conf, and what the name stands for; an address and this machine need neither."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(
        "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver bad\nsearch x\n"
    )
    monkeypatch.setattr(needs.name_servers, "__defaults__", (resolver,))
    of = needs.of(Settings.model_validate({"source": "rtsp://cam.example/1"}), lambda host: ["203.0.113.5"])
    assert of == [
        Need("stream", SOURCE, "cam.example"),
        Need("names", SOURCE, "127.0.0.53"),
        Need("names", SOURCE, "fe80::1"),
        Need("stream", SOURCE, "203.0.113.5"),
    ]
    for host in ("192.168.1.7", "localhost", "[::1]"):
        assert found("names", source=f"rtsp://{host}/1") == []
    assert [need.kind for need in needs.for_any_stream()] == ["stream", "names", "names"]
    resolver.unlink()
    assert found("names", source="rtsp://cam.example/1") == []


def test_a_log_elsewhere_needs_its_folder() -> None:
    """Of the setting and of further sinks; the service's own folders, devices and stdout need nothing."""
    assert found("write", log="/mnt/usb/logs/r.jsonl", sink=["log:/data/more.jsonl", "console"]) == [
        "/mnt/usb/logs",
        "/data",
    ]
    for log in ("/var/log/edge-app/a.jsonl", "/var/lib/edge-app/x/a.jsonl", "-", "/dev/null", "/tmp/a.jsonl"):
        assert found("write", log=log) == []
    assert found("write", log="r.jsonl") == ["/"]  # the service runs in /


def test_files_to_read_need_their_folder(tmp_path: Path) -> None:
    """Not the file alone, as its replacement must be seen too; a folder of pictures needs itself."""
    pictures, clip = tmp_path / "pictures.d", tmp_path / "clip"
    pictures.mkdir()
    clip.touch()
    assert found("read", model="/srv/models/my.tflite", labels="/srv/labels.txt") == ["/srv/models", "/srv"]
    assert found("read", model="cifar10-base") == []
    assert found("read", source=str(pictures)) == found("read", source=f"folder:{pictures}/") == [str(pictures)]
    assert found("read", source=str(clip)) == found("read", source=f"video:{clip}") == [str(tmp_path)]
    assert found("read", source="/srv/holiday.mp4") == ["/srv"]
    assert found("read", source="rtsp://u:{file:/srv/secrets/pw}@cam/") == ["/srv/secrets"]


def test_a_link_needs_both_ends(tmp_path: Path) -> None:
    """The service opens the path as it stands in the settings, and the disk that it leads to must be there."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "loop").symlink_to("loop")
    assert found("read", model=str(tmp_path / "link" / "m.tflite")) == [str(tmp_path / "link"), str(tmp_path / "disk")]
    assert found("read", model=str(tmp_path / "loop" / "m.tflite"))
    assert found("read", model="/srv/a\0b.tflite") == []


def test_a_secret_outside_the_settings_needs_its_credential() -> None:
    """Of the source and of sinks, each once; a name that could say more to systemd is left out."""
    source = "rtsp://{credential:cam}:{credential:cam}@host/{credential:../x}{credential:a:b}{credential: c}"
    assert found("credential", source=source, sink=["x:{credential:broker.1}"]) == ["cam", "broker.1"]


def test_variables_of_the_unit_win_over_the_file(tmp_path: Path) -> None:
    """As they do in the service; variables of other programs and of this process do not count."""
    file = tmp_path / "config.toml"
    file.write_text('[camera]\nsource = "rtsp://10.0.0.1/"\n')
    assert needs.of_service(file, {"PATH": "/bin"}) == [Need("stream", SOURCE, "10.0.0.1")]
    assert needs.of_service(file, {"EDGE_APP_SOURCE": "synthetic"}) == []
    with pytest.raises(ConfigError, match="rat"):
        file.write_text("[camera]\nrat = 1\n")
        needs.of_service(file, {})


def test_looking_up_never_fails() -> None:
    """What is not known, and what is no name at all, has no address."""
    for host in ("no-such-host.invalid", "a" * 300, "x..y", "", "\udcff"):
        assert needs.addresses(host) == []


def test_no_name_server_opens_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to this machine has no address; all others count, each once."""
    assert needs.addresses("localhost") == []
    places = [("127.0.0.1", 0), ("203.0.113.5", 0), ("203.0.113.5", 0), ("::1", 0, 0, 0), ("fe80::1%eth0", 0, 0, 2)]
    places += [("0.0.0.0", 0), ("::ffff:127.0.0.1", 0, 0, 0)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", place) for place in places])
    assert needs.addresses("cam.example") == ["203.0.113.5", "fe80::1"]
