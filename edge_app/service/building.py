"""A new Python environment for the service: built and tried, or removed without a trace.

Root unpacks wheels and runs none of what is in them: a checkout's wheel is built by its owner (`checkout`), pip is not
part of the environment (`packages`), and the trial runs as nobody.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import urllib.parse
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edge_app.errors import DependencyMissing, Interrupted, RunError, StartError
from edge_app.service import checkout, environments, packages, settings_file, steps
from edge_app.service.steps import Step
from edge_app.settings.flags.service import ServiceInstall
from edge_app.system import files, process, shipped, trust

# What the service does not see: ProtectHome= and PrivateTmp= hide these.
PRIVATE_FOLDERS = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
_TRIAL_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is built.

    Attributes:
        source: a wheel or a checkout.
        python: the interpreter.
        sees_system: whether the environment sees the system's packages, among them picamera2.
        wheels: folder that all packages come from; None for an index.
    """

    source: Path
    python: str
    sees_system: bool
    wheels: Path | None


def build(settings: ServiceInstall, link: Path, own_settings: Path, stop: threading.Event) -> Path:
    """Make a new environment next to the one in use, install edge-app in it, and try it.

    Args:
        settings: of the command; without --from, it installs from where this edge-app was installed from.
        link: points to the environment in use.
        own_settings: the service's settings file; tried if it exists.
        stop: set to give up.

    Returns:
        The folder of the new environment.

    Raises:
        StartError: there is nothing to install from.
        DependencyMissing: the system lacks a package.
        RunError: a step failed; the new environment is removed.
        Interrupted: `stop` was set; the new environment is removed.
    """
    plan = _plan(settings, stop)
    folder = environments.create(link)
    try:
        environments.say(
            f"making {folder} with {plan.python}{' and the packages from apt' if plan.sees_system else ''}"
        )
        scratch = folder / environments.SCRATCH
        scratch.mkdir()
        _fill(folder, plan, scratch, stop)
        environments.say("trying it: models, self-test, a few frames")
        try_out(folder, own_settings, stop)
        shutil.rmtree(scratch)
        environments.finish(folder)
    except OSError as error:
        environments.discard(folder)
        raise RunError(f"cannot write in {folder}: {error.strerror}", environments.ROOM) from error
    except BaseException:
        environments.discard(folder)
        raise
    return folder


def _plan(settings: ServiceInstall, stop: threading.Event) -> Plan:
    source = (settings.from_ or origin()).absolute()
    if not source.is_file() and not (source / "setup.py").is_file():
        raise StartError(f"{source} is neither a wheel nor a checkout of edge-app", "name one with --from")
    if source.is_file():
        packages.pins_of(source, sees_system=False)  # refused before anything is made if it is damaged
    python = choose_python(stop)
    sees_system = _has(python, "picamera2", stop)
    if sees_system and not _has(python, "cv2", stop):
        raise DependencyMissing("OpenCV is missing", "run: sudo apt install python3-opencv")
    return Plan(source, python, sees_system, settings.wheels.resolve() if settings.wheels else None)


def _fill(folder: Path, plan: Plan, scratch: Path, stop: threading.Event) -> None:
    """Make the environment and install edge-app in it, with pip from a second environment that does not stay."""
    tools = scratch / "tools"
    sees = ["--system-site-packages"] if plan.sees_system else []
    venv = process.isolated(plan.python, "-m", "venv")
    steps.run(Step("making the environment", [*venv, "--without-pip", *sees, str(folder)]), stop)
    steps.run(Step("making an environment with pip", [*venv, str(tools)], {"TMPDIR": str(scratch)}), stop)
    environments.say("installing (some minutes on a Raspberry Pi)")
    wheel = _own_wheel(plan, scratch, tools / "bin" / "python", stop)
    _install(packages.Pip(folder, tools, plan.wheels), wheel, plan.sees_system, stop)


def _own_wheel(plan: Plan, scratch: Path, python: Path, stop: threading.Event) -> Path:
    """Return a copy of edge-app's wheel that only root can change."""
    if plan.source.is_file():
        return Path(shutil.copyfile(plan.source, scratch / plan.source.name))
    return checkout.build(plan.source, checkout.Workshop(scratch, python, plan.wheels), stop)


def _install(pip: packages.Pip, wheel: Path, sees_system: bool, stop: threading.Event) -> None:
    """Unpack edge-app's wheel and those that it pins.

    Raises:
        StartError: it pins nothing, and packages would come from an index.
    """
    pins = packages.pins_of(wheel, sees_system)
    if not pins and not pip.wheels:
        raise StartError(
            f"{wheel.name} does not list the hashes of what it needs", "name a folder of wheels with --wheels"
        )
    listed = wheel.with_name("requirements.txt")
    files.write(listed, packages.requirements(pins, wheel))
    wanted = ["--require-hashes", "--no-deps", "-r", str(listed)]
    if pip.wheels and not (pins and _succeeds(pip.step("--dry-run", *wanted), stop)):
        environments.say(f"taking what {pip.wheels} holds: not the packages, by hash, that edge-app was tested with")
        wanted = [f"edge-app{'' if sees_system else '[headless]'} @ {wheel.as_uri()}"]
    steps.run(pip.step(*wanted), stop)


def try_out(folder: Path, own_settings: Path, stop: threading.Event) -> None:
    """Run the self-test, then the service's own settings and model on a few drawn frames; nothing is written.

    Nobody runs it, as the code in the wheels is not root's, and as the service's user owns nothing either.

    Raises:
        RunError: the new version refuses settings or model, or fails.
        Interrupted: `stop` was set.
    """
    user = trust.nobody(settings_file.GROUP)
    program = str(folder / "bin" / "edge-app")
    verify = [program, "models", "verify", "cifar10-base"]
    steps.run(Step("the self-test", verify, user=user, limit_s=_TRIAL_LIMIT_S), stop)
    if not os.path.lexists(own_settings):
        own_settings = folder / environments.SCRATCH / "config.toml"
        files.write(own_settings, shipped.folder("systemd").joinpath("config.toml").read_bytes())
    # A camera's size and crop need not fit the drawn pictures.
    camera = ("--source", "synthetic", "--size", "640x480", "--crop", "center", "--fps", "30", "--rate", "30")
    words = [program, "run", "--service", "--config", str(own_settings), *camera, "--frames", "3"]
    words += ["--preview", "none", "--log", os.devnull]
    without_sinks = {"EDGE_APP_SINK": ""}
    steps.run(Step("trying the service's settings", words, without_sinks, user, _TRIAL_LIMIT_S), stop)


def origin() -> Path:
    """Return the checkout or wheel that this edge-app was installed from.

    Raises:
        StartError: it no longer exists, or came from a package index.
    """
    checked_out = Path(__file__).parents[2]
    if (checked_out / "setup.py").exists():
        return checked_out
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
    """Return an interpreter that the service can reach and only root can change: the running one, or the system's.

    Raises:
        DependencyMissing: neither can be used.
    """
    # Not `sys.executable`: that may be in a virtual environment which the user deletes some day.
    own = Path(sys.base_prefix, "bin", "python3").resolve()
    for path in (own, Path("/usr/bin/python3")):
        if _is_roots(path) and not _is_hidden(path) and _succeeds(_python("looking", str(path), _IS_FIT), stop):
            return str(path)
    raise DependencyMissing(
        f"a service cannot use {own}, and /usr/bin/python3 is older than 3.11 or cannot make environments",
        "run: sudo apt install python3 python3-venv",
    )


# ensurepip too: Debian moves it to python3-venv, and without it `import venv` works but making one fails.
_IS_FIT = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"


def _is_roots(python: Path) -> bool:
    libraries = sorted(python.parents[1].glob("lib/python3*"))
    return all(trust.only_root_can_change(path) for path in (python, *libraries))


def _is_hidden(path: Path) -> bool:
    # Both with links followed: /home may be one.
    return any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in PRIVATE_FOLDERS)


def _has(python: str, module: str, stop: threading.Event) -> bool:
    # Looked up, not imported: the command runs as root, and an import would run all of the package's code.
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return _succeeds(_python("looking", python, code), stop)


def _python(name: str, python: str, code: str) -> Step:
    return Step(name, process.isolated(python, "-c", code))


def _succeeds(step: Step, stop: threading.Event) -> bool:
    try:
        steps.run(step, stop)
    except Interrupted:
        raise
    except RunError:
        return False
    return True
