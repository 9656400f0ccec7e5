"""Every broken situation is named with its remedy. No permission and a busy camera are made for real in tests/vm."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from edge_app.doctor import checks
from edge_app.doctor.checks import Finding, Patient
from edge_app.model import classifier
from edge_app.service import doors, needs
from edge_app.settings.sections import ModelOptions, Settings
from edge_app.system import board, v4l2
from tests.conftest import ROOT
from tests.results import command, edge_app, environment

MODEL = "cifar10-nano"


def examined(monkeypatch: pytest.MonkeyPatch, loaded_with: str = "xnnpack", **settings: str) -> dict[str, Finding]:
    """Examine this machine from inside, with some settings; return the findings by check.

    Args:
        monkeypatch: sets the settings.
        loaded_with: the delegate that the runtime has, whatever the settings ask for.
        settings: by the name of their variables.
    """
    for name, value in ({"MODEL": MODEL} | settings).items():
        monkeypatch.setenv(f"EDGE_APP_{name}", value)

    def load(options: ModelOptions, stop: threading.Event) -> classifier.Classifier:
        return classifier.load(options.model_copy(update={"delegate": loaded_with}), stop)

    return {finding.check: finding for finding in checks.examine(None, False, load, threading.Event())}


def fake(folder: Path, library: str, code: str) -> None:
    """Put a package of that name into `folder`/other that does nothing but this on import."""
    (folder / "other" / library).mkdir(parents=True)
    (folder / "other" / library / "__init__.py").write_text(f"{code}\n")


def test_a_sound_machine_has_no_problem(tmp_path: Path) -> None:
    """With a camera that works all is well: exit code 0, every line begins with ok."""
    done = edge_app(tmp_path, "doctor", EDGE_APP_SOURCE="synthetic", EDGE_APP_LOG="out.jsonl")
    assert done.returncode == 0, done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {"ok", "warning", "->"}
    for check in ("settings", "opencv", "runtime", "model", "delegate", "camera", "log"):
        assert any(line.split()[:2] == ["ok", check] for line in done.stdout.splitlines()), done.stdout
    assert "synthetic shows " in done.stdout


def test_json_has_the_same_findings(tmp_path: Path) -> None:
    """--json - writes nothing but the object to stdout."""
    done = edge_app(tmp_path, "doctor", "--json", "-", EDGE_APP_SOURCE="synthetic")
    found = json.loads(done.stdout)["findings"]
    assert {"check", "state", "says", "remedy"} == set(found[0])
    assert {each["check"] for each in found} >= {"python", "settings", "model", "camera"}


def test_no_camera(tmp_path: Path) -> None:
    """Exit code 1; says that there is none and where to look."""
    if v4l2.devices():
        pytest.skip("this machine has a camera")
    done = edge_app(tmp_path, "doctor")
    assert done.returncode == 1
    assert "problem  camera     no camera found\n" in done.stdout
    assert "-> plug one in, or look at 'edge-app sources'" in done.stdout


def test_no_permission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A node that this user may not open is named, with the group to join."""
    monkeypatch.setattr(v4l2, "nodes", lambda: [tmp_path / "video7"])
    monkeypatch.setattr(v4l2, "devices", lambda: ())
    found = examined(monkeypatch)["camera"]
    assert found.state == "problem" and found.remedy is not None
    assert "video7: no permission" in found.remedy and "usermod -aG video" in found.remedy


def test_a_node_that_may_not_be_opened(tmp_path: Path) -> None:
    """A device node whose mode forbids it, asked for by name: the kernel refuses, the group to join is named."""
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # what lets root open it all the same
    if os.geteuid() != 0 or subprocess.run([*without, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("needs root and its capabilities")
    node = tmp_path / "video9"
    os.mknod(node, stat.S_IFCHR, os.makedev(81, 9))
    done = subprocess.run(
        [*without, *command("doctor")],
        cwd=tmp_path,
        env=environment(tmp_path, EDGE_APP_SOURCE=f"webcam:{node}", EDGE_APP_MODEL=MODEL, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    assert f"problem  camera     no permission to open {node}\n" in done.stdout
    assert "usermod -aG video" in done.stdout


def test_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who uses the camera is named, and what to do stands on its own."""

    def refuse(path: str) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", path)

    monkeypatch.setattr(v4l2, "query", refuse)
    monkeypatch.setattr(v4l2, "holders", lambda paths: {paths[0]: "cheese (pid 653)"})
    assert examined(monkeypatch, SOURCE="webcam:0")["camera"] == Finding(
        "camera", "problem", "/dev/video0 is in use by cheese (pid 653)", "stop it or choose another camera"
    )


def test_no_delegate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that gives XNNPACK nothing to do is a problem, with the package that mends it."""
    found = examined(monkeypatch, loaded_with="none")["delegate"]
    assert found.state == "problem" and "XNNPACK runs none of the" in found.says
    assert found.remedy == "pip install ai-edge-litert"


@pytest.mark.parametrize(
    "says",
    [
        "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')",
        "raise ImportError('numpy.core.multiarray failed to import')",
    ],
)
def test_numpy_clash(says: str, tmp_path: Path) -> None:
    """An OpenCV that was built for another numpy is told as that, not as a traceback."""
    fake(tmp_path, "cv2", says)
    done = edge_app(tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "problem  opencv     numpy clash: " in done.stdout
    assert "--system-site-packages" in done.stdout


def test_the_clash_is_named_alike_wherever_it_shows(tmp_path: Path) -> None:
    """The camera's line does not advise to install the library that the clash is about."""
    fake(tmp_path, "cv2", "raise ValueError('numpy.dtype size changed, may indicate binary incompatibility')")
    done = edge_app(tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_MODEL=MODEL)
    assert "problem  camera     numpy clash: " in done.stdout
    assert "install it with" not in done.stdout


@pytest.mark.parametrize(
    "says",
    [
        "raise ImportError('numpy.core.multiarray failed to import')",
        "raise ImportError('No module named numpy')",
        "import os; os.kill(os.getpid(), 11)",
    ],
)
def test_a_numpy_that_does_not_import(says: str, tmp_path: Path) -> None:
    """What nearly everything here needs may be what is broken: every check still says something, none is a bug."""
    fake(tmp_path, "numpy", says)
    done = edge_app(tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_LOG="out.jsonl")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "bug" not in done.stdout + done.stderr
    for line in ("problem  opencv", "problem  runtime", "  model  ", "  camera  ", "ok       log"):
        assert line in done.stdout


@pytest.mark.parametrize(
    ("library", "check", "lost"),
    [("cv2", "opencv", "camera"), ("picamera2", "picamera2", "camera"), ("ai_edge_litert", "runtime", "model")],
)
def test_a_library_that_crashes_does_not_take_the_doctor_along(
    library: str, check: str, lost: str, tmp_path: Path
) -> None:
    """An extension that ends its process by a signal is a finding; no later check imports it, the last one is made."""
    if library == "ai_edge_litert":
        pytest.importorskip("ai_edge_litert")
    fake(tmp_path, library, "import os; os.kill(os.getpid(), 11)")
    done = edge_app(
        tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_MODEL=MODEL, EDGE_APP_LOG="out.jsonl"
    )
    assert done.returncode == 1, done.stderr
    assert f"problem  {check:<10} crashes on import (signal 11)" in done.stdout
    assert f"warning  {lost:<10} not examined: it needs {check}" in done.stdout
    assert "ok       log" in done.stdout


def test_a_camera_that_does_without_the_crashing_library_is_examined(tmp_path: Path) -> None:
    """A picamera2 that crashes is in nobody's way but its own."""
    fake(tmp_path, "picamera2", "import os; os.kill(os.getpid(), 11)")
    done = edge_app(
        tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_SOURCE="synthetic", EDGE_APP_MODEL=MODEL
    )
    assert "problem  picamera2  crashes on import (signal 11)" in done.stdout
    assert "ok       camera" in done.stdout


def test_no_runtime(tmp_path: Path) -> None:
    """The whole reason is what is the case, and what to install is the remedy, wherever it shows."""
    for library, says in (("ai_edge_litert", "no libc; too old"), ("tflite_runtime", "gone")):
        fake(tmp_path, library, f"raise ImportError({says!r})")
    done = edge_app(
        tmp_path, "doctor", "--json", "-", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_SOURCE="synthetic"
    )
    assert done.returncode == 1
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    says = "no TFLite runtime can be imported (ai-edge-litert: no libc; too old, tflite-runtime: gone)"
    for check in ("runtime", "model"):
        assert (found[check]["says"], found[check]["remedy"]) == (says, "install one with 'pip install ai-edge-litert'")


def test_a_clash_keeps_its_words(tmp_path: Path) -> None:
    """A semicolon in what a library says does not end it."""
    fake(tmp_path, "cv2", "raise ImportError('numpy.core.multiarray failed; rebuild')")
    done = edge_app(tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_MODEL=MODEL)
    says = "numpy clash: OpenCV cannot be imported (numpy.core.multiarray failed; rebuild)\n"
    assert f"problem  opencv     {says}" in done.stdout and f"problem  camera     {says}" in done.stdout


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_model(damage: str, tmp_path: Path) -> None:
    """A model that is not what its card says is named, with what to do."""
    for suffix in (".tflite", ".json"):
        shutil.copy(ROOT / "models" / f"{MODEL}{suffix}", tmp_path)
    path = tmp_path / f"{MODEL}.tflite"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content[:-100] if damage == "truncated" else content)
    done = edge_app(tmp_path, "doctor", EDGE_APP_MODEL=str(path), EDGE_APP_SOURCE="synthetic")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("problem  model"))
    assert path.name in lines[place] and lines[place + 1].split()[0] == "->"


def test_wrong_settings(tmp_path: Path) -> None:
    """Every mistake is a line with its suggestion, and the rest is examined with the defaults."""
    (tmp_path / "c.toml").write_text("[camera]\nsorce = 'auto'\n")
    done = edge_app(tmp_path, "doctor", "--config", "c.toml", EDGE_APP_RTAE="5")
    assert done.returncode == 1
    assert "did you mean [camera] source?" in done.stdout and "unknown variable EDGE_APP_RTAE" in done.stdout
    assert "ok       model" in done.stdout


def test_throttling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under-voltage now is a problem, an earlier one a warning."""
    told = [board.Throttling(("under-voltage",), ("under-voltage",)), board.Throttling((), ("throttled",))]
    for expected, bits in zip([("problem", "right now"), ("warning", "some time")], told, strict=True):
        monkeypatch.setattr(board, "throttling", lambda bits=bits: bits)
        found = examined(monkeypatch, SOURCE="synthetic")["board"]
        assert found.state == expected[0] and expected[1] in found.says and found.remedy


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw in one check is told, and the others are made."""

    def broken() -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(board, "throttling", broken)
    found = examined(monkeypatch, SOURCE="synthetic", LOG="/nonexistent/out.jsonl")
    assert "ZeroDivisionError" in found["throttling"].says
    assert found["log"].state == "problem"


def test_a_log_in_a_closed_folder_is_no_bug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The service's own folder is closed to others: that is said, with what to do."""

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    patient = checks.Patient(Settings(log=str(tmp_path / "x.jsonl")), lambda *_: None, threading.Event())
    (finding,) = checks.log_folder(patient)
    assert (finding.state, finding.remedy) == ("warning", "run this with sudo")


def test_a_closed_door_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service's settings need and its sandbox forbids is a problem, with the command that opens the door."""
    unit = tmp_path / "edge-app.service"
    monkeypatch.setattr(doors, "UNIT", unit)
    monkeypatch.setattr(doors, "DROP_INS", tmp_path / "edge-app.service.d")
    settings = Settings.model_validate({"source": "rtsp://10.0.0.9/1"})

    def findings(is_service: bool = True) -> list[Finding]:
        return [*checks.sandbox(Patient(settings, lambda *_: None, threading.Event(), is_service))]

    assert findings() == []  # not installed
    unit.write_text((ROOT / "systemd" / "edge-app.service").read_text())
    assert findings(is_service=False) == []
    (found,) = findings()
    assert (found.state, found.remedy) == ("problem", "run: sudo edge-app service doors")
    assert found.says == "[camera] source needs the network, and the service's sandbox has no door for it"
    doors.DROP_INS.mkdir()
    for path, content in doors.changes(unit, doors.DROP_INS, needs.of(settings)).items():
        path.write_bytes(content or b"")
    assert [found.state for found in findings()] == ["ok"]
