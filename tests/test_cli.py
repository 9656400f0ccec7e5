"""The command line as a user meets it: real processes."""

from __future__ import annotations

import json
import subprocess
import threading
from importlib import metadata
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from edge_app import __version__, cli, commands
from edge_app.settings import command_line
from edge_app.settings.command_line import Asked
from edge_app.settings.flags._base import Command, Group
from tests.conftest import ROOT
from tests.results import command, edge_app, environment

SYNTHETIC = ("run", "--source", "synthetic:free", "--preview", "none")
SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text())


def refused(folder: Path, code: int, *arguments: str, **variables: str) -> list[str]:
    """Run edge-app, which is to end with `code`; return its lines on stderr."""
    done = edge_app(folder, *arguments, **variables)
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("words", [words for words in commands.TABLE if words])
def test_every_command_explains_itself(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of every command exits 0, prints to stdout, and has an example to copy."""
    assert cli.main([*words.split(), "--help"], threading.Event()) == 0
    shown = capsys.readouterr()
    assert f"edge-app {words}" in shown.out.partition("Examples:")[2]
    assert shown.err == ""


@pytest.mark.parametrize("words", commands.TABLE)
def test_every_command_has_a_record_and_a_function(words: str) -> None:
    """What the table names exists: the record of a command's settings, and a function unless it is a group."""
    entry = commands.TABLE[words]
    assert issubclass(entry.load(), Group if not entry.function or not words else Command)
    if entry.function:
        assert callable(commands.find(words))
    else:
        assert any(longer.startswith(f"{words} ") for longer in commands.TABLE)


def test_the_help_lists_every_command_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """Bare `edge-app`, and a group alone, print the first sentence of each of their commands and end with 0."""
    for words in ("", "models", "service"):
        assert cli.main(words.split(), threading.Event()) == 0
        shown = " ".join(capsys.readouterr().out.split())
        for longer in commands.TABLE:
            if longer.split()[:-1] == words.split() and longer:
                summary = (commands.TABLE[longer].load().__doc__ or "").partition("\n")[0]
                assert f"{longer.split()[-1]} {summary}" in shown


def test_the_version_stands_in_one_place() -> None:
    """What is installed under the name of the package has the version that the package tells."""
    assert metadata.version("edge-app") == __version__
    assert __version__ not in (ROOT / "setup.py").read_text("utf-8")


def test_version_says_version_runtime_and_model(tmp_path: Path) -> None:
    """`--version` names all three on stdout."""
    done = edge_app(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"edge-app {__version__}, runtime ")
    assert done.stdout.endswith("model cifar10-base\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "--bogus"), "there is no flag --bogus"),
        (("run", "--sorce=x", "--raet", "3"), "there is no flag --sorce; did you mean --source?"),
        (("run", "--sorce=x", "--raet", "3"), "there is no flag --raet; did you mean --rate?"),
        (("run", "--sourc", "synthetic"), "there is no flag --sourc; did you mean --source?"),
        (("run", "extra"), "unexpected word 'extra'"),
        (("run", "--realtime=yes"), "--realtime: ignored explicit argument 'yes'"),
        (("bogus",), "no command is called 'bogus'"),
        (("modles", "--help"), "no command is called 'modles'; did you mean 'models'?"),
        (("models", "shwo"), "no command is called 'shwo'; did you mean 'show'?"),
        (("--version", "run"), "unexpected word 'run'"),
        (("bench", "--threads", "1,65"), "--threads: '65' is wrong; should be less than or equal to 64"),
        (("bench", "--kind", "png"), "--kind: 'png' is wrong; should be 'jpeg', 'yuyv' or 'rgb'"),
        (("train", "--from"), "--from: expected one argument"),
        (("run", "--frames"), "--frames"),
        (("run", "--rate", "fast"), "--rate: 'fast' is wrong"),
        (("run", "--rate", "0"), "--rate: '0' is wrong"),
        (("run", "--frames", "1.5"), "--frames: '1.5' is wrong"),
        (("run", "--size", "640"), "--size: '640' is wrong; write WIDTHxHEIGHT"),
        (("run", "--crop", "1,2,3"), "--crop: '1,2,3' is wrong"),
        (("run", "--log-max-mb", "no"), "--log-max-mb: 'no' is wrong"),
        (("run", "--sink", "["), "sink"),
        (("run", "--sink", "lgo:x"), "no sink is called 'lgo'; did you mean 'log'?"),
        (("run", "--leave", "0.9", "--enter", "0.2"), "--leave 0.9 is above --enter 0.2"),
        (("run", "--source", "syntetic"), "'syntetic'; did you mean 'synthetic'?"),
        (("run", "--source", "gopher://x"), "gopher://"),
        (("models", "show"), "MODEL"),
    ],
)
def test_wrong_usage_exits_2_and_names_it(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    """A flag, value, source or sink that does not exist ends with 2 and is named."""
    assert named in "\n".join(refused(tmp_path, 2, *arguments))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "--input-range", "-1"), "--input-range: '-1' is wrong; write LOW,HIGH"),
        (("run", "--input-range", "-1,-2"), "--input-range: '-1,-2' is wrong; LOW must be below HIGH"),
        (("run", "--crop", "-5,0,10,10"), "--crop: '-5,0,10,10' is wrong; X, Y, W and H must not be negative"),
        (("run", "--size", "-640x480"), "--size: '-640x480' is wrong; write WIDTHxHEIGHT"),
        (("run", "--enter", "-.1"), "--enter: '-.1' is wrong; should be greater than or equal to 0"),
        (("run", "--rate", "-1e3"), "--rate: '-1e3' is wrong; should be greater than 0"),
        (("run", "--source", "-1,x"), "'-1,x'"),
        (("bench", "--threads", "-1", "2"), "--threads: '-1' is wrong"),
        (("models", "show", "--", "-1,x"), "-1,x"),
    ],
)
def test_a_value_may_begin_with_a_minus(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    """A word that begins like a negative number is the value of the flag before it; what is wrong with it is said."""
    code = 78 if arguments[0] == "models" else 2
    assert named in "\n".join(refused(tmp_path, code, *arguments))


@pytest.mark.parametrize("words", [("--input-range", "-1,1"), ("--input-range=-1,1",), ("--input-range", "-.5,1")])
def test_an_input_range_below_zero_can_be_typed(words: tuple[str, ...]) -> None:
    """The most usual range of all, -1 to 1, needs no equals sign."""
    asked = command_line.parse(["run", *words, "--verbose"], commands.TABLE)
    assert asked.given["input_range"] == words[-1].removeprefix("--input-range=")


SECRET = "hunter2"
ADDRESS = f"rtsp://eve:{SECRET}@127.0.0.1:1/x"


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ("run", ADDRESS),
            ("run", "--sorce", ADDRESS),
            ("run", f"--sorce={ADDRESS}"),
            (ADDRESS,),
            ("models", ADDRESS),
        ),
        *(("run", f"--realtime={ADDRESS}"), ("run", "--sink", f"[{ADDRESS}"), ("run", "--rate", ADDRESS)),
        *(("run", "--source", "rtsp://eve:a", f"{SECRET}@127.0.0.1/x"), ("run", "--sink", ADDRESS)),
        *(("run", "--source", f"eve:{SECRET}@127.0.0.1:1"), ("run", "--source", ADDRESS.replace("rtsp", "gopher"))),
        *(("run", "--source", f"{name}:{ADDRESS}") for name in ("video", "folder", "webcam", "picamera", "synthetic")),
        *(("run", "--source", ADDRESS), ("run", "--source", ADDRESS.replace("//", "/"))),
        ("bench", "--source", ADDRESS),
    ],
)
def test_no_message_repeats_a_password(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A source that is mistyped, misplaced or not there is refused without its password."""
    done = edge_app(tmp_path, *arguments)
    assert done.returncode in (1, 2, 3, 78) and "edge-app: " in done.stderr and "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_an_unknown_word_ends_in_one_line_and_the_place_of_help(tmp_path: Path) -> None:
    """No page of usage buries what is wrong."""
    assert refused(tmp_path, 2, "models", "show") == [
        "edge-app: the following arguments are required: MODEL; see 'edge-app models show --help'"
    ]


def test_all_wrong_flags_are_reported_at_once(tmp_path: Path) -> None:
    """Two wrong values are two lines, and one that says where help is."""
    lines = refused(tmp_path, 2, "run", "--rate", "x", "--threads", "0")
    assert [line.split(" is wrong")[0] for line in lines] == [
        "edge-app: --rate: 'x'",
        "edge-app: --threads: '0'",
        "edge-app: see 'edge-app run --help'",
    ]


def test_a_wrong_configuration_exits_78_with_every_line(tmp_path: Path) -> None:
    """A typo, a wrong type, an unknown section and an unknown variable are all told before anything starts."""
    (tmp_path / "c.toml").write_text('[camera]\nsorce = "x"\n[modle]\n[output]\nlog_keep = "many"\n')
    lines = refused(tmp_path, 78, "run", "--config", "c.toml", EDGE_APP_RAET="1")
    assert len(lines) == 4
    for line, part in zip(lines, ["[camera] source?", "[model]?", "[output] log_keep", "EDGE_APP_RATE?"], strict=True):
        assert part in line


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n", b"\0\0\0\0TFL3" + b"\xff" * 100])
def test_an_unusable_model_exits_78(content: bytes | None, tmp_path: Path) -> None:
    """A model that does not exist, is empty, a PNG or damaged is refused in one line that names it."""
    (tmp_path / "labels.txt").write_text("a\nb\n")
    if content is not None:
        (tmp_path / "my.tflite").write_bytes(content)
    said = refused(tmp_path, 78, "run", "--source", "synthetic", "--model", "my.tflite", "--labels", "labels.txt")
    assert "my.tflite" in said[-1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--source", "synthetic", "--log", "nowhere/out.jsonl"), "nowhere/out.jsonl: No such file or directory"),
        (("--source", "synthetic", "--log", "."), "cannot write the log .: Is a directory"),
        (("--source", "empty"), "no pictures in empty"),
        (("--source", "webcam:/dev/video99"), "/dev/video99"),
    ],
)
def test_what_cannot_start_exits_3(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    """A log that cannot be written, an empty folder and a camera that is not there end with 3, named."""
    (tmp_path / "empty").mkdir()
    assert named in refused(tmp_path, 3, "run", "--log-when", "change", *arguments, "--preview", "none")[-1]


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs this machine")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("service", "install"), 3),
        (("train", "--data", "/nonexistent"), None),
        (("run", "--source", "/nonexistent.mp4", "--preview", "none"), 0),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_only_a_run_may_be_stopped_before_it_began(words: tuple[str, ...], code: int | None) -> None:
    """A signal during its start does not make a command succeed that had something to finish."""
    stop = threading.Event()
    stop.set()
    found = cli.main(words, stop)
    assert found == code if code is not None else found != 0


def test_200_frames_are_200_lines_of_the_documented_schema(tmp_path: Path) -> None:
    """`run --frames 200 --log FILE` writes 200 lines, each valid; stdout stays empty and stderr sums up."""
    done = edge_app(tmp_path, *SYNTHETIC, "--frames", "200", "--log", "out.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(200))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in lines:
        validator.validate(line)
        assert 0 < line["latency_ms"] < line["age_ms"]
    assert "200 frames classified" in done.stderr
    assert "Traceback" not in done.stderr


def test_stdout_has_the_data_and_nothing_else(tmp_path: Path) -> None:
    """With `--log -` every line of stdout is a result; all words go to stderr."""
    done = edge_app(tmp_path, *SYNTHETIC, "--verbose", "--frames", "20", "--log", "-")
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(20))
    assert "classifying with cifar10-base" in done.stderr


@pytest.mark.parametrize("arguments", [(*SYNTHETIC, "--log", "-"), ("models", "schema"), ("run", "--help")])
def test_a_reader_that_leaves_ends_the_command_cleanly(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """`edge-app ... | head -1` ends with 0 and no complaint."""
    with subprocess.Popen(
        command(*arguments),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(10) == 0
    assert b"Traceback" not in said
    assert b"Broken" not in said


@pytest.mark.parametrize("target", ["/dev/full", None])
def test_a_stdout_that_takes_nothing_is_no_bug(target: str | None, tmp_path: Path) -> None:
    """A full disk behind stdout is one line and exit 1; a closed stdout, which nobody can read, is none."""
    shell = f'exec "$@" {">&-" if target is None else ">" + target}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command("models", "list")],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    expected = "" if target is None else "edge-app: cannot write to stdout: No space left on device\n"
    assert (done.returncode, done.stderr) == (0 if target is None else 1, expected)


def test_config_prints_each_value_and_where_it_came_from(tmp_path: Path) -> None:
    """`config` names default, file and variable, in the form of a settings file."""
    (tmp_path / "c.toml").write_text('[camera]\nsource = "synthetic"\n')
    done = edge_app(tmp_path, "config", "--config", "c.toml", EDGE_APP_RATE="5")
    assert done.returncode == 0
    found = {line.split(" = ")[0]: " ".join(line.split()) for line in done.stdout.splitlines()}
    assert found["source"] == 'source = "synthetic" # c.toml'
    assert found["rate"] == "rate = 5.0 # EDGE_APP_RATE"
    assert found["threads"] == "threads = 1 # default"
    (tmp_path / "again.toml").write_text(done.stdout)
    again = edge_app(tmp_path, "config", "--config", "again.toml")
    assert "rate = 5.0" in again.stdout


def test_config_masks_passwords(tmp_path: Path) -> None:
    """What `config` prints can be shown to others; what it refuses as well."""
    (tmp_path / "c.toml").write_text(f'[camera]\nsource = "{ADDRESS}"\n[output]\nsink = ["log:x", "{ADDRESS}"]\n')
    done = edge_app(tmp_path, "config", "--config", "c.toml")
    assert 'source = "rtsp://eve:***@127.0.0.1:1/x"' in done.stdout
    assert SECRET not in done.stdout + done.stderr
    (tmp_path / "c.toml").write_text(f'[camera]\nsource = ["{ADDRESS}", {{"{ADDRESS}" = 1}}]\nrate = "{ADDRESS}"\n')
    assert SECRET not in "".join(refused(tmp_path, 78, "config", "--config", "c.toml"))


def test_config_prints_what_a_service_begins_from(tmp_path: Path) -> None:
    """With --service, its own defaults and where they come from; a setting of the file goes over them."""
    (tmp_path / "c.toml").write_text('[output]\nlog_when = "every"\n')
    printed = edge_app(tmp_path, "config", "--service", "--config", "c.toml", LOGS_DIRECTORY="/var/log/x").stdout
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert 'preview = "none" # default of the service' in lines
    assert 'log = "/var/log/x/results.jsonl" # default of the service' in lines
    assert 'log_when = "every" # c.toml' in lines


def test_flags_go_over_environment_and_file(tmp_path: Path) -> None:
    """A flag wins over a variable, which wins over the file."""
    (tmp_path / "c.toml").write_text('[camera]\nsource = "nothing"\n[output]\nlog = "file.jsonl"\n')
    variables = {"EDGE_APP_LOG": "variable.jsonl", "EDGE_APP_SOURCE": "nothing"}
    done = edge_app(tmp_path, *SYNTHETIC, "--config", "c.toml", "--frames", "3", **variables)
    assert done.returncode == 0
    assert len((tmp_path / "variable.jsonl").read_text().splitlines()) == 3


def test_settings_of_the_camera_are_not_taken_for_flags_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """`size`, `rate` and `threads` mean something else to `train`: a training once ran on one core because of it."""
    for name, value in {"RATE": "5", "SIZE": "320x240", "THREADS": "1"}.items():
        monkeypatch.setenv(f"EDGE_APP_{name}", value)
    found = command_line.settle(Asked("train", commands.TABLE["train"].load(), {"seed": 3}))
    assert (found.size, found.rate, found.threads, found.seed) == (None, None, None, 3)
    assert command_line.settle(Asked("run", commands.TABLE["run"].load(), {})).rate == 5


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("run", "--rate", "5", "--rate", "7"), {"rate": "7"}),
        (("run", "--sink", "log:a,b", "console", "--sink", "log"), {"sink": ["log:a,b", "console", "log"]}),
        (("bench", "--threads", "1,2", "4"), {"threads": ["1", "2", "4"]}),
        (("evaluate", "--no-degraded"), {"degraded": False}),
        (("models", "show", "a", "--json", "-"), {"model": "a", "json": "-"}),
        (("train", "--from", "x", "--reference", "a", "b"), {"from": "x", "reference": ["a", "b"]}),
    ],
)
def test_a_line_becomes_what_was_typed(words: tuple[str, ...], given: dict[str, object]) -> None:
    """The last of a flag counts, a list takes them all, and what was not typed is left to the settings."""
    assert command_line.parse(words, commands.TABLE).given == given


def test_what_is_given_twice_is_measured_once() -> None:
    """A benchmark has one row for each model, number of threads, delegate and size."""
    words = ["bench", "--model", "a", "b", "a", "--threads", "2,2", "--size", "64x48", "64x48"]
    found = command_line.settle(command_line.parse(words, commands.TABLE))
    assert (found.model, found.threads, [str(size) for size in found.size]) == (["a", "b"], [2], ["64x48"])


def test_models_list_show_verify_and_schema(tmp_path: Path) -> None:
    """Shipped models are listed, shown with all operators delegated, pass their checks, and cards their schema."""
    listed = edge_app(tmp_path, "models", "list").stdout
    assert [line.split()[0] for line in listed.splitlines()] == ["cifar10-base", "cifar10-lecture", "cifar10-nano"]
    shown = edge_app(tmp_path, "models", "show", "cifar10-lecture", "--json", "card.json")
    assert "7/7 operators run in XNNPACK" in shown.stdout
    facts = json.loads((tmp_path / "card.json").read_text())
    assert facts["here"]["operators_delegated"] == facts["here"]["operators_total"] == 7
    verified = edge_app(tmp_path, "models", "verify", "cifar10-lecture")
    assert verified.returncode == 0
    assert "checksum matches its card; self-test: outputs differ by at most" in verified.stdout
    jsonschema.validate(facts["card"], json.loads(edge_app(tmp_path, "models", "schema").stdout))


def test_a_folder_is_classified_and_named(tmp_path: Path) -> None:
    """Each picture of a folder gets a line with its name; one that is cut off is told and skipped."""
    (tmp_path / "photos").mkdir()
    encoded = cv2.imencode(".jpg", np.zeros((99, 99, 3), np.uint8))[1].tobytes()
    (tmp_path / "photos" / "a.jpg").write_bytes(encoded)
    (tmp_path / "photos" / "b.jpg").write_bytes(encoded[:300])
    done = edge_app(tmp_path, "run", "--source", "photos", "--preview", "none", "--log", "-")
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["name"], line["state"] == "outage") for line in lines] == [("a.jpg", False)]
    assert "b.jpg skipped" in done.stderr
    for line in lines:
        jsonschema.validate(line, SCHEMA)
