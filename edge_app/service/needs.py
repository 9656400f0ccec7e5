"""What the settings need beyond a camera, the shipped models and the service's own folders; `doors` opens it."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_app.secret.masking import PLACEHOLDER
from edge_app.settings import layers, sections

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["stream", "broker", "names", "listener", "write", "read", "credential"]

_ADDRESS = re.compile(r"(?:rtsps?|https?)://([^/?#]*)", re.IGNORECASE)
_CREDENTIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# What systemd gives the service, and what it can always write: devices, and a /tmp of its own.
_LOGS, _DEVICES = Path("/var/log/edge-app"), Path("/dev")
_OWN = (_LOGS, _DEVICES, *map(Path, ("/var/lib/edge-app", "/run/edge-app", "/tmp", "/var/tmp")))
RESOLVER = Path("/etc/resolv.conf")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that the service cannot reach unless a door is opened for it.

    Attributes:
        kind: "stream" and "broker" are hosts to connect to, "names" a name server, "listener" a port to listen on,
            "write" and "read" folders, "credential" a secret that systemd hands over.
        setting: what needs it, as messages name it: "[camera] source".
        value: a host name or address, empty if a secret hides it; "ADDRESS:PORT" of a listener; an absolute path
            without links; a credential's name.
    """

    kind: Kind
    setting: str
    value: str


def of_service(
    file: Path, unit_environment: Mapping[str, str], find: Callable[[str], Sequence[str]] | None = None
) -> list[Need]:
    """Return the needs of the service's settings.

    Args:
        file: the service's settings file; the defaults apply if it does not exist.
        unit_environment: what the unit sets; its EDGE_APP_* variables override the file.
        find: see `of`.

    Raises:
        ConfigError: the settings are wrong.
    """
    environment = {name: text for name, text in unit_environment.items() if name.startswith(layers.PREFIX)}
    environment |= {"LOGS_DIRECTORY": str(_LOGS)}
    found = layers.load(file if file.exists() else None, environment, for_service=True)
    return of(sections.Settings(**{name: setting.value for name, setting in found.items()}), find)


def of(settings: sections.Settings, find: Callable[[str], Sequence[str]] | None = None) -> list[Need]:
    """Return the needs of some settings.

    Args:
        settings: of a run.
        find: returns the addresses of a host name, see `addresses`; without it, names are not looked up.
    """
    source = "[camera] source"
    needs = [*_of_source(source, settings.source.reveal()), *_of_secrets(source, settings.source.reveal())]
    if _is_path(settings.model):
        needs += _reads("[model] model", settings.model, is_file=True)
    if settings.labels:
        needs += _reads("[model] labels", str(settings.labels), is_file=True)
    logs = [("[output] log", settings.log or "-")]
    for text in (sink.reveal() for sink in settings.sink):
        logs += [("[output] sink", text.removeprefix("log:"))] if text.startswith("log:") else []
        needs += _of_secrets("[output] sink", text)
    for setting, log in logs:
        needs += _writes(setting, log)
    return list(dict.fromkeys([*needs, *_by_name(needs, find)]))


def for_any_stream() -> list[Need]:
    """Return the needs of a network camera that no setting names yet."""
    stream = [Need("stream", "--network", "")]
    return [*stream, *_by_name(stream, None)]


def _of_source(setting: str, text: str) -> Iterator[Need]:
    plain = PLACEHOLDER.sub("x", text)
    address = _ADDRESS.search(plain)
    name, _, argument = text.partition(":")
    if address or PLACEHOLDER.match(text):
        # An @ after the host is part of a password with a / or #: what looks like the host may be part of it, too.
        is_plain = address is not None and "@" not in plain[address.end() :]
        yield Need("stream", setting, _host(address[1]) if address and is_plain else "")
    elif name in ("folder", "video"):
        yield from _reads(setting, argument)
    elif ":" not in text and _is_path(text):
        yield from _reads(setting, text)


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2]
    bracketed = re.match(r"\[([^\]]*)\]", host)
    return (bracketed[1] if bracketed else host.partition(":")[0]).lower().rstrip(".")


def _is_path(text: str) -> bool:
    return "/" in text or "." in text


def _of_secrets(setting: str, text: str) -> Iterator[Need]:
    for kind, place in PLACEHOLDER.findall(text):
        if kind == "file":
            yield from _reads(setting, place, is_file=True)
        elif _CREDENTIAL.fullmatch(place):  # the rest is refused when the source is opened
            yield Need("credential", setting, place)


def _reads(setting: str, text: str, is_file: bool = False) -> Iterator[Need]:
    """Yield the folder of a file, not the file: what replaces it later must be seen too."""
    for path in _places(text):
        folder = path.parent if is_file or not _is_folder(path) else path
        if not _is_below(folder, _DEVICES):
            yield Need("read", setting, str(folder))


def _writes(setting: str, log: str) -> Iterator[Need]:
    """Yield the folder of a log: rotation needs more than the file."""
    for path in _places(log) if log != "-" else []:
        if not any(_is_below(path, own) for own in _OWN):
            yield Need("write", setting, str(path.parent))


def _places(text: str) -> Sequence[Path]:
    """Return the path that the service opens, and where its links lead: systemd has to show both."""
    if "\0" in text:
        return []
    path = os.path.normpath(Path("/", text))  # the service runs in /
    return [*dict.fromkeys((Path(path), Path(os.path.realpath(path))))]


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder's; if it does not exist, or is hidden from this process, by its name."""
    try:
        return path.is_dir() or not (path.exists() or path.suffix)
    except PermissionError:
        return not path.suffix


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def _by_name(needs: Sequence[Need], find: Callable[[str], Sequence[str]] | None) -> Iterator[Need]:
    """Yield what it takes to reach the hosts that are not addresses: name servers, and addresses outside the LAN."""
    for need in needs:
        if need.kind not in ("stream", "broker") or literal(need.value) or is_this_machine(need.value):
            continue
        yield from (Need("names", need.setting, server) for server in name_servers())
        if find and need.value:
            yield from (Need(need.kind, need.setting, address) for address in find(need.value))


def is_this_machine(host: str) -> bool:
    """Return whether a host name means this machine on every system (RFC 6761 section 6.3)."""
    return host in ("localhost", "ip6-localhost") or host.endswith(".localhost")


def literal(host: str) -> Address | None:
    """Return a host as an address; None for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def name_servers(file: Path = RESOLVER) -> list[str]:
    """Return the addresses of resolv.conf(5). Avahi and nss-resolve are asked through sockets that are always open."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    servers = [word[1].partition("%")[0] for word in words if len(word) > 1 and word[0] == "nameserver"]
    return [server for server in servers if literal(server)]


def addresses(host: str) -> list[str]:
    """Look a host name up; return its addresses, or none if it is unknown at the moment.

    This machine's own are left out: a name server must not decide that the service may connect to it.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    known = {address for *_, place in found if (address := literal(str(place[0])))}
    return sorted(str(address) for address in known if not (address.is_loopback or address.is_unspecified))
