"""The doors of the service's sandbox: a drop-in for each thing that the settings need and the unit does not allow.

    needs.of_service    what the settings need
    closed              which of that the unit and its drop-ins do not allow; in `doctor` and at the start
    drop_ins            the text of each door
    changes             what to write and remove: only files that carry our marker, and none that a user's own drop-in
                        makes superfluous

Names and effects of directives: systemd.resource-control(5), systemd.exec(5), systemd.unit(5).
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edge_app.errors import ConfigError
from edge_app.service import needs as needs_
from edge_app.service import unit_files
from edge_app.service.needs import Kind, Need
from edge_app.service.unit_files import Directives
from edge_app.settings import sections

log = logging.getLogger(__name__)

UNIT = Path("/etc/systemd/system/edge-app.service")
DROP_INS = UNIT.with_name(f"{UNIT.name}.d")

MARKER = "# A door of the edge-app service; checksum "
REMEDY = "run: sudo edge-app service doors"
# By the kind of need. Several kinds share a file if one is of no use without the other.
FILES: Mapping[Kind, str] = {
    "stream": "edge-app-streams.conf",
    "broker": "edge-app-broker.conf",
    "names": "edge-app-names.conf",
    "listener": "edge-app-listen.conf",
    "write": "edge-app-folders.conf",
    "read": "edge-app-folders.conf",
    "credential": "edge-app-credentials.conf",
}
_NOTE = "# 'edge-app service install' and 'doors' write it anew: change the settings, or add a drop-in of another name."
EARLIER = "edge-app-network.conf"
_EARLIER_MARKER = "# Drop-in for sources and sinks that use the network (rtsp://, http://): local networks"
NAMES = (*dict.fromkeys(FILES.values()), EARLIER)

# RFC 1918 and RFC 4193; systemd's word stands for 169.254.0.0/16 and fe80::/64.
LAN = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "link-local")
_WORDS = {
    "any": ("0.0.0.0/0", "::/0"),
    "localhost": ("127.0.0.0/8", "::1/128"),
    "link-local": ("169.254.0.0/16", "fe80::/64"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
}
# Whole trees that ReadWritePaths= would open although a log needs one folder, or that no log belongs in.
_NOT_FOR_LOGS = re.compile(
    r"/|/(bin|boot|efi|etc|lib\w*|proc|sbin|sys|usr|opt/edge-app[^/]*)(/.*)?|/(opt|run|var)|/var/(lib|log|cache|spool)"
)
# Where other disks are mounted: the unit hides these but for what settings name.
HIDDEN = ("/media", "/mnt", "/srv")
_HOMES = ("/home", "/root", "/run/user")
SECRETS = Path("/etc/edge-app/credentials")


def closed(needs: Iterable[Need], unit: Directives) -> list[Need]:
    """Return the needs that a unit does not allow."""
    return [need for need in needs if not _OPEN[need.kind](need, unit)]


def problems(needs: Sequence[Need], unit: Directives) -> list[ConfigError]:
    """Return what to say of each need that a unit does not allow, once for each setting and kind."""
    said: dict[tuple[str, str], ConfigError] = {}
    for need in closed(needs, unit):
        door = "network" if need.kind in ("stream", "broker", "names") else need.kind
        said.setdefault((need.setting, door), _problem(need))
    return [*said.values()]


def _problem(need: Need) -> ConfigError:
    if need.kind in ("read", "write") and _is_below_any(need.value, _HOMES):
        return ConfigError(
            f"{need.setting} is in {need.value}, which a service cannot see", "choose a folder outside home folders"
        )
    if need.kind == "write" and (_NOT_FOR_LOGS.fullmatch(need.value) or not unit_files.can_hold(need.value)):
        return ConfigError(
            f"{need.setting} cannot be in {need.value}", "give it a folder of its own, such as /var/log/edge-app"
        )
    if need.kind == "read" and not unit_files.can_hold(need.value):
        return ConfigError(f"{need.setting} is in {need.value!r}, which systemd cannot read", "rename the folder")
    what = {
        "stream": "needs the network",
        "broker": "needs the network",
        "names": f"needs the name server {need.value}",
        "listener": f"needs to listen on {need.value}",
        "write": f"needs to write into {need.value}",
        "read": f"needs to read {need.value}",
        "credential": f"needs the credential {need.value!r}",
    }[need.kind]
    return ConfigError(f"{need.setting} {what}, and the service's sandbox has no door for it", REMEDY)


def drop_ins(needs: Sequence[Need]) -> dict[str, str]:
    """Return the text of each door by the name of its file; needs that no door can serve are left out."""
    lines: dict[str, list[str]] = defaultdict(list)
    written = [need.value for need in needs if need.kind == "write"]
    for need in needs:
        if need.kind == "read" and _is_below_any(need.value, written):
            continue
        lines[FILES[need.kind]] += [f"# for {need.setting}", *_DOORS[need.kind](need)]
    texts = {}
    for name, found in lines.items():
        directives_ = [line for line in dict.fromkeys(found) if not line.startswith("#")]
        for_whom = [line for line in dict.fromkeys(found) if line.startswith("#")]
        if directives_:
            body = "\n".join([_NOTE, *for_whom, "[Service]", *directives_, ""])
            texts[name] = f"{MARKER}{_checksum(body)}\n{body}"
    return texts


def changes(unit: Path, folder: Path, needs: Sequence[Need]) -> dict[Path, bytes | None]:
    """Return the new content of each drop-in that has to be there, and None for each of ours that has to go.

    Args:
        unit: the unit file that the service has, or gets.
        folder: of its drop-ins; the user's own stay as they are, and doors that they open are not opened twice.
        needs: of the settings.

    Raises:
        ConfigError: a setting needs what no door can give, such as a folder in /home, or a secret that is not there.
    """
    mine = [path.name for path in ours(folder)]
    theirs = unit_files.read(unit, folder, without=mine)
    lacking = closed(needs, theirs)
    wanted = drop_ins(lacking)
    then = unit_files.merge([theirs, *map(unit_files.parse, wanted.values())])
    refused = problems(needs, then) + _without_secret(lacking)
    for name in wanted.keys() - set(mine):
        if os.path.lexists(folder / name):
            refused.append(ConfigError(f"{folder / name} is in the way: edge-app did not write it", "rename it"))
    if refused:
        raise ConfigError.together(refused)
    found: dict[Path, bytes | None] = {folder / name: None for name in mine}
    return found | {folder / name: text.encode() for name, text in wanted.items()}


def needed(unit: Path, folder: Path, settings: Path, for_streams: bool) -> list[Need]:
    """Return the needs of the service's settings.

    Args:
        unit: the unit file that the service has, or gets.
        folder: of its drop-ins, which may set variables.
        settings: the service's settings file, which need not exist.
        for_streams: add those of a network camera that no setting names yet.

    Raises:
        ConfigError: the settings are wrong.
    """
    variables = unit_files.variables(unit_files.read(unit, folder))
    found = needs_.of_service(settings, variables, needs_.addresses)
    return [*found, *(needs_.for_any_stream() if for_streams else [])]


def _without_secret(needs: Sequence[Need]) -> list[ConfigError]:
    """Return an error for each credential that has no file: the service would not start, and systemd not say why."""
    missing = [need for need in needs if need.kind == "credential" and not (SECRETS / need.value).is_file()]
    return [
        ConfigError(f"{need.setting} refers to a credential, but there is no {SECRETS / need.value}", "write it there")
        for need in missing
    ]


def ours(folder: Path) -> list[Path]:
    """Return the drop-ins that an installation wrote: by exact name, and by their first line."""
    found = [folder / name for name in NAMES]
    return [path for path in found if path.is_file() and not path.is_symlink() and _is_marked(path)]


def edited(folder: Path) -> list[Path]:
    """Return those of our drop-ins that are not as we wrote them: the user has changed them."""
    found = [(path, path.read_text("utf-8", "replace").partition("\n")) for path in ours(folder)]
    return [path for path, (head, _, body) in found if head.startswith(MARKER) and head != MARKER + _checksum(body)]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_marked(path: Path) -> bool:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith((MARKER, _EARLIER_MARKER))


def warn(settings: sections.Settings, unit: Path = UNIT, group: Path = Path("/proc/self/cgroup")) -> None:
    """Log a line for each closed door, if this process is that unit's service.

    Args:
        settings: of the run.
        unit: the unit file.
        group: names the service that this process belongs to.
    """
    if group.is_file() and unit.is_file() and f"/{unit.name}" in group.read_text():
        for problem in problems(needs_.of(settings), unit_files.read(unit, unit.with_name(f"{unit.name}.d"))):
            log.warning("%s", problem)


# --- one kind of door after the other: what opens it, and whether it is open


def _connects(need: Need) -> Iterator[str]:
    host = _host(need)
    is_in_lan = host is None or any(host in network for network in _networks(LAN))
    yield f"RestrictAddressFamilies={_families(need)}"
    yield f"IPAddressAllow={' '.join(LAN) if is_in_lan else host}"


def _host(need: Need) -> needs_.Address | None:
    """Return the address to connect to or to listen on; None for a name that can be anywhere."""
    text = need.value.rpartition(":")[0].strip("[]") if need.kind == "listener" else need.value
    return needs_.literal("127.0.0.1" if needs_.is_this_machine(text) else text)


def _families(need: Need) -> str:
    host = _host(need)
    return "AF_INET AF_INET6" if host is None or host.is_unspecified else f"AF_INET{'6' if host.version == 6 else ''}"


def _may_connect(need: Need, unit: Directives) -> bool:
    host, allowed = _host(need), [*_networks(unit_files.words(unit, "IPAddressAllow"))]
    if not _has_families(need, unit):
        return False
    if not unit.get("IPAddressDeny"):
        return True
    # Nobody knows where a name leads: any network that is not this machine may be the right one.
    return any(host in network if host else not network.is_loopback for network in allowed)


def _has_families(need: Need, unit: Directives) -> bool:
    families = unit_files.words(unit, "RestrictAddressFamilies")
    if not families or families[0].startswith("~"):
        return True
    wanted = _families(need).split()
    return any(family in families for family in wanted)


def _networks(words: Iterable[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for word in words:
        for text in _WORDS.get(word, (word,)):
            try:
                yield ipaddress.ip_network(text, strict=False)
            except ValueError:
                continue


def _listens(need: Need) -> Iterator[str]:
    host, port = _host(need), need.value.rpartition(":")[2]
    yield f"RestrictAddressFamilies={_families(need)}"
    yield f"SocketBindAllow=tcp:{port}"
    yield "SystemCallFilter=listen accept accept4"
    yield f"IPAddressAllow={'localhost' if host and host.is_loopback else ' '.join(('localhost', *LAN))}"


def _may_listen(need: Need, unit: Directives) -> bool:
    port = need.value.rpartition(":")[2]
    ports = [word.removeprefix("tcp:") for word in unit_files.words(unit, "SocketBindAllow")]
    is_free = not unit.get("SocketBindDeny") or port in ports or "any" in ports
    is_reachable = not unit.get("IPAddressDeny") or bool(unit_files.words(unit, "IPAddressAllow"))
    return is_free and is_reachable and _has_families(need, unit)


def _writes(need: Need) -> Iterator[str]:
    if _NOT_FOR_LOGS.fullmatch(need.value) or _is_below_any(need.value, _HOMES) or not unit_files.can_hold(need.value):
        return
    # With "-", a disk that is not there keeps only the log from being written, not the service from starting.
    yield f"ReadWritePaths={_optional(need.value)}"
    if _is_below_any(need.value, HIDDEN):
        yield f"BindPaths={_optional(need.value)}"


def _may_write(need: Need, unit: Directives) -> bool:
    is_strict = unit.get("ProtectSystem", [])[-1:] == ["strict"]
    writable = unit_files.paths(unit, "ReadWritePaths", "BindPaths") if is_strict else ["/"]
    return _is_below_any(need.value, writable) and _may_see(need, unit, "BindPaths")


def _reads(need: Need) -> Iterator[str]:
    if not _is_below_any(need.value, _HOMES) and unit_files.can_hold(need.value):
        yield f"BindReadOnlyPaths={_optional(need.value)}"


def _may_read(need: Need, unit: Directives) -> bool:
    return _may_see(need, unit, "BindPaths", "BindReadOnlyPaths")


def _may_see(need: Need, unit: Directives, *shown_by: str) -> bool:
    hidden = unit_files.paths(unit, "TemporaryFileSystem", "InaccessiblePaths")
    hidden += _HOMES if unit_files.is_on(unit, "ProtectHome") else ()
    hidden += ("/tmp", "/var/tmp") if unit_files.is_on(unit, "PrivateTmp") and need.kind == "read" else ()
    return not _is_below_any(need.value, hidden) or _is_below_any(need.value, unit_files.paths(unit, *shown_by))


def _hands_over(need: Need) -> Iterator[str]:
    yield f"LoadCredential={need.value}:{SECRETS / need.value}"


def _has_credential(need: Need, unit: Directives) -> bool:
    directives_ = ("LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted")
    values = [value for name in directives_ for value in unit.get(name, [])]
    return any(value.partition(":")[0] == need.value for value in values)


_DOORS = {
    "stream": _connects,
    "broker": _connects,
    "names": _connects,
    "listener": _listens,
    "write": _writes,
    "read": _reads,
    "credential": _hands_over,
}
_OPEN = {
    "stream": _may_connect,
    "broker": _may_connect,
    "names": _may_connect,
    "listener": _may_listen,
    "write": _may_write,
    "read": _may_read,
    "credential": _has_credential,
}


def _optional(path: str) -> str:
    """Return a path for a directive that skips what does not exist."""
    return unit_files.quoted(f"-{path}")


def _is_below_any(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
