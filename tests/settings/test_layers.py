"""Settings from defaults, file and environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_app.errors import ConfigError
from edge_app.records import Box, Crop, InputRange, Size
from edge_app.secret import Secret
from edge_app.settings import layers, sections


def problems(text: str | bytes, folder: Path, **variables: str) -> list[str]:
    """Return what is wrong with a settings file and an environment, one line each, without the file's name."""
    path = folder / "settings.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as refused:
        layers.load(path, variables)
    return [line.removeprefix(f"{path}: ") for line in str(refused.value).splitlines()]


def test_a_typo_a_wrong_type_and_an_unknown_section_are_reported_together(tmp_path: Path) -> None:
    """Every mistake in file and environment is named at once, each with a suggestion."""
    text = '[camera]\nsorce = "webcam"\nrate = "fast"\n[outptu]\nlog = "x"\n'
    assert problems(text, tmp_path, EDGE_APP_MODLE="x", EDGE_APP_THREADS="many") == [
        "unknown key [camera] sorce; did you mean [camera] source?",
        "unknown section [outptu]; did you mean [output]?",
        "[camera] rate: 'fast' is wrong; should be a valid number, unable to parse string as a number",
        "unknown variable EDGE_APP_MODLE; did you mean EDGE_APP_MODEL?",
        "EDGE_APP_THREADS: 'many' is wrong; should be a valid integer, unable to parse string as an integer",
    ]


def test_an_unknown_section_hides_nothing_below_it(tmp_path: Path) -> None:
    """What stands below a section that does not exist is examined all the same."""
    assert problems('[outptu]\nlog = "x"\n[camera]\nsorce = "webcam"\n', tmp_path) == [
        "unknown section [outptu]; did you mean [output]?",
        "unknown key [camera] sorce; did you mean [camera] source?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camera]\nlog = 'x'\n", "[camera] log is in the wrong section; write it below [output]"),
        ("source = 'webcam'\n", "'source' is outside its section; write it below [camera]"),
        ("camera = 3\n", "'camera' is a section, not a value; write [camera] and its keys below"),
        ("[zzz]\n", "unknown section [zzz]; known: camera, model, decision, output, service"),
        ("[decision]\nqqqq = 1\n", "unknown key [decision] qqqq; known: enter, leave, smoothing"),
        ("[model]\nsmothing = 1\n", "unknown key [model] smothing; did you mean [decision] smoothing?"),
        (
            "[camera\n",
            "not TOML: Expected ']' at the end of a table declaration (at line 1, column 8); see toml.io for its rules",
        ),
        (
            b"\xff\xfe",
            "not TOML: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; "
            "see toml.io for its rules",
        ),
        ("[camera]\nsize = '640'\n", "[camera] size: '640' is wrong; write WIDTHxHEIGHT, such as 640x480"),
        ("[camera]\nrotate = 45\n", "[camera] rotate: 45 is wrong; should be 0, 90, 180 or 270"),
        ("[model]\ninput_range = [-1]\n", "[model] input_range: [-1] is wrong; write LOW,HIGH, such as -1,1"),
        ("[model]\ninput_range = 1\n", "[model] input_range: 1 is wrong; write LOW,HIGH, such as -1,1"),
        (
            "[model]\ninput_range = '0,inf'\n",
            "[model] input_range: '0,inf' is wrong; LOW and HIGH must be finite numbers, such as -1,1",
        ),
        ("[camera]\nsize = [640]\n", "[camera] size: [640] is wrong; write WIDTHxHEIGHT, such as 640x480"),
        (
            "[camera]\ncrop = [0, -1, 480, 480]\n",
            "[camera] crop: [0, -1, 480, 480] is wrong; X, Y, W and H must not be negative: "
            "write pixels, such as 100,0,480,480",
        ),
        (
            "[camera]\ncrop = '0,0,480,0'\n",
            "[camera] crop: '0,0,480,0' is wrong; W and H must not be 0: write pixels, such as 100,0,480,480",
        ),
        ("[model]\ninput_range = '1,-1'\n", "[model] input_range: '1,-1' is wrong; LOW must be below HIGH"),
        ("[camera]\nrate = nan\n", "[camera] rate: nan is wrong; should be a finite number"),
    ],
)
def test_each_mistake_has_its_line(text: str | bytes, said: str, tmp_path: Path) -> None:
    """A misplaced, unknown, unreadable or impossible setting is named, with what to write instead."""
    assert problems(text, tmp_path) == [said]


def test_numbers_may_be_given_as_a_list(tmp_path: Path) -> None:
    """The file takes the lists that TOML has for what is several numbers."""
    path = tmp_path / "settings.toml"
    path.write_text("[model]\ninput_range = [-1, 1.5]\n[camera]\ncrop = [10, 0, 480, 480]\nsize = [640, 480]\n")
    found = layers.load(path, {})
    assert found["input_range"].value == InputRange(-1, 1.5)
    assert found["crop"].value == Crop("box", Box(10, 0, 480, 480))
    assert found["size"].value == Size(640, 480)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    """A settings file that is not there, or is a folder, is an error and not silently the defaults."""
    with pytest.raises(ConfigError, match="cannot be read: (No such file|Is a directory)") as refused:
        layers.load(tmp_path / name, {})
    assert str(tmp_path / name) in str(refused.value)


def test_the_environment_goes_over_the_file_over_the_defaults(tmp_path: Path) -> None:
    """Each value comes from the last place that has it, and says from which."""
    path = tmp_path / "settings.toml"
    path.write_text('[camera]\nrate = 5\nsource = "webcam"\n[output]\nsink = ["log:a"]\n')
    found = layers.load(path, {"EDGE_APP_RATE": "7", "EDGE_APP_REALTIME": "true", "EDGE_APP_CIFAR10": "/data"})
    assert found["rate"] == layers.Setting(7.0, "EDGE_APP_RATE")
    assert found["realtime"] == layers.Setting(True, "EDGE_APP_REALTIME")
    assert found["source"] == layers.Setting(Secret("webcam"), str(path))
    assert found["sink"] == layers.Setting([Secret("log:a")], str(path))
    assert found["model"] == layers.Setting("cifar10-base", "default")
    assert set(found) == set(sections.SECTION_OF)


def test_a_variable_may_name_several_sinks(tmp_path: Path) -> None:
    """Sinks stand in a variable as they would on the command line, with spaces between them."""
    path = tmp_path / "settings.toml"
    path.write_text('[output]\nsink = ["log:a"]\n')
    assert layers.load(path, {"EDGE_APP_SINK": "log:b  log:c"})["sink"].value == [Secret("log:b"), Secret("log:c")]


def test_the_usual_file_is_found(tmp_path: Path) -> None:
    """EDGE_APP_CONFIG names the file; without it the user's own is read where it exists."""
    own = tmp_path / ".config" / "edge-app" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[camera]\nrate = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("[camera]\nrate = 2\n")
    home = {"HOME": str(tmp_path)}
    assert layers.load(None, home)["rate"].value == 1
    assert layers.load(None, home | {"EDGE_APP_CONFIG": str(other)})["rate"].value == 2
    assert layers.load(None, {})["rate"] == layers.Setting(None, "default")  # a process without any variables
    assert layers.load(None, {"XDG_CONFIG_HOME": str(tmp_path / "nowhere"), **home})["rate"].value is None


def test_one_field_has_one_section() -> None:
    """A setting's name is unique, as environment and flags have no sections."""
    names = [name for section in sections.SECTIONS.values() for name in section.model_fields]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("variables", "log"), [({}, None), ({"LOGS_DIRECTORY": "/var/log/a:/var/log/b"}, "/var/log/a/results.jsonl")]
)
def test_a_service_begins_from_its_own_defaults(variables: dict[str, str], log: str | None, tmp_path: Path) -> None:
    """Nobody looks at a service, and it logs changes, where systemd says; file and environment go over that."""
    path = tmp_path / "settings.toml"
    path.write_text('[output]\nlog_when = "every"\n')
    found = layers.load(path, variables, for_service=True)
    assert found["preview"] == layers.Setting("none", "default of the service")
    assert found["log_when"] == layers.Setting("every", str(path))
    assert found["log"].value == log
    assert set(found) == set(sections.SECTION_OF)
    usual = layers.load(path, variables)
    assert (usual["preview"].value, usual["log"].value) == ("window", None)


@pytest.mark.parametrize(
    "text",
    [
        "[camera]\nsource = " + "[" * 5000,
        "[camera]\nsource = " + "[" * 60 + "]" * 60,
        "[camera]\nrate = " + "9" * 10_000,
        "[camera]\nsource = [" + "'a', " * 10_000 + "]",
    ],
    ids=["endless nesting", "deep nesting", "digits", "list"],
)
def test_a_file_made_to_cost_is_one_short_line(text: str, tmp_path: Path) -> None:
    """Whatever it holds, the error is one line that a terminal can show."""
    (said,) = problems(text, tmp_path)
    assert len(said) < 1000


def test_settings_are_read_from_a_file_only(tmp_path: Path) -> None:
    """A pipe that nobody writes to, and an endless device, are refused at once."""
    path = tmp_path / "settings.toml"
    os.mkfifo(path)
    for named in (path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="cannot be read: a pipe, socket or device, not a file"):
            layers.load(named, {})
