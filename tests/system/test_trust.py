"""Who can change a file, and whose rights a program or a file is opened with."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from edge_app.errors import DependencyMissing
from edge_app.system import trust

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(not trust.can_change_user(), reason="only root can become another user")


@as_root
def test_only_root_can_change_what_root_owns_all_the_way(tmp_path: Path) -> None:
    """The file, each folder on the way and each link's target count; a sticky folder such as /tmp does no harm."""
    file = tmp_path / "folder" / "program"
    file.parent.mkdir()
    file.touch(0o755)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert trust.only_root_can_change(file) and trust.only_root_can_change(link)
    file.parent.chmod(0o777)
    assert not trust.only_root_can_change(file) and not trust.only_root_can_change(link)
    file.parent.chmod(0o1777)
    assert trust.only_root_can_change(file)
    file.chmod(0o775)
    os.chown(file, 0, NOBODY.pw_gid)
    assert not trust.only_root_can_change(file)
    file.chmod(0o755)
    assert trust.only_root_can_change(file)
    os.chown(tmp_path / "folder", NOBODY.pw_uid, 0)
    assert not trust.only_root_can_change(file) and not trust.only_root_can_change(link)
    os.chown(tmp_path / "folder", 0, 0)
    os.chown(link, NOBODY.pw_uid, 0, follow_symlinks=False)
    assert not trust.only_root_can_change(link)


def test_what_is_absent_or_a_loop_is_not_trusted(tmp_path: Path) -> None:
    """Neither can be run."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    if trust.can_change_user():
        assert not trust.only_root_can_change(tmp_path / "a") and not trust.only_root_can_change(tmp_path / "absent")


@as_root
def test_a_program_comes_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the same name earlier in PATH is not taken; elsewhere, one counts if only root can change it."""
    for name in ("sh", "only-here"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f".::{tmp_path}")
    monkeypatch.chdir(tmp_path)
    assert trust.find_program("sh") in ("/usr/bin/sh", "/bin/sh")
    assert trust.find_program("only-here") == str(tmp_path / "only-here")
    os.chown(tmp_path / "only-here", NOBODY.pw_uid, 0)
    with pytest.raises(DependencyMissing, match="only-here is missing"):
        trust.find_program("only-here")


@as_root
def test_files_are_opened_with_anothers_rights(tmp_path: Path) -> None:
    """Inside the block root may read no more than the user; afterwards root is root again, groups included."""
    before = (os.geteuid(), os.getegid(), os.getgroups())
    secret = tmp_path / "secret"
    secret.touch(0o600)
    with pytest.raises(PermissionError), trust.acting_as(trust.nobody()):
        secret.read_text()
    assert secret.read_text() == "" and (os.geteuid(), os.getegid(), os.getgroups()) == before
    with trust.acting_as(None):
        assert secret.read_text() == ""


@as_root
def test_the_owner_of_a_file_is_found(tmp_path: Path) -> None:
    """Root is None; a number without a name is a user, too."""
    assert trust.owner(tmp_path) is None
    os.chown(tmp_path, NOBODY.pw_uid, NOBODY.pw_gid)
    found = trust.owner(tmp_path)
    assert found and found.uid == NOBODY.pw_uid
    os.chown(tmp_path, 54321, 54322)
    assert trust.owner(tmp_path) == trust.User(54321, 54322) and trust.name(trust.User(54321, 54322)) == ""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-r", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs user namespaces",
)
def test_alone_in_a_user_namespace_one_stays_oneself() -> None:
    """There is nobody to become there, and owners cannot be told apart."""
    code = (
        "from edge_app.system import trust; from pathlib import Path; "
        "print(trust.can_change_user(), trust.only_root_can_change(Path('/usr/bin/env'))); "
        "print(*trust.as_user(['id'], trust.nobody())[1:])"
    )
    words = ["unshare", "-r", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "False True\n--pdeathsig KILL -- id\n"
