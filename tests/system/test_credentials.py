"""Secrets kept in files: placeholders in an address."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import ConfigError
from edge_app.secret import Secret, scrubbed
from edge_app.system.credentials import credential_names, filled
from tests.results import edge_app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make systemd's folder with one credential."""
    (tmp_path / "cam").write_text("p@ss/w:rd #1\n")
    return tmp_path


def fill(text: str, folder: Path) -> Secret:
    """Fill in the placeholders of a text."""
    return filled(Secret(text), {"CREDENTIALS_DIRECTORY": str(folder)})


def test_a_credential_stands_in_for_a_password(folder: Path) -> None:
    """Its content is percent-encoded, loses one line end, and the address is still shown with the placeholder."""
    found = fill("rtsp://eve:{credential:cam}@host:554/x", folder)
    assert found.reveal() == "rtsp://eve:p%40ss%2Fw%3Ard%20%231@host:554/x"
    assert str(found) == "rtsp://eve:{credential:cam}@host:554/x"
    assert fill(f"http://host/v?user=a&pwd={{file:{folder}/cam}}", folder).reveal().endswith("%20%231")
    assert scrubbed("no p@ss/w:rd #1 here, nor p%40ss%2Fw%3Ard%20%231") == "no *** here, nor ***"
    assert fill("webcam:/dev/video0", folder) == Secret("webcam:/dev/video0")


def test_a_credential_may_be_the_whole_address(folder: Path) -> None:
    """Outside an address it is taken as it is; the password in it is known, and masked where the address is."""
    (folder / "cam").write_text("rtsp://eve:hunter2@host/x")
    found = fill("{credential:cam}", folder)
    assert (found.reveal(), str(found)) == ("rtsp://eve:hunter2@host/x", "{credential:cam}")
    assert scrubbed("rtsp://eve:hunter2@host/x") == "rtsp://eve:***@host/x"


def test_it_is_read_anew_each_time(folder: Path) -> None:
    """A reload takes a changed secret over."""
    text = Secret("rtsp://eve:{credential:cam}@host/")
    variables = {"CREDENTIALS_DIRECTORY": str(folder)}
    filled(text, variables)
    (folder / "cam").write_text("new\r\n")
    assert filled(text, variables).reveal() == "rtsp://eve:new@host/"


@given(password=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20))
def test_any_password_arrives(password: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever characters it has, the parts of the address stay apart, and the password is what the file holds."""
    folder = tmp_path_factory.getbasetemp()
    (folder / "any").write_text(password + "\n")
    parts = urlsplit(fill("rtsp://eve:{credential:any}@host:554/x", folder).reveal())
    assert (parts.username, parts.hostname, parts.port, parts.path) == ("eve", "host", 554, "/x")
    assert unquote(parts.password or "") == password


@pytest.mark.parametrize(
    "kind", ["missing", "unreadable", "empty", "a pipe", "a folder", "huge", "binary", "two lines"]
)
@pytest.mark.parametrize("form", ["{{credential:{0.name}}}", "{{file:{0}}}"])
def test_a_file_that_is_no_secret_is_named_and_not_quoted(kind: str, form: str, tmp_path: Path) -> None:
    """One line says which file and what to do; nothing waits, and the content stays unsaid."""
    path = tmp_path / "cam"
    if kind == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    make = {
        "unreadable": lambda: (path.write_text("hunter2"), path.chmod(0)),
        "empty": lambda: path.write_text("\n"),
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "huge": lambda: path.write_text("hunter2" * 1000),
        "binary": lambda: path.write_bytes(b"hunter2\xff\x00"),
        "two lines": lambda: path.write_text("hunter2\nhunter2\n"),
    }
    make.get(kind, lambda: None)()
    with pytest.raises(ConfigError) as refused:
        fill(f"rtsp://eve:{form.format(path)}@host/", tmp_path)
    assert str(path) in str(refused.value)
    assert "hunter2" not in repr((refused.value, refused.value.__cause__, refused.value.__context__))
    assert refused.value.remedy and len(refused.value.lines) == 1


@pytest.mark.parametrize("text", ["{credential:}", "{credential:../x}", "{credential:.}", "{file:x}", "{file:}"])
def test_a_placeholder_that_names_no_file_is_refused(text: str, tmp_path: Path) -> None:
    """A name that leads elsewhere, and a path that depends on the current folder, are mistakes."""
    with pytest.raises(ConfigError, match="name of a file|absolute path"):
        fill(f"rtsp://eve:{text}@host/", tmp_path)


def test_without_systemd_the_credential_is_missed() -> None:
    """Outside a service nobody sets the folder of the credentials; the error says so."""
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY is not set; systemd"):
        filled(Secret("rtsp://eve:{credential:cam}@host/"), {})


def test_the_names_of_credentials_are_listed_once() -> None:
    """What a unit must load can be derived from the settings."""
    assert credential_names("rtsp://{credential:b}:{credential:a}@h/{credential:b}{file:/x}") == ("b", "a")
    assert credential_names("webcam:0") == ()


@pytest.mark.parametrize("words", [("run", "--preview", "none"), ("run", "--service"), ("doctor",)])
def test_a_missing_secret_ends_a_run_with_78(words: tuple[str, ...], tmp_path: Path) -> None:
    """A run and a service are refused like other wrong settings; `doctor` names the file among its findings."""
    (tmp_path / "c.toml").write_text(f'[camera]\nsource = "rtsp://eve:{{file:{tmp_path}/gone}}@127.0.0.1:1/x"\n')
    done = edge_app(tmp_path, *words, "--config", "c.toml")
    assert done.returncode == (1 if words == ("doctor",) else 78)
    said = f"the secret in {tmp_path}/gone cannot be read: {tmp_path}/gone: No such file or directory"
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("edge-app: ") == (0 if words == ("doctor",) else 1)
