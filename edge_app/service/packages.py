"""What pip is told when root runs it: which wheels, by their hashes, and where to download them from."""

from __future__ import annotations

import configparser
import hashlib
import os
import pwd
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import RunError, StartError
from edge_app.secret import know
from edge_app.service import environments
from edge_app.service.steps import Step
from edge_app.system import files, process, trust

CONSTRAINTS = "constraints.txt"
CONSTRAINTS_APT = "constraints-apt.txt"  # without numpy and OpenCV, which picamera2 needs from apt

# What only says where packages come from. Everything else is dropped: `python` would make root run any program,
# `target` or `dry-run` would spoil the installation.
_FROM_WHERE = (
    *("index-url", "extra-index-url", "no-index", "find-links", "trusted-host"),
    *("proxy", "cert", "client-cert", "timeout", "default-timeout", "retries"),
)
_PATHS = ("find-links", "cert", "client-cert")
_OF_PROGRAMS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OF_TLS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SYSTEMS_FILES = (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
_USERS_FILES = (".pip/pip.conf", ".config/pip/pip.conf")
_LARGEST_FILE = 1 << 16
_LARGEST_PINS = 1 << 20
# No settings file of pip's: `from_where` has read them as data.
ALONE = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def from_where(users: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return where pip downloads from, as environment variables: what the system, users and PIP_* variables say.

    Their settings files are read as data, with the users' own rights, and never by pip itself.

    Args:
        users: names of users whose pip settings apply; a later one's win.
        environment: of this process.
    """
    found: dict[str, str] = {}
    for path, rights in _settings_files(users):
        found |= _of_file(path, rights)
    found |= {key: environment[name] for key in _FROM_WHERE if (name := _variable(key)) in environment}
    told = {_variable(key): _absolute(value) if key in _PATHS else value for key, value in found.items()}
    know(*told.values())  # an index's address may hold a password
    others = {name for name in environment if name.lower() in _OF_PROGRAMS or name in _OF_TLS}
    return told | {name: environment[name] for name in others}


def _settings_files(users: Iterable[str]) -> Iterator[tuple[Path, trust.User | None]]:
    """Yield the files in pip's order, each with the rights to read it with."""
    yield from ((path, None) for path in _SYSTEMS_FILES)
    for user in users:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            continue
        rights = trust.User(entry.pw_uid, entry.pw_gid) if entry.pw_uid else None
        yield from ((Path(entry.pw_dir, name), rights) for name in _USERS_FILES)


def _variable(key: str) -> str:
    return f"PIP_{key.upper().replace('-', '_')}"


def _of_file(path: Path, rights: trust.User | None) -> dict[str, str]:
    """Return what a settings file says of where packages come from."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        with trust.acting_as(rights):
            parser.read_string(files.read_small(path, _LARGEST_FILE).decode())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, configparser.Error):  # the error may quote the file, which may hold a password
        environments.say(f"{path} is not read: it is not a settings file of pip's")
        return {}
    told = {
        key.replace("_", "-"): " ".join(value.split())
        for section in ("global", "install")
        if parser.has_section(section)
        for key, value in parser.items(section)
    }
    return {key: value for key, value in told.items() if key in _FROM_WHERE and value}


def _absolute(value: str) -> str:
    # pip runs in another folder. It splits values at spaces, but one path may contain a space itself.
    words = [value] if Path(value).exists() else value.split()
    return " ".join(_without_spaces(Path(word).absolute()) if Path(word).exists() else word for word in words)


def _without_spaces(path: Path) -> str:
    return path.as_uri() if " " in str(path) else str(path)


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned package.

    Attributes:
        name: of the package, in lower case, with hyphens.
        line: the requirement with its hashes, as pip takes it.
    """

    name: str
    line: str


_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ?== ?[A-Za-z0-9.!+_]+"
    r"( *;[A-Za-z0-9_.'\"<>=!() ]+?)?(?P<hashes>( +--hash=sha256:[0-9a-f]{64})+)"
)


def pins(text: str, path: str) -> tuple[Pin, ...]:
    """Parse a file of pinned packages.

    Nothing but pins is accepted: a requirements file may also name another index, or a source whose code pip runs.

    Args:
        text: the file's text.
        path: where it is, for messages.

    Raises:
        RunError: a line is no pin.
    """
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = " ".join(line.split())
        if not words or words.startswith("#"):
            continue
        match = _PIN.fullmatch(words)
        if not match:
            raise RunError(f"{path}: {words[:60]!r} is not a pinned package with its hashes", "run: make constraints")
        found.append(Pin(re.sub(r"[-_.]+", "-", match["name"]).lower(), words))
    return tuple(found)


def pins_of(wheel: Path, sees_system: bool) -> tuple[Pin, ...]:
    """Return the pins that come with a wheel of edge-app; none if it has no file of them.

    Args:
        wheel: the wheel.
        sees_system: the pins are for an environment with the system's packages.

    Raises:
        StartError: it is not a wheel.
        RunError: a line is no pin.
    """
    name = f"edge_app/{CONSTRAINTS_APT if sees_system else CONSTRAINTS}"
    try:
        with zipfile.ZipFile(wheel) as archive:
            if name not in archive.namelist():
                return ()
            with archive.open(name) as file:
                return pins(file.read(_LARGEST_PINS).decode(), f"{wheel.name}: {name}")
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError, RuntimeError) as error:
        raise StartError(f"{wheel} is not a wheel", "copy it again, or name a checkout with --from") from error


# pip runs in the new environment, so that it installs for that one, but sees neither its packages nor the system's:
# what it has just unpacked must not be imported by root.
_PIP = """
import runpy, sys
pip = sys.argv.pop(1)
sys.path[:] = [pip, *(entry for entry in sys.path if not entry.startswith(sys.prefix + "/"))]
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Pip:
    """A pip that root runs for an environment without one.

    Attributes:
        environment: the folder of the environment to install into.
        tools: the folder of an environment that has pip in it.
        wheels: folder that all packages come from; None for an index.
    """

    environment: Path
    tools: Path
    wheels: Path | None

    def step(self, *words: str) -> Step:
        """Return the step that installs something, given as words for pip, without running any of it."""
        packages = next(self.tools.glob("lib/python3*/site-packages"))
        python = str(self.environment / "bin" / "python")
        command = process.isolated(python, "-c", _PIP, str(packages), "install", "--only-binary", ":all:")
        command += ["--no-index", "--find-links", self.wheels.as_uri()] if self.wheels else []
        users = ("root", os.environ.get("SUDO_USER", ""))
        variables = {} if self.wheels else from_where(users)
        return Step("installing edge-app", [*command, *words], {**ALONE, **variables, "TMPDIR": str(self.tools)})


def requirements(wanted: Iterable[Pin], wheel: Path) -> str:
    """Return a requirements file, with hashes: the pins, and a wheel of edge-app."""
    own = f"edge-app @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
    return "".join(f"{line}\n" for line in (*(pin.line for pin in wanted), own))
