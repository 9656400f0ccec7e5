"""Root runs only what nobody but root can change; the rest it runs, and reads, with another user's rights."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_app.errors import DependencyMissing

# Not /usr/local, which Debian let the group `staff` write, and not the caller's PATH, which may hold anything.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
_NOBODY = 65534  # the kernel's overflow user, and `nobody` on every distribution with systemd


@dataclass(frozen=True, slots=True)
class User:
    """Somebody other than root.

    Attributes:
        uid: number of the user.
        gid: number of the user's group.
        groups: numbers of further groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def nobody(*groups: str) -> User:
    """Return the user who owns nothing, as a member of those of the groups that exist."""
    found = []
    for name in groups:
        with contextlib.suppress(KeyError):
            found.append(grp.getgrnam(name).gr_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_NOBODY, _NOBODY, tuple(found))
    return User(entry.pw_uid, entry.pw_gid, tuple(found))


def owner(path: Path) -> User | None:
    """Return the owner of a file or folder, None if that is root."""
    found = path.stat()
    if found.st_uid == 0:
        return None
    try:
        entry = pwd.getpwuid(found.st_uid)
    except KeyError:  # a number without a name, as on a disk from another machine
        return User(found.st_uid, found.st_gid)
    return User(found.st_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def name(user: User) -> str:
    """Return a user's name, empty if there is none."""
    try:
        return pwd.getpwuid(user.uid).pw_name
    except KeyError:
        return ""


def can_change_user() -> bool:
    """Say whether this process may become another user: it is root, and not of a user namespace with one user."""
    return os.geteuid() == 0 and not _is_one_user_alone()


def _is_one_user_alone() -> bool:
    """Say whether this user namespace has one user (user_namespaces(7)): everybody else looks like `nobody`."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    return len(lines) == 1 and lines[0].split()[2] == "1"


def only_root_can_change(path: Path) -> bool:
    """Say whether nobody but root can change a file or put another in its place.

    That takes every folder on the way to it, and on the way to the target of each link. Where the owners cannot be
    told apart, in a user namespace with one user, the answer is yes.
    """
    if _is_one_user_alone():
        return True
    try:
        return _is_roots_way(Path(os.path.abspath(path)), 0)  # noqa: PTH100  # not `resolve`, which skips the links
    except OSError:
        return False


_MOST_LINKS = 40  # the kernel's limit, too


def _is_roots_way(path: Path, followed: int) -> bool:
    if followed > _MOST_LINKS:
        return False
    for step in (*reversed(path.parents), path):
        found = step.lstat()
        if stat.S_ISLNK(found.st_mode):
            target = Path(os.path.normpath(step.parent / step.readlink()), *path.parts[len(step.parts) :])
            return found.st_uid == 0 and _is_roots_way(target, followed + 1)
        if not _is_roots_alone(found):
            return False
    return True


def _is_roots_alone(found: os.stat_result) -> bool:
    # In a sticky folder such as /tmp others may add files, but not replace root's.
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    others = stat.S_IWOTH | (stat.S_IWGRP if found.st_gid else 0)
    return found.st_uid == 0 and bool(is_sticky or not found.st_mode & others)


def find_program(name: str) -> str:
    """Return the path of a program that root may run.

    The system's folders come first; then, for systems that have none, those folders of PATH that only root can change.

    Raises:
        DependencyMissing: there is none.
    """
    named = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder.startswith(os.sep)]
    for folder in (*SYSTEM_FOLDERS, *named):
        path = Path(folder, name)
        if os.access(path, os.X_OK) and path.is_file() and only_root_can_change(path):
            return str(path)
    raise DependencyMissing(f"{name} is missing", f"install the package of your system that contains {name}")


def as_user(command: Sequence[str], user: User | None) -> list[str]:
    """Return a command that runs another one as a user and ends it when this process ends, even by SIGKILL.

    The user gains no privileges again, whatever the command starts (setpriv(1), prctl(2)).

    Args:
        command: a program, as an absolute path, and its arguments.
        user: None for the present one, who is also taken where this process cannot become another.
    """
    words = [find_program("setpriv"), "--pdeathsig", "KILL"]
    if user and can_change_user():
        groups = ["--groups", ",".join(map(str, user.groups))] if user.groups else ["--clear-groups"]
        words += ["--reuid", str(user.uid), "--regid", str(user.gid), *groups, "--no-new-privs"]
        words += _capabilities()
    return [*words, "--", *command]


def _capabilities() -> list[str]:
    # A wheel may lead to the edge-app that runs now, as in development. If that lies where only root may look, such as
    # in /root, its trial may look too. It still cannot write anything.
    if not _all_may_reach(Path(sys.base_prefix)) and only_root_can_change(Path(sys.base_prefix)):
        kept = "-all,+dac_read_search"
        return ["--inh-caps", kept, "--ambient-caps", kept, "--bounding-set", kept]
    return ["--inh-caps=-all", "--bounding-set=-all"]


def _all_may_reach(path: Path) -> bool:
    real = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (real, *real.parents))


@contextlib.contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Open files with a user's rights inside the block; do nothing for None, or where that is impossible."""
    if user is None or not can_change_user():
        yield
        return
    groups, gid = os.getgroups(), os.getegid()
    try:
        os.setgroups(user.groups)
        os.setegid(user.gid)
        os.seteuid(user.uid)  # last: without root's rights the others fail
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)
