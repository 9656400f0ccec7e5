"""From a checkout to a wheel, with the rights of the checkout's owner: building runs the checkout's setup.py."""

from __future__ import annotations

import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import RunError
from edge_app.service import packages, steps
from edge_app.service.steps import Step
from edge_app.system import files, process, trust

# What a build reads; beside it a checkout may hold environments, data sets and anything else.
TAKEN = (
    *("edge_app", "models", "systemd", "requirements", packages.CONSTRAINTS, packages.CONSTRAINTS_APT),
    *("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"),
)
_LEFT_OUT = ("__pycache__",)
_BUILD_PINS = Path("requirements", "build.txt")
_WHEEL = re.compile(r"edge_app-[A-Za-z0-9_.!+]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+\.whl")
_LARGEST_WHEEL = 1 << 30


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where and with what a wheel is built.

    Attributes:
        folder: new, for this build alone; root's.
        python: interpreter of an environment that has pip and is root's.
        wheels: where packages come from instead of an index; None for an index.
    """

    folder: Path
    python: Path
    wheels: Path | None


def build(source: Path, shop: Workshop, stop: threading.Event) -> Path:
    """Build a wheel as the owner of the checkout, as nobody if that is root, and return root's copy of it.

    Raises:
        RunError: the checkout cannot be copied, or its build failed.
        Interrupted: `stop` was set.
    """
    room, owner = shop.folder / "room", trust.owner(source)
    room.mkdir(mode=0o700)
    copy, builder = room / "edge-app", owner or trust.nobody()
    if owner:
        _give(room, owner)
    with trust.acting_as(owner):
        take(source, copy, stop)
    if not owner:
        # The room comes last: before that nobody can enter it and put a link in root's way.
        for path in sorted((room, *room.rglob("*")), reverse=True):
            _give(path, builder)
    for step in _steps(copy, shop, builder):
        steps.run(step, stop)
    return _fetched(room / "wheels", shop.folder, builder)


def _give(path: Path, user: trust.User) -> None:
    if trust.can_change_user():
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _steps(copy: Path, shop: Workshop, builder: trust.User) -> Iterator[Step]:
    """Yield what makes a wheel: with the tools that the checkout pins, else, as in a folder of wheels, any."""
    room = copy.parent
    variables = {} if shop.wheels else packages.from_where([trust.name(builder)])
    variables |= {**packages.ALONE, "HOME": str(room), "TMPDIR": str(room)}
    pip = process.isolated(str(shop.python), "-m", "pip")
    words = ["--no-index", "--find-links", shop.wheels.as_uri()] if shop.wheels else []
    if not shop.wheels and (copy / _BUILD_PINS).is_file():
        tools = str(room / "tools")
        pinned = ["--require-hashes", "--only-binary", ":all:", "-r", str(copy / _BUILD_PINS)]
        yield Step("fetching setuptools", [*pip, "install", "--target", tools, *pinned], variables, builder)
        variables["PYTHONPATH"] = tools
        words = ["--no-build-isolation"]
    words += ["--no-deps", "--wheel-dir", str(room / "wheels"), str(copy)]
    yield Step("building edge-app's wheel", [*pip, "wheel", *words], variables, builder)


def _fetched(made: Path, folder: Path, builder: trust.User) -> Path:
    """Copy the wheel out of the builder's reach, with the builder's rights: it may be a link by now."""
    with trust.acting_as(builder):
        names = [path.name for path in made.iterdir() if _WHEEL.fullmatch(path.name)]
        if len(names) != 1:
            raise RunError(f"the build made {len(names)} wheels of edge-app, not one", "check the checkout's setup.py")
        descriptor = os.open(made / names[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_WHEEL:
            raise RunError("the build made something other than a wheel", "check the checkout's setup.py")
        with files.replacing(folder / names[0]) as (own,):
            shutil.copyfileobj(file, own)
    return folder / names[0]


def take(source: Path, copy: Path, stop: threading.Event) -> None:
    """Copy what a build needs of a checkout.

    Links, pipes, sockets and devices below its first level are left out: the build has no use for them, and they may
    lead anywhere.

    Raises:
        RunError: a file cannot be read or copied.
        Interrupted: `stop` was set.
    """
    try:
        copy.mkdir()
        for name in TAKEN:
            for path in _files(source / name):
                steps.check(stop)
                _copy(path, copy / path.relative_to(source))
    except OSError as error:
        raise RunError(f"cannot copy {error.filename}: {error.strerror}", _READABLE) from error


_READABLE = "check that the checkout is complete and that the disk has room for a copy"


def _files(top: Path) -> Iterator[Path]:
    """Yield a file, or the files in a folder."""
    if not top.is_dir():
        yield from [top] if top.is_file() else []
        return
    for place, folders, names in os.walk(top, onerror=_raise):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        yield from (path for name in names if stat.S_ISREG((path := Path(place, name)).lstat().st_mode))


def _raise(error: OSError) -> None:
    raise error


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
