"""The systemd service on this machine: install, uninstall, status. `edge-app service`."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from edge_app.errors import DependencyMissing, RunError, StartError
from edge_app.service.notify import DEGRADED
from edge_app.system import v4l2

log = logging.getLogger(__name__)

UNIT = "edge-app.service"
DROP_IN = "edge-app-network.conf"
PRIVATE_HOMES = ("/home", "/root")  # What ProtectHome= hides from the service.
KEPT_OUT = (".git", ".venv*", "build", "*.egg-info", "__pycache__", ".*_cache")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of an installation lie.

    Attributes:
        root: of the file system.
    """

    root: Path = Path("/")

    @property
    def environment(self) -> Path:
        """Link to the environment in use; the unit starts what lies behind it."""
        return self.root / "opt" / "edge-app"

    @property
    def unit(self) -> Path:
        """The unit."""
        return self.root / "etc" / "systemd" / "system" / UNIT

    @property
    def drop_ins(self) -> Path:
        """Folder of what changes the unit, ours and the user's."""
        return self.unit.with_name(f"{UNIT}.d")

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / "etc" / "edge-app" / "config.toml"

    @property
    def state(self) -> list[Path]:
        """What a DynamicUser leaves behind beside its logs."""
        library = self.root / "var" / "lib"
        return [library / "edge-app", library / "private" / "edge-app"]

    @property
    def logs(self) -> list[Path]:
        """The logs: a link, and the folder behind it, which root alone may enter."""
        folder = self.root / "var" / "log"
        return [folder / "edge-app", folder / "private" / "edge-app"]

    def environments(self) -> list[Path]:
        """Return every environment, in use or not, oldest first."""
        return sorted(self.environment.parent.glob("edge-app-*"))


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be installed.

    Attributes:
        source: a checkout of edge-app or a wheel; None takes what this edge-app was installed from.
        wheels: folder of wheels to take everything from, without a network; None asks pip's index.
        is_networked: open the sandbox for sources and sinks that speak over the network.
    """

    source: Path | None = None
    wheels: Path | None = None
    is_networked: bool = False


def install(order: Order, places: Places = Places()) -> str:
    """Build an environment of its own, put unit and settings in place, enable, start, and see that it runs.

    What runs already is replaced only when the new environment has proved itself; settings are never overwritten.

    Returns:
        The status of the service.

    Raises:
        StartError: not root, no systemd, or nothing to install from.
        DependencyMissing: the system lacks a package; names it.
        RunError: a step failed; says which, and what runs is as before.
    """
    require_root()
    os.umask(0o022)  # the service's user reads what is installed
    folder = build(order, places)
    _switch(places.environment, folder)
    files = resources.files("edge_app.systemd")
    if not places.settings.exists():
        _write(places.settings, files.joinpath("config.toml").read_text())
    _write(places.unit, files.joinpath(UNIT).read_text())
    if order.is_networked:
        _write(places.drop_ins / DROP_IN, files.joinpath(DROP_IN).read_text())
    else:
        (places.drop_ins / DROP_IN).unlink(missing_ok=True)
    _say(f"starting {UNIT}")
    systemctl("daemon-reload")
    systemctl("enable", UNIT)
    systemctl("restart", UNIT)
    for old in places.environments():
        if old != folder:
            shutil.rmtree(old)
    return describe(show())


def build(order: Order, places: Places = Places()) -> Path:
    """Make a new environment beside the one in use, install, and try it.

    Returns:
        Its folder.

    Raises:
        RunError: a step failed; nothing is left of the new environment.
    """
    source = order.source or origin()
    python = choose_python()
    sees_system = _has(python, "picamera2")
    if sees_system and not _has(python, "cv2"):
        raise DependencyMissing("OpenCV is missing", "run: sudo apt install python3-opencv")
    folder = places.environment.with_name(f"edge-app-{time.strftime('%Y%m%dT%H%M%S')}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _say(f"making {folder} with {python}{', which sees what apt installed' if sees_system else ''}")
    try:
        _step([python, "-m", "venv", *(["--system-site-packages"] if sees_system else []), str(folder)])
        with tempfile.TemporaryDirectory() as scratch:
            wanted = _unspoilt(source, Path(scratch))
            _say("installing (some minutes on a Raspberry Pi)")
            _step(pip_command(folder, wanted, order.wheels, "" if sees_system else "[headless]"), pip_environment())
        _say("trying it: models, self-test, a few frames")
        program = str(folder / "bin" / "edge-app")
        _step([program, "models", "verify", "cifar10-base"])
        _step([program, "run", "--source", "synthetic", "--frames", "5", "--preview", "none", "--log", os.devnull])
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def uninstall(is_purging: bool, places: Places = Places()) -> list[Path]:
    """Stop and remove the service; its logs stay unless they are purged too.

    Returns:
        What was removed.

    Raises:
        StartError: not root, or no systemd.
    """
    require_root()
    if places.unit.exists():
        systemctl("disable", "--now", UNIT)
    gone = [places.unit, places.drop_ins / DROP_IN, places.settings, *places.state, *places.environments()]
    gone += [places.environment, *(places.logs if is_purging else [])]
    removed = [path for path in gone if _remove(path)]
    for folder in (places.drop_ins, places.settings.parent):  # the user's own files in them stay
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    systemctl("daemon-reload")
    return removed


def origin() -> Path:
    """Return the checkout or wheel that this edge-app was installed from.

    Raises:
        StartError: it is not there any more, or came from an index.
    """
    checkout = Path(__file__).parents[2]
    if (checkout / "setup.py").exists():
        return checkout
    try:
        record = json.loads(metadata.distribution("edge-app").read_text("direct_url.json") or "{}")  # PEP 610
    except metadata.PackageNotFoundError:
        record = {}
    url = urllib.parse.urlsplit(record.get("url", ""))
    path = Path(urllib.parse.unquote(url.path))
    if url.scheme != "file" or not path.exists():
        raise StartError("what this edge-app was installed from is not there", "name a checkout or a wheel with --from")
    return path


def choose_python() -> str:
    """Return an interpreter that the service can reach: the one that runs this, else the system's.

    Raises:
        DependencyMissing: neither will do.
    """
    own = str(Path(sys.base_prefix, "bin", "python3").resolve())
    for path in (own, "/usr/bin/python3"):
        is_hidden = any(Path(path).is_relative_to(home) for home in PRIVATE_HOMES)
        if not is_hidden and _succeeds([path, "-c", _IS_FIT]):
            return path
    raise DependencyMissing(
        f"{own} lies where a service may not look, and /usr/bin/python3 is older than 3.11 or cannot make environments",
        "run: sudo apt install python3 python3-venv",
    )


_IS_FIT = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"


def pip_command(folder: Path, wanted: Path, wheels: Path | None, extras: str) -> list[str]:
    """Return the command that installs edge-app into an environment."""
    offline = ["--no-index", "--find-links", str(wheels.resolve())] if wheels else []
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    return [*pip, *offline, f"edge-app{extras} @ {wanted.resolve().as_uri()}"]


def pip_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for pip: whoever typed sudo may have an index or a wheel folder in their settings."""
    found = dict(environment)
    user = environment.get("SUDO_USER")
    if user and "PIP_CONFIG_FILE" not in found:
        settings = Path(os.path.expanduser(f"~{user}"), ".config", "pip", "pip.conf")  # noqa: PTH111  # of another user
        if settings.is_file():
            found["PIP_CONFIG_FILE"] = str(settings)
    return found


def require_root() -> None:
    """Refuse where an installation cannot succeed.

    Raises:
        StartError: not root, or systemd does not run this machine.
    """
    _require_systemd()
    if os.geteuid() != 0:
        raise StartError("installing a service takes root", f"run: sudo {sys.argv[0]} {' '.join(sys.argv[1:])}")


def _require_systemd() -> None:
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        raise StartError("systemd does not run this machine", "'edge-app run' works without it")


def systemctl(*arguments: str) -> str:
    """Run systemctl and return what it printed.

    Raises:
        RunError: it failed; its own words are in the message.
    """
    return _step(["systemctl", "--no-ask-password", *arguments])


_PROPERTIES = (
    *("LoadState", "UnitFileState", "ActiveState", "SubState", "ActiveEnterTimestamp", "StateChangeTimestamp"),
    *("Result", "ExecMainStatus", "NRestarts", "StatusText", "MainPID"),
)


def show() -> dict[str, str]:
    """Return what systemd knows of the unit."""
    _require_systemd()
    lines = systemctl("show", UNIT, "--property", ",".join(_PROPERTIES)).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


_RESULTS = {
    "78": "settings or model were refused, or a package is missing: 'edge-app doctor' says which",
    "2": "the unit's command line is wrong",
}


def describe(found: Mapping[str, str]) -> str:
    """Say in words how the service is doing, and where it waits for a camera, to root, who has cameras open.

    Args:
        found: properties as `show` returns them.
    """
    if found.get("LoadState") != "loaded":
        return "not installed; run: sudo edge-app service install"
    # A reload changes the state for a moment, and does not count.
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
        lines.append("what it said last: journalctl -u edge-app -n 20")
    if found.get("NRestarts", "0") != "0":
        lines.append(f"restarted {found['NRestarts']} times since it was started")
    lines.append("starts at boot" if found.get("UnitFileState") == "enabled" else "does not start at boot")
    return "\n".join(lines)


def _switch(link: Path, folder: Path) -> None:
    """Make a link point to a folder at once: there is no moment without it."""
    if link.exists() and not link.is_symlink():
        raise RunError(f"{link} is in the way: a folder that edge-app did not make", "move it elsewhere")
    new = link.with_name(f".{link.name}-new")
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name)
    new.replace(link)


def _unspoilt(source: Path, scratch: Path) -> Path:
    """Return a wheel as it is, a checkout as a copy: building would leave root's files in it."""
    if source.is_file():
        return source
    copy = scratch / "edge-app"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*KEPT_OUT))
    return copy


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.replace(path)


def _remove(path: Path) -> bool:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        return False
    return True


def _has(python: str, module: str) -> bool:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return _succeeds([python, "-c", code])


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _step(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except OSError as error:
        raise RunError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise RunError("\n".join([f"{' '.join(command)} failed with {done.returncode}:", *said[-8:]]))
    return done.stdout


def _say(text: str) -> None:
    log.warning("%s", text)
