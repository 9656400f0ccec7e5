"""A new Python environment for the service: built and tried, or removed without a trace."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from edge_app.errors import DependencyMissing, Interrupted, RunError, StartError
from edge_app.service import environments
from edge_app.settings.flags.service import ServiceInstall
from edge_app.system import process

PRIVATE_HOMES = ("/home", "/root")  # ProtectHome= hides these from the service.
KEPT_OUT = (".git", ".venv*", "build", "*.egg-info", "__pycache__", ".*_cache")
_PIP_PATHS = ("PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_CERT")


def build(settings: ServiceInstall, link: Path, stop: threading.Event) -> Path:
    """Make a new environment next to the one in use, install edge-app in it, and try it.

    Args:
        settings: of the command; without --from, it installs from where this edge-app was installed from.
        link: points to the environment in use.
        stop: set to give up.

    Returns:
        The folder of the new environment.

    Raises:
        StartError: there is nothing to install from.
        DependencyMissing: the system lacks a package.
        RunError: a step failed; the new environment is removed.
        Interrupted: `stop` was set; the new environment is removed.
    """
    source = settings.from_ or origin()
    if not source.is_file() and not (source / "setup.py").is_file():
        raise StartError(f"{source} is neither a wheel nor a checkout of edge-app", "name one with --from")
    python = choose_python(stop)
    sees_system = _has(python, "picamera2", stop)
    if sees_system and not _has(python, "cv2", stop):
        raise DependencyMissing("OpenCV is missing", "run: sudo apt install python3-opencv")
    folder = environments.create(link)
    environments.say(f"making {folder} with {python}{' and the packages from apt' if sees_system else ''}")
    program = str(folder / "bin" / "edge-app")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            mine = {"TMPDIR": scratch}  # A killed pip leaves files behind; they go with the scratch folder.
            venv = process.isolated(python, "-m", "venv", *_sees(sees_system), str(folder))
            step("making the environment", venv, stop, mine)
            wanted = unspoilt(source, Path(scratch), stop)
            environments.say("installing (some minutes on a Raspberry Pi)")
            pip = pip_command(folder, wanted, settings.wheels, "" if sees_system else "[headless]")
            step("installing edge-app", pip, stop, pip_variables() | mine)
            environments.say("trying it: models, self-test, a few frames")
            step("the self-test", [program, "models", "verify", "cifar10-base"], stop, mine)
            frames = ("--source", "synthetic", "--frames", "5")
            words = ["run", *frames, "--preview", "none", "--log", os.devnull]
            step("classifying a few frames", [program, *words], stop, mine)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _sees(system: bool) -> list[str]:
    return ["--system-site-packages"] if system else []


def origin() -> Path:
    """Return the checkout or wheel that this edge-app was installed from.

    Raises:
        StartError: it no longer exists, or came from a package index.
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
        raise StartError("cannot find what this edge-app was installed from", "name a checkout or a wheel with --from")
    return path


def choose_python(stop: threading.Event) -> str:
    """Return an interpreter that the service can reach: the running one if possible, else the system's.

    Raises:
        DependencyMissing: neither can be used.
    """
    # Not `sys.executable`: that may be in a virtual environment which the user deletes some day.
    own = str(Path(sys.base_prefix, "bin", "python3").resolve())
    for path in (own, "/usr/bin/python3"):
        is_hidden = any(Path(path).is_relative_to(home) for home in PRIVATE_HOMES)
        if not is_hidden and _succeeds(process.isolated(path, "-c", _IS_FIT), stop):
            return path
    raise DependencyMissing(
        f"a service cannot use {own}, and /usr/bin/python3 is older than 3.11 or cannot make environments",
        "run: sudo apt install python3 python3-venv",
    )


# ensurepip too: Debian moves it to python3-venv, and without it `import venv` works but making one fails.
_IS_FIT = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"


def pip_command(folder: Path, wanted: Path, wheels: Path | None, extras: str) -> list[str]:
    """Return the command that installs edge-app into an environment."""
    offline = ["--no-index", "--find-links", str(wheels.resolve())] if wheels else []
    python = str(folder / "bin" / "python")
    pip = process.isolated(python, "-m", "pip", "install", "--disable-pip-version-check")
    return [*pip, *offline, f"edge-app{extras} @ {wanted.resolve().as_uri()}"]


def pip_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return pip's variables, and the pip.conf of the user who ran sudo: it may name an index or a wheel folder.

    Paths in PIP_* variables become absolute because pip runs in another folder.
    """
    found = {}
    for name in environment.keys() & set(_PIP_PATHS):
        value = environment[name]
        # pip splits these at spaces, but one path may contain a space itself: an existing one is kept whole.
        words = [value] if Path(value).exists() else value.split()
        found[name] = " ".join(str(Path(word).absolute()) if Path(word).exists() else word for word in words)
    user = environment.get("SUDO_USER")
    if user and "PIP_CONFIG_FILE" not in found:
        settings = Path(os.path.expanduser(f"~{user}"), ".config", "pip", "pip.conf")  # noqa: PTH111  # of another user
        if settings.is_file():
            found["PIP_CONFIG_FILE"] = str(settings)
    return found


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without PYTHON* variables, which could make root run modules from anywhere."""
    kept = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONNOUSERSITE": "1"}


_READABLE = "check that the checkout is complete and that the disk has room for a copy"


def unspoilt(source: Path, scratch: Path, stop: threading.Event) -> Path:
    """Return a wheel as it is, and a copy of a checkout: a build would leave root's files in the original.

    Raises:
        RunError: it cannot be copied.
        Interrupted: `stop` was set.
    """
    if source.is_file():
        return source
    copy = scratch / "edge-app"
    try:
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(*KEPT_OUT), copy_function=_copying(stop))
    except shutil.Error as errors:
        path, _, reason = errors.args[0][0]
        raise RunError(f"cannot copy {path}: {reason}", _READABLE) from errors
    except OSError as error:
        raise RunError(f"cannot copy {source}: {error.strerror}", _READABLE) from error
    return copy


def _copying(stop: threading.Event) -> Callable[[str, str], object]:
    def copy(source: str, target: str) -> None:
        _check(stop)
        shutil.copy2(source, target)

    return copy


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise Interrupted("interrupted: everything is as it was before", "run the same command again")


def _has(python: str, module: str, stop: threading.Event) -> bool:
    # Looked up, not imported: the command runs as root, and an import would run all of the package's code.
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return _succeeds(process.isolated(python, "-c", code), stop)


def _succeeds(command: Sequence[str], stop: threading.Event) -> bool:
    try:
        step("looking", command, stop)
    except Interrupted:
        raise
    except RunError:
        return False
    return True


def step(
    name: str, command: Sequence[str], stop: threading.Event, variables: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Run one program to its end and return its output.

    Args:
        name: what the step does; messages show it instead of the command line.
        command: the program, an absolute path or a name in PATH, and its arguments.
        stop: set to end it.
        variables: added to this process's environment, from which PYTHON* variables are removed.

    Raises:
        RunError: it cannot be run, or failed; the message ends with its last 8 lines.
        Interrupted: `stop` was set.
    """
    _check(stop)
    try:
        ended = process.run_child(command, stop, math.inf, environment=clean_environment() | dict(variables))
    except OSError as error:
        raise RunError(
            f"{command[0]} cannot be run: {error.strerror}", "install it, or let this user run it"
        ) from error
    if ended.code is None:
        # This always raises: with no time limit, only `stop` makes `run_child` give up.
        _check(stop)
    if ended.code:
        said = (ended.said.strip() or ended.printed.strip()).splitlines()
        first = f"{name} failed (exit code {ended.code}){':' if said else ''}"
        raise RunError("\n".join([first, *said[-8:]]), "fix that, then run the same command again")
    return ended.printed
