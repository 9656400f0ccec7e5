"""The systemd service on this machine: install, uninstall, status. `edge-app service`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge_app.errors import RunError, StartError
from edge_app.service import building, environments
from edge_app.service.notify import DEGRADED
from edge_app.settings.flags.service import ServiceInstall
from edge_app.system import files, shipped, v4l2
from edge_app.system.wording import counted

UNIT = "edge-app.service"
DROP_IN = "edge-app-network.conf"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of an installation are.

    Attributes:
        root: root of the file system; tests use another.
    """

    root: Path = Path("/")

    @property
    def environment(self) -> Path:
        """The link to the environment in use, which the unit starts."""
        return self.root / "opt" / "edge-app"

    @property
    def unit(self) -> Path:
        """The unit file."""
        return self.root / "etc" / "systemd" / "system" / UNIT

    @property
    def drop_ins(self) -> Path:
        """The folder of the unit's drop-ins, ours and the user's."""
        return self.unit.with_name(f"{UNIT}.d")

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / "etc" / "edge-app" / "config.toml"

    @property
    def state(self) -> list[Path]:
        """What a DynamicUser leaves behind, apart from its logs."""
        library = self.root / "var" / "lib"
        return [library / "edge-app", library / "private" / "edge-app"]

    @property
    def logs(self) -> list[Path]:
        """The logs: a link and the folder it points to, which only root may enter."""
        folder = self.root / "var" / "log"
        return [folder / "edge-app", folder / "private" / "edge-app"]


@dataclass(frozen=True, slots=True)
class Before:
    """The state before an installation, to restore if it fails.

    Attributes:
        files: content of unit, drop-in and settings; None for a missing file.
        environment: what the link pointed to.
        unit: its properties, from `show`.
    """

    files: Mapping[Path, bytes | None]
    environment: Path | None
    unit: Mapping[str, str]


def install(settings: ServiceInstall, stop: threading.Event, places: Places = Places()) -> str:
    """Build an environment for the service, put unit and settings in place, enable, start, and check that it runs.

    A running service is replaced only after the new environment has passed its trial; settings are never overwritten.

    Args:
        settings: of the command.
        stop: set to give up.
        places: where to install.

    Returns:
        The status of the service.

    Raises:
        StartError: not root, no systemd, or nothing to install from.
        DependencyMissing: the system lacks a package.
        RunError: a step failed; everything is as it was before.
        Interrupted: `stop` was set; everything is as it was before.
    """
    require_root()
    os.umask(0o022)  # the service's user reads what is installed
    link = places.environment
    with environments.locked(link.parent, stop):
        environments.require_free(link)
        used = environments.linked(link)
        for half_made in environments.own(link):  # left by a power cut
            if half_made != used:
                environments.remove(half_made)
        _require_plain_files(places)
        folder = building.build(settings, link, stop)
        written: dict[Path, bytes | None] = {}
        before = None
        try:
            before = _look(places)  # not earlier: a build takes minutes, and the user may edit settings meanwhile
            _put_in_place(settings, places, folder, written, stop)
        except BaseException:
            if before:
                _put_back(before, written, places)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for path in environments.own(link):
            if path != folder:
                environments.remove(path)
        _report_doubtful(link)
    return describe(show())


def _require_plain_files(places: Places) -> None:
    """Refuse before the long build what could not be replaced, nor restored, after it.

    Raises:
        RunError: something other than a file is in the place of one.
    """
    for path in (places.unit, places.drop_ins / DROP_IN):
        if path.is_symlink():  # as of 'systemctl mask' or 'systemctl link': the target is not ours to write
            raise RunError(f"{path} is a link", "remove it, or run: sudo systemctl unmask edge-app")
    for path in (places.unit, places.drop_ins / DROP_IN, places.settings):
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is not a file", "move it elsewhere")


def _look(places: Places) -> Before:
    files = (places.unit, places.drop_ins / DROP_IN, places.settings)
    return Before({path: _content(path) for path in files}, environments.linked(places.environment), show())


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put_in_place(
    settings: ServiceInstall, places: Places, folder: Path, written: dict[Path, bytes | None], stop: threading.Event
) -> None:
    """Switch to the new environment and start it; `written` receives the new content of each file, None if removed."""
    environments.switch(places.environment, folder)
    ours, drop_in = shipped.folder("systemd"), places.drop_ins / DROP_IN
    wanted = {places.unit: ours.joinpath(UNIT).read_bytes()}
    wanted |= {} if os.path.lexists(places.settings) else {places.settings: ours.joinpath("config.toml").read_bytes()}
    wanted |= {drop_in: ours.joinpath(DROP_IN).read_bytes()} if settings.network else {}
    for path, content in wanted.items():
        # Noted before the write: an interrupt right after it must still find the file among those to restore.
        written[path] = content
        _write(path, content)
    if not settings.network:
        written[drop_in] = None
        drop_in.unlink(missing_ok=True)
    environments.say(f"starting {UNIT}")
    for words in (("daemon-reload",), ("enable", UNIT), ("restart", UNIT)):
        systemctl(*words, stop=stop)


def _put_back(before: Before, written: Mapping[Path, bytes | None], places: Places) -> None:
    """Restore the state before, as far as possible: each step is tried even if others fail.

    Only files that still have the content this installation wrote are touched.
    """
    was_enabled = before.unit.get("UnitFileState") == "enabled"
    was_running = before.unit.get("ActiveState") in ("active", "activating", "reloading")
    attempts: list[Callable[[], object]] = []
    # None of these gets `stop`: it is set after an interrupt, and every step would end before it began.
    attempts += [] if was_running else [partial(systemctl, "stop", UNIT)]
    attempts += [] if was_enabled else [partial(systemctl, "disable", UNIT)]
    for path in (path for path, content in written.items() if _content(path) == content):
        content = before.files[path]
        attempts.append(partial(path.unlink, missing_ok=True) if content is None else partial(_write, path, content))
    link = places.environment
    attempts.append(
        partial(environments.switch, link, before.environment)
        if before.environment
        else partial(environments.delete, link)
    )
    attempts += [partial(systemctl, "daemon-reload"), partial(_drop_empty, places.drop_ins, places.settings.parent)]
    attempts += [partial(systemctl, "restart", UNIT)] if was_running else []
    for attempt in attempts:
        with contextlib.suppress(RunError, OSError):
            attempt()


def uninstall(is_purging: bool, places: Places = Places()) -> list[Path]:
    """Stop and remove the service; settings and logs stay unless `is_purging`.

    Returns:
        What was removed.

    Raises:
        StartError: not root, or no systemd.
        RunError: something cannot be removed.
    """
    require_root()
    link = places.environment
    with environments.locked(link.parent, threading.Event()):
        if places.unit.exists():
            systemctl("disable", "--now", UNIT)
        # Before the link goes: an earlier version's environment is known to be ours only by that link.
        made = environments.own(link)
        gone = [places.unit, places.drop_ins / DROP_IN]
        gone += places.state if places.state[0].is_symlink() else []  # a real folder there is not of a DynamicUser
        gone += [places.settings, *places.logs] if is_purging else []
        gone += [link] if environments.linked(link) else []
        removed = [path for path in gone if _remove(path)] + [path for path in made if environments.remove(path)]
        _drop_empty(places.drop_ins, *([places.settings.parent] if is_purging else []))
        _report_doubtful(link)
        systemctl("daemon-reload")
    return removed


def _drop_empty(*folders: Path) -> None:
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def _report_doubtful(link: Path) -> None:
    for path in environments.doubtful(link):
        environments.say(f"left {path}: an earlier version may have made it; remove it if it holds nothing of yours")


def require_root() -> None:
    """Refuse to go on without root or systemd.

    Raises:
        StartError: not root, or systemd does not run this machine.
    """
    _require_systemd()
    if os.geteuid() != 0:
        raise StartError("installing a service takes root", f"run: sudo {sys.argv[0]} {' '.join(sys.argv[1:])}")


def _require_systemd() -> None:
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        raise StartError("systemd does not run this machine", "'edge-app run' works without it")


def systemctl(*arguments: str, stop: threading.Event | None = None) -> str:
    """Run systemctl and return its output.

    Args:
        arguments: for systemctl.
        stop: set to stop waiting for it.

    Raises:
        RunError: it failed; the message quotes it.
    """
    return building.step(
        f"systemctl {arguments[0]}", ["systemctl", "--no-ask-password", *arguments], stop or threading.Event()
    )


_PROPERTIES = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "ActiveEnterTimestamp", "StateChangeTimestamp"),
    *("Result", "ExecMainStatus", "NRestarts", "StatusText", "MainPID"),
)


def show() -> dict[str, str]:
    """Return the unit's properties from systemd."""
    _require_systemd()
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
    if found.get("LoadState") != "loaded":
        return "not installed; run: sudo edge-app service install"
    # StateChangeTimestamp would change with every reload.
    since = found.get("ActiveEnterTimestamp" if found.get("ActiveState") == "active" else "StateChangeTimestamp")
    lines = [f"{found.get('ActiveState')} ({found.get('SubState')}) since {since or 'never'}"]
    if found.get("StatusText"):
        lines.append(found["StatusText"])
    if found.get("StatusText", "").startswith(DEGRADED):
        users = v4l2.holders([str(node) for node in v4l2.nodes()], besides=int(found.get("MainPID", "0")))
        lines += [f"{node} is in use by {user}" for node, user in users.items()]
    if found.get("ActiveState") == "failed":
        code = found.get("ExecMainStatus", "")
        lines.append(_RESULTS.get(code, f"ended with {found.get('Result')} (exit code {code})"))
        lines.append("its last messages: journalctl -u edge-app -n 20")
    if found.get("NRestarts", "0") != "0":
        lines.append(f"restarted {counted(int(found['NRestarts']), 'time')} since it was started")
    lines.append("starts at boot" if found.get("UnitFileState") == "enabled" else "does not start at boot")
    return "\n".join(lines)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, content)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}", "check that the disk has room and is writable"
        ) from error


def _remove(path: Path) -> bool:
    try:
        return environments.delete(path)
    except OSError as error:
        raise RunError(f"cannot remove {path}: {error.strerror}", "remove it by hand") from error
