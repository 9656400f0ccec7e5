"""The environments in /opt: only what install certainly made is recognised and removed."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from edge_app.errors import Interrupted, RunError
from edge_app.service import environments
from edge_app.service.environments import MARKER


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Return where the link to the environment in use would be."""
    return tmp_path / "edge-app"


def test_names_need_no_clock_and_meet_nobody(link: Path) -> None:
    """Names made in the same second differ; a user's file or dangling link of a similar name is left alone."""
    first, second = environments.create(link), environments.create(link)
    assert [first.name, second.name] == ["edge-app-env-1", "edge-app-env-2"]
    link.with_name("edge-app-env-7").write_text("a file")
    link.with_name("edge-app-env-8").symlink_to("nowhere")
    assert environments.create(link).name == "edge-app-env-3"
    link.with_name("edge-app-env-4").mkdir()
    assert environments.create(link).name == "edge-app-env-5"


def test_only_what_is_certain_is_ours(link: Path) -> None:
    """A name, marker or link alone proves nothing; neither does a copy of an environment under another name."""
    ours = environments.create(link)
    for name in (
        "edge-app-models",
        "edge-app-env-5",
        "edge-app-env-x",
        "edge-app-20250101T000000",
        "edge-app-env-66.old",
    ):
        link.with_name(name).mkdir()
    shutil.copy(ours / MARKER, link.with_name("edge-app-models"))
    shutil.copytree(ours, link.with_name("edge-app-env-10"))
    link.with_name("edge-app-env-6").symlink_to(ours.name)
    link.with_name("edge-app-env-3").write_text("a file")
    link.with_name("edge-app-env-4").mkdir()
    link.with_name("edge-app-env-4").joinpath(MARKER).symlink_to(ours / MARKER)
    link.symlink_to("edge-app-20250101T000000")  # neither venv nor pip has been there
    assert environments.own(link) == [ours]


@pytest.mark.parametrize("target", ["/srv/edge-app", "../edge-app-env-1", "edge-app-models", "edge-app-env-1/lib", "."])
def test_a_link_of_somebody_elses_is_none_of_ours(target: str, link: Path) -> None:
    """A link made by someone else is neither followed nor replaced."""
    link.symlink_to(target)
    assert environments.linked(link) is None
    with pytest.raises(RunError, match="is in the way"):
        environments.switch(link, environments.create(link))
    assert link.is_symlink()


def test_the_link_is_switched(link: Path) -> None:
    """It points to the new environment at once."""
    link.with_name(".edge-app-new").write_text("the user's")
    for _ in range(2):
        folder = environments.create(link)
        environments.switch(link, folder)
        assert link.resolve() == folder == environments.linked(link)
    assert link.with_name(".edge-app-new").read_text() == "the user's"


def test_files_of_the_user_in_an_environment_stay(link: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A user's model in /opt/edge-app is kept and its path reported; without it the rest is removed too."""
    folder = environments.create(link)
    for file in ("bin/edge-app", "lib/x.py", "models/my.tflite"):
        (folder / file).parent.mkdir()
        (folder / file).touch()
    (folder / "lib64").symlink_to("lib")
    assert not environments.remove(folder)
    assert f"left {folder}: it holds models/my.tflite, which edge-app did not make" in caplog.text
    assert sorted(path.name for path in folder.iterdir()) == [MARKER, "models"]
    shutil.rmtree(folder / "models")
    assert environments.own(link) == [folder] and environments.remove(folder) and not folder.exists()


def made(link: Path) -> Path:
    """Make a finished environment, with a file, a link and a folder."""
    folder = environments.create(link)
    (folder / "lib" / "x").mkdir(parents=True)
    (folder / "lib" / "x" / "numpy.py").write_text("code")
    (folder / "lib64").symlink_to("lib")
    environments.finish(folder)
    return folder


@pytest.mark.parametrize(
    "name", ["mine", "lib/mine", "lib/x/mine.py", "share/a/b", "etc/x.toml", "bin/tool", ".hidden"]
)
def test_a_file_of_the_users_stays_wherever_it_is(name: str, link: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Only what the installation itself put there goes; the message names what is left."""
    folder = made(link)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("precious")
    assert not environments.remove(folder)
    assert (folder / name).read_text() == "precious" and not (folder / "lib" / "x" / "numpy.py").exists()
    assert f"left {folder}: it holds {name}, which edge-app did not make" in caplog.text
    (folder / name).unlink()
    while (folder / name).parent != folder:
        name = str(Path(name).parent)
        (folder / name).rmdir() if (folder / name).exists() else None
    assert environments.own(link) == [folder] and environments.remove(folder) and not folder.exists()


def test_a_file_that_the_user_has_changed_or_replaced_stays(link: Path, tmp_path: Path) -> None:
    """A file of ours with other content, and a folder made a link, are the user's now."""
    folder = made(link)
    (folder / "lib" / "x" / "numpy.py").write_text("my code")
    assert not environments.remove(folder)
    assert (folder / "lib" / "x" / "numpy.py").read_text() == "my code"
    other = made(link)
    (other / "lib").rename(tmp_path / "elsewhere")
    (other / "lib").symlink_to(tmp_path / "elsewhere")
    assert not environments.remove(other)
    assert (tmp_path / "elsewhere" / "x" / "numpy.py").exists() and (other / "lib").is_symlink()


def test_a_damaged_list_makes_everything_stay(link: Path) -> None:
    """Without a readable list nothing is known to be ours."""
    folder = made(link)
    (folder / environments.LIST).write_bytes(b"{")
    assert not environments.remove(folder)
    assert (folder / "lib" / "x" / "numpy.py").exists()


def test_bytecode_written_later_goes_too(link: Path) -> None:
    """Python writes it when root runs the program."""
    folder = made(link)
    (folder / "lib" / "x" / "__pycache__").mkdir()
    (folder / "lib" / "x" / "__pycache__" / "numpy.cpython-311.pyc").touch()
    (folder / "lib" / "x" / "__pycache__" / "mine").touch()
    assert not environments.remove(folder)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [MARKER, environments.LIST, "mine"]


def test_a_kill_before_the_marker_leaves_nothing_for_ever(link: Path) -> None:
    """A folder has its name only with its marker in it; what a kill leaves before that goes with the next one."""
    draft = link.with_name(".edge-app-env-draft")
    draft.mkdir()
    (draft / ".edge-app-0123456789abcdef").touch()
    folder = environments.create(link)
    assert list(link.parent.iterdir()) == [folder]
    draft.mkdir()
    (draft / "mine").touch()
    with pytest.raises(RunError, match="is in the way: edge-app did not make it"):
        environments.create(link)
    assert (draft / "mine").exists()


def test_a_link_in_an_environment_is_not_followed(link: Path, tmp_path: Path) -> None:
    """The target of a link is never removed."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "my.tflite").touch()
    folder = environments.create(link)
    (folder / "share").symlink_to(tmp_path / "models")
    assert environments.remove(folder)
    assert (tmp_path / "models" / "my.tflite").exists()


def test_one_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second install waits for the first, says so, and gives up when asked to."""
    stop, entered, let_go = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with environments.locked(tmp_path, threading.Event()):
            entered.set()
            let_go.wait(20)

    holder = threading.Thread(target=first)
    holder.start()
    assert entered.wait(20)
    stop.set()
    with pytest.raises(Interrupted), environments.locked(tmp_path, stop):
        pass
    assert "waiting for another 'edge-app service' command" in caplog.text
    threading.Timer(0.1, let_go.set).start()
    with environments.locked(tmp_path, threading.Event()):
        assert let_go.is_set()
    holder.join()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_mounted_in_it_is_left(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing it would empty the mounted disk first."""
    folder = environments.create(link)
    (folder / "lib" / "disk").mkdir(parents=True)
    (folder / "lib" / "disk" / "precious").touch()
    monkeypatch.setattr(environments, "_mounts", lambda: [Path("/"), folder / "lib" / "disk"])
    assert not environments.remove(folder)
    assert (folder / "lib" / "disk" / "precious").exists()


def test_mount_points_are_read() -> None:
    """The root is one, and every one is an absolute path."""
    found = environments._mounts()
    assert Path("/") in found and all(path.is_absolute() for path in found)
