"""What root's pip is told: hashes, and where to download from, read as data."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from edge_app.errors import RunError
from edge_app.service import packages
from edge_app.system import trust
from tests.service.test_building import write_wheel

HASH = f"--hash=sha256:{'a' * 64}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this user another home, and the system no settings of pip's."""
    entry = list(pwd.getpwuid(os.geteuid()))
    entry[5] = str(tmp_path)
    monkeypatch.setattr("pwd.getpwnam", lambda name: pwd.struct_passwd(entry))
    monkeypatch.setattr(packages, "_SYSTEMS_FILES", ())
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    return tmp_path


def test_of_pips_settings_only_those_of_the_origin_count(home: Path) -> None:
    """`python` would run any program as root; `target` and the like would spoil the installation."""
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://user:secret@index/simple\npython = /tmp/evil\ntarget = /tmp\n"
        "extra_index_url =\n  https://a\n  https://b\nno-binary = :all:\n[install]\ntrusted-host = index\nuser = yes\n"
    )
    assert packages.from_where(["me"], {"PIP_PYTHON": "/tmp/evil", "PIP_RETRIES": "9", "PIP_ROOT": "/x"}) == {
        "PIP_INDEX_URL": "https://user:secret@index/simple",
        "PIP_EXTRA_INDEX_URL": "https://a https://b",
        "PIP_TRUSTED_HOST": "index",
        "PIP_RETRIES": "9",
    }


def test_variables_win_over_files_and_proxies_stay(home: Path) -> None:
    """The order is pip's."""
    (home / ".config" / "pip" / "pip.conf").write_text("[global]\nproxy = http://file\ntimeout = 5\n")
    given = {"PIP_PROXY": "http://variable", "https_proxy": "http://p", "NO_PROXY": "x", "SSL_CERT_FILE": "/c"}
    assert packages.from_where(["me"], given) == given | {"PIP_TIMEOUT": "5"}


@pytest.mark.parametrize("kind", ["binary", "not ini", "pipe", "folder", "link to nowhere", "link to itself"])
def test_a_settings_file_that_is_none_is_passed_over(kind: str, home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing waits and nothing breaks; a message that quotes none of it names the file."""
    path = home / ".config" / "pip" / "pip.conf"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind.startswith("link"):
        path.symlink_to("nowhere" if "nowhere" in kind else path)
    else:
        path.write_bytes(b"\xff\xfe\x00" if kind == "binary" else b"s3cret no section\n")
    assert packages.from_where(["me"], {}) == {}
    assert (str(path) in caplog.text) == (kind != "link to nowhere") and "s3cret" not in caplog.text


@pytest.mark.skipif(not trust.can_change_user(), reason="only root can become another user")
def test_a_users_settings_are_read_with_that_users_rights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in a user's home does not let root read, and pass on, what the user may not read."""
    (home / "secret").write_text("[global]\nindex-url = https://root:secret@index\n")
    (home / "secret").chmod(0o600)
    (home / ".config" / "pip" / "pip.conf").symlink_to(home / "secret")
    nobody = list(pwd.getpwuid(65534))
    nobody[5] = str(home)
    monkeypatch.setattr("pwd.getpwnam", lambda name: pwd.struct_passwd(nobody))
    assert packages.from_where(["nobody"], {}) == {}


def test_paths_become_absolute_and_may_contain_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip runs in another folder, and splits values at spaces."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my wheels").mkdir()
    (tmp_path / "more").mkdir()
    monkeypatch.setattr(packages, "_SYSTEMS_FILES", ())
    assert packages.from_where([], {"PIP_FIND_LINKS": "more https://x/y"}) == {
        "PIP_FIND_LINKS": f"{tmp_path}/more https://x/y"
    }
    assert packages.from_where([], {"PIP_FIND_LINKS": "my wheels"}) == {
        "PIP_FIND_LINKS": f"file://{tmp_path}/my%20wheels"
    }


def test_pins_are_read() -> None:
    """Comments, continued lines and markers are understood; names are compared in one spelling."""
    text = (
        f"# made by make\n\nDep_A==1.0+local.1 \\\n    {HASH} \\\n    {HASH}\n"
        f"b==2 ; python_full_version < '3.14' \\\n  {HASH}"
    )
    first, second = packages.pins(text, "file")
    assert (first.name, first.line) == ("dep-a", f"Dep_A==1.0+local.1 {HASH} {HASH}")
    assert second.line == f"b==2 ; python_full_version < '3.14' {HASH}"


@pytest.mark.parametrize(
    "line",
    [
        "dep==1.0",
        f"dep>=1.0 {HASH}",
        "--index-url https://evil",
        f"--no-binary :all: {HASH}",
        f"-e git+https://evil#egg=dep {HASH}",
        f"dep @ https://evil/dep.tar.gz {HASH}",
        f"dep==1.0 --config-settings=x=y {HASH}",
        f"dep==1.0 ; python_version > '3' --global-option=x {HASH}",
        "dep==1.0 --hash=md5:00",
        "-r other.txt",
    ],
)
def test_what_is_no_pin_is_refused(line: str) -> None:
    """A list in a wheel may not choose another index, options, or a source whose code would run."""
    with pytest.raises(RunError, match="is not a pinned package with its hashes"):
        packages.pins(line, "file")


def test_the_pins_of_a_wheel_are_its_own(tmp_path: Path) -> None:
    """With the system's packages another list counts; a wheel without a list pins nothing."""
    more = {"edge_app/constraints.txt": f"a==1 {HASH}\n", "edge_app/constraints-apt.txt": f"b==1 {HASH}\n"}
    wheel = write_wheel(tmp_path / "with", "pass", more)
    assert [pin.name for pin in packages.pins_of(wheel, sees_system=False)] == ["a"]
    assert [pin.name for pin in packages.pins_of(wheel, sees_system=True)] == ["b"]
    assert packages.pins_of(write_wheel(tmp_path / "without", "pass"), sees_system=False) == ()
