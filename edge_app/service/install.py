"""Installs the systemd service on this machine and removes it. `edge-app service`."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edge_app.errors import ConfigError, RunError, StartError
from edge_app.service import building, doors, environments, restoring, settings_file, systemd
from edge_app.service.restoring import Attempt, Before
from edge_app.service.systemd import UNIT
from edge_app.settings.flags.service import ServiceDoors, ServiceInstall
from edge_app.system import files, shipped


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

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that an installation writes for systemd and the user."""
        return (self.unit, *(self.drop_ins / name for name in doors.NAMES), self.settings)


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
        ConfigError: the settings need what the service's sandbox cannot give, see `doors`.
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
        _doors(settings, places)  # What cannot be opened is refused before the long build.
        folder = building.build(settings, link, places.settings, stop)
        _replace(settings, places, folder, stop)
        for path in environments.own(link):
            if path != folder:
                environments.remove(path)
        _report_doubtful(link)
    return systemd.describe(systemd.show())


def _replace(settings: ServiceInstall, places: Places, folder: Path, stop: threading.Event) -> None:
    """Make the new environment the one in use, or put back everything.

    Raises:
        RunError: a step failed; the message says so if something could not be put back.
        Interrupted: `stop` was set.
    """
    written: dict[Path, bytes | None] = {}
    before, unit, room = None, {}, folder / environments.SCRATCH
    try:
        unit = systemd.show()
        # Not earlier: a build takes minutes, and the user may edit settings meanwhile.
        before = restoring.keep(places.files, places.environment, room)
        changed = edited(places)
        _put_in_place(settings, places, folder, written, stop)
    except BaseException as error:
        lost, failed = _undo(before, written, unit) if before else ([], [])
        if not lost:  # else what was kept is still needed
            environments.discard(folder)
        if before and (lost or failed):
            lines = [error.what if isinstance(error, RunError) else repr(error), *lost, *failed]
            raise RunError("\n".join(lines), _by_hand(before) if lost else "see: journalctl -u edge-app") from error
        raise
    kept = [(f"keep {path}", partial(set_aside, old, path)) for path in changed if (old := before.files[path])]
    for failure in restoring.attempt([*kept, (f"clear {room}", partial(restoring.forget, before))]):
        environments.say(failure)
    if None in written.values():
        restoring.drop(places.drop_ins)


def _require_plain_files(places: Places) -> None:
    """Refuse before the long build what could not be replaced, nor restored, after it.

    Raises:
        RunError: something other than a file is in the place of one.
    """
    for path in places.files[:-1]:
        if path.is_symlink():  # as of 'systemctl mask' or 'systemctl link': the target is not ours to write
            raise RunError(f"{path} is a link", "remove it, or run: sudo systemctl unmask edge-app")
    for path in places.files:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is not a file", "move it elsewhere")
    if places.unit.exists() and not _is_ours(places.unit):
        raise RunError(f"{places.unit} is in the way: edge-app did not make it", "move it elsewhere")


def _put_in_place(
    settings: ServiceInstall, places: Places, folder: Path, written: dict[Path, bytes | None], stop: threading.Event
) -> None:
    """Switch to the new environment and start it; `written` receives the new content of each file, None if removed."""
    environments.switch(places.environment, folder)
    ours = shipped.folder("systemd")
    wanted: dict[Path, bytes | None] = {places.unit: ours.joinpath(UNIT).read_bytes()}
    wanted |= {} if os.path.lexists(places.settings) else {places.settings: ours.joinpath("config.toml").read_bytes()}
    wanted |= _doors(settings, places)
    for path, content in wanted.items():
        # Noted before the write: an interrupt right after it must still find the file among those to restore.
        written[path] = content
        _write(path, content)
    environments.say(f"starting {UNIT}")
    with settings_file.group(stop, places.root):
        for words in (("daemon-reload",), ("enable", UNIT), ("restart", UNIT)):
            systemd.systemctl(*words, stop=stop)
        # Last: should the start fail, the version before must still be able to read the file.
        settings_file.protect(places.settings, places.root)


def _doors(settings: ServiceInstall, places: Places) -> dict[Path, bytes | None]:
    unit = shipped.folder("systemd") / UNIT
    try:
        needs = doors.needed(unit, places.drop_ins, places.settings, settings.network)
    except ConfigError:
        return {}  # The trial refuses these settings, and says why.
    return doors.changes(unit, places.drop_ins, needs)


def open_doors(settings: ServiceDoors, stop: threading.Event, places: Places = Places()) -> list[str]:
    """Open the doors that the service's settings need, close those they no longer need; restart it if any changed.

    Args:
        settings: of the command.
        stop: set to give up.
        places: where the service is installed.

    Returns:
        What was done, a line for each door.

    Raises:
        StartError: not root, no systemd, or no service installed.
        ConfigError: the settings are wrong, or need what no door can give.
        RunError: a door cannot be written, or the service does not start again.
    """
    require_root()
    os.umask(0o022)  # systemd and `doctor` read them
    with environments.locked(places.environment.parent, stop):
        if not _is_ours(places.unit):
            raise StartError("the service is not installed", "run: sudo edge-app service install")
        needs = doors.needed(places.unit, places.drop_ins, places.settings, settings.network)
        wanted = doors.changes(places.unit, places.drop_ins, needs)
        changed = {path: content for path, content in wanted.items() if restoring.content(path) != content}
        for path in doors.edited(places.drop_ins):
            set_aside(path, path)
        for path, content in changed.items():
            _write(path, content)
        if None in changed.values():
            restoring.drop(places.drop_ins)
        for words in (("daemon-reload",), ("try-restart", UNIT)) if changed else ():
            systemd.systemctl(*words, stop=stop)
    opened = [f"{'closed' if content is None else 'opened'} {path}" for path, content in changed.items()]
    return opened or ["nothing to do: the doors are as the settings need them"]


def _was_running(unit: Mapping[str, str]) -> bool:
    return unit.get("ActiveState") in ("active", "activating", "reloading")


def _undo(before: Before, written: Mapping[Path, bytes | None], unit: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Restore the state before, and say what runs now.

    Returns:
        Which files and links could not be restored, and what systemd could not do.
    """
    # None of these gets `stop`: it is set after an interrupt, and every step would end before it began.
    failed = restoring.attempt(_stopping(unit))
    lost = restoring.attempt(restoring.put_back(before, written))
    failed += restoring.attempt(_starting(unit))
    if not lost:
        failed += restoring.attempt([("remove what was kept", partial(restoring.forget, before))])
    if _was_running(unit) and not failed:
        environments.say("the version before is back, and runs")
    return lost, failed


def _by_hand(before: Before) -> str:
    kept = [f"{old} to {path}" for path, old in before.files.items() if old]
    return f"make room, then move back what was kept: {', '.join(kept)}"


def _stopping(unit: Mapping[str, str]) -> Iterator[Attempt]:
    if not _was_running(unit):
        yield "stop the service", partial(systemd.systemctl, "stop", UNIT)
    if unit.get("UnitFileState") != "enabled":
        yield "disable the service", partial(systemd.systemctl, "disable", UNIT)


def _starting(unit: Mapping[str, str]) -> Iterator[Attempt]:
    yield "make systemd read its units", partial(systemd.systemctl, "daemon-reload")
    if _was_running(unit):
        yield "start the version before", partial(systemd.systemctl, "restart", UNIT)


def uninstall(is_purging: bool, places: Places = Places()) -> list[Path]:
    """Stop and remove the service; settings and logs stay unless `is_purging`.

    Returns:
        What was removed.

    Raises:
        StartError: not root, or no systemd.
        RunError: something cannot be removed; all the rest is.
    """
    require_root()
    link = places.environment
    with environments.locked(link.parent, threading.Event()):
        removal = _Removal()
        # Before the link goes: an earlier version's environment is known to be ours only by that link.
        made = environments.own(link)
        if _is_ours(places.unit):
            removal.attempt("stop and disable the service", partial(systemd.systemctl, "disable", "--now", UNIT))
        for path in edited(places):
            removal.attempt(f"keep {path}", partial(set_aside, path, path))
        if _is_ours(places.unit):
            removal.delete(places.unit)
        elif os.path.lexists(places.unit):
            environments.say(f"left {places.unit}: edge-app did not make it")
        removal.delete(*doors.ours(places.drop_ins), with_folder=True)
        removal.delete(*(places.state if _is_of_systemd(*places.state) else ()))
        if is_purging:
            removal.delete(*(places.logs if _is_of_systemd(*places.logs) else ()))
            removal.delete(places.settings, with_folder=True)
            remove = partial(settings_file.remove_group, threading.Event(), places.root)
            removal.attempt(f"remove the group {settings_file.GROUP}", remove)
        removal.delete(*([link] if environments.linked(link) else ()))
        removal.removed += [path for path in made if environments.remove(path)]
        removal.attempt(f"clear {link.parent}", partial(environments.clear_draft, link))
        _report_doubtful(link)
        removal.attempt("make systemd read its units", partial(systemd.systemctl, "daemon-reload"))
    if removal.failures:
        raise RunError("\n".join(removal.failures), "fix that, then run the same command again")
    return removal.removed


@dataclass(slots=True)
class _Removal:
    """What was removed so far, and what could not be: one thing that cannot does not keep the others."""

    removed: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def attempt(self, name: str, do: Callable[[], object]) -> bool:
        failures = restoring.attempt([(name, do)])
        self.failures += failures
        return not failures

    def delete(self, *paths: Path, with_folder: bool = False) -> None:
        """Delete what is there, and with the last of its files a folder that only ours were in."""
        for path in paths:
            is_there = path.is_symlink() or path.is_file() or path.is_dir()
            if is_there and self.attempt(f"remove {path}", partial(environments.delete, path)):
                self.removed.append(path)
                if with_folder:
                    self.attempt(f"remove {path.parent}", partial(restoring.drop, path.parent))


def _is_of_systemd(link: Path, folder: Path) -> bool:
    """Say whether a link and a folder are what systemd makes for a DynamicUser; a real folder is somebody's data."""
    return link.is_symlink() and link.resolve() == folder.resolve() and not folder.is_symlink()


def _is_ours(unit: Path) -> bool:
    """Say whether a unit, edited or not, is ours: a file that starts the program which install puts there."""
    found = None if unit.is_symlink() else restoring.content(unit)
    return found is not None and f"\nExecStart={systemd.PROGRAM} ".encode() in found


def edited(places: Places) -> list[Path]:
    """Return those of our files for systemd that are not as we wrote them: the user has changed them."""
    used = environments.linked(places.environment)
    shipped_then = sorted(used.glob("lib/python3*/site-packages/edge_app/systemd")) if used else []
    found = []
    earlier = [path for path in doors.ours(places.drop_ins) if path.name == doors.EARLIER]
    for path in (places.unit, *earlier):
        known = [restoring.content(folder / path.name) for folder in (shipped.folder("systemd"), *shipped_then)]
        is_ours = path.name != UNIT or _is_ours(path)
        if is_ours and not path.is_symlink() and restoring.content(path) not in (None, *known):
            found.append(path)
    return found + doors.edited(places.drop_ins)


def set_aside(content: Path, path: Path) -> None:
    """Keep what the user had made of a file of ours, under a name that systemd ignores; it may be at another place."""
    names = (path.with_name(f"{path.name}.yours{number or ''}") for number in itertools.count())
    aside = next(name for name in names if not os.path.lexists(name))
    environments.put_back(content, aside)
    environments.say(f"your changes to {path} are kept in {aside}")


def _report_doubtful(link: Path) -> None:
    for path in environments.doubtful(link):
        environments.say(f"left {path}: an earlier version may have made it; remove it if it holds nothing of yours")


def require_root() -> None:
    """Refuse to go on without root or systemd.

    Raises:
        StartError: not root, or systemd does not run this machine.
    """
    systemd.require_systemd()
    if os.geteuid() != 0:
        raise StartError("installing a service takes root", f"run: sudo {sys.argv[0]} {' '.join(sys.argv[1:])}")


def _write(path: Path, content: bytes | None) -> None:
    """Write a file, or remove it."""
    try:
        if content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, content)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}", "check that the disk has room and is writable"
        ) from error
