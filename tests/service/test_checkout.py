"""Building a wheel from a checkout: with whose rights, and from which of its files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.errors import Interrupted, RunError
from edge_app.service import checkout
from edge_app.service.checkout import Workshop
from edge_app.system import trust
from tests.conftest import ROOT

as_root = pytest.mark.skipif(not trust.can_change_user(), reason="only root can become another user")
SETUP = """
import os
from setuptools import setup
os.makedirs("edge_app", exist_ok=True)
with open("edge_app/who.py", "w") as file:
    file.write(str(os.geteuid()))
setup(name="edge-app", version="1", packages=["edge_app"])
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a small checkout whose build tells who ran it."""
    folder = tmp_path / "checkout"
    (folder / "edge_app").mkdir(parents=True)
    (folder / "edge_app" / "__init__.py").touch()
    (folder / "setup.py").write_text(SETUP)
    (folder / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools>=77"]\n')
    return folder


@pytest.fixture(scope="module")
def tools() -> Iterator[Path]:
    """Make a folder that everybody may enter, with an environment that has pip, and setuptools' wheel."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        subprocess.run(["/usr/bin/python3", "-I", "-m", "venv", folder / "venv"], check=True)
        pip = [sys.executable, "-I", "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        pinned = ["--require-hashes", "-r", ROOT / "requirements" / "build.txt"]
        subprocess.run([*pip, "-d", folder / "wheels", *pinned], check=True)
        yield folder


def build(source: Path, tools: Path) -> Path:
    """Build a checkout into a new folder of root's; return the wheel."""
    shop = source.with_name("shop")
    shop.mkdir()
    return checkout.build(source, Workshop(shop, tools / "venv/bin/python", tools / "wheels"), threading.Event())


@as_root
@pytest.mark.parametrize("owner", [0, 54321])
def test_a_checkout_is_built_by_its_owner_and_never_by_root(owner: int, source: Path, tools: Path) -> None:
    """setup.py of a user's checkout runs as that user, of root's as nobody; the wheel is a copy that is root's."""
    for path in (source, *source.rglob("*")):
        os.chown(path, owner, owner)
    source.chmod(0o700)
    wheel = build(source, tools)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("edge_app/who.py").decode() == str(owner or 65534)
    assert wheel.stat().st_uid == 0 and wheel.parent == source.with_name("shop")
    assert {path.name for path in source.rglob("*")} == {"edge_app", "__init__.py", "setup.py", "pyproject.toml"}


@as_root
def test_an_owner_gets_nothing_that_the_owner_may_not_read(source: Path, tools: Path) -> None:
    """Neither from a link in the checkout, nor from a link in the place of the wheel."""
    secret = source.with_name("secret")
    secret.write_text("s3cret")
    secret.chmod(0o600)
    (source / "README.md").symlink_to(secret)
    os.chown(source, 54321, 54321)
    with pytest.raises(RunError, match="cannot copy .*README.md: Permission denied"):
        build(source, tools)
    made = source.with_name("made")
    made.mkdir()
    (made / "edge_app-1-py3-none-any.whl").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic link"):
        checkout._fetched(made, source.with_name("shop"), trust.User(54321, 54321))


def test_what_a_build_does_not_need_does_not_matter(source: Path, tmp_path: Path) -> None:
    """Dangling links, loops, pipes, sockets, unreadable files and whole data sets in a checkout are left out."""
    for folder in (source, source / "edge_app"):
        (folder / "dangling").symlink_to("nowhere")
        (folder / "loop").symlink_to("loop")
        (folder / "round").symlink_to("..")
        os.mkfifo(folder / "pipe")
    for name in ("venv/lib/x.py", ".git/HEAD", "cifar10/data", "edge_app/__pycache__/x.pyc", "my model.tflite"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (source / "unreadable").touch(0)
    copy = tmp_path / "copy"
    checkout.take(source, copy, threading.Event())
    found = {str(path.relative_to(copy)) for path in copy.rglob("*")}
    assert found == {"edge_app", "edge_app/__init__.py", "setup.py", "pyproject.toml"}


def test_this_checkout_is_copied_with_all_that_its_build_reads(tmp_path: Path) -> None:
    """What setup.py names is in the copy, and the copy can be broken off."""
    copy = tmp_path / "copy"
    checkout.take(ROOT, copy, threading.Event())
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "systemd/edge-app.service", "edge_app/cli.py"):
        assert (copy / name).is_file()
    assert len(list((copy / "models").glob("*.tflite"))) == len(list((ROOT / "models").glob("*.tflite")))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        checkout.take(ROOT, tmp_path / "again", stop)


def test_a_build_without_a_wheel_says_so(source: Path, tools: Path) -> None:
    """A setup.py that fails, or makes something else, is told in a line."""
    (source / "setup.py").write_text("raise SystemExit('my own trouble')")
    with pytest.raises(RunError, match="building edge-app's wheel failed"):
        build(source, tools)
    shutil.rmtree(source.with_name("shop"))
    (source / "setup.py").write_text(SETUP.replace('name="edge-app"', 'name="other"'))
    with pytest.raises(RunError, match="the build made 0 wheels of edge-app"):
        build(source, tools)
