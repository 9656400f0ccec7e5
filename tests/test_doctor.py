"""Every broken situation is named with its remedy. No permission and a busy camera are made for real in tests/vm."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_app import board, classifier, doctor, sources
from edge_app.classifier import Options
from edge_app.doctor import Finding
from edge_app.errors import SourceError
from edge_app.sources import _v4l2
from tests.conftest import ROOT
from tests.results import edge_app

MODEL = "cifar10-nano"


def examined(monkeypatch: pytest.MonkeyPatch, options: Options = Options(), **settings: str) -> dict[str, Finding]:
    """Examine this machine from inside, with some settings; return the findings by check."""
    for name, value in ({"MODEL": MODEL} | settings).items():
        monkeypatch.setenv(f"EDGE_APP_{name}", value)

    def load(options_: Any, stop: threading.Event) -> classifier.Classifier:
        return classifier.load(options_.model, options_.labels, options, stop)

    return {finding.check: finding for finding in doctor.examine(None, False, load, threading.Event())}


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
    if _v4l2.devices():
        pytest.skip("this machine has a camera")
    done = edge_app(tmp_path, "doctor")
    assert done.returncode == 1
    assert "problem  camera     no camera found\n" in done.stdout
    assert "-> plug one in, or look at 'edge-app sources'" in done.stdout


def test_no_permission(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A node that this user may not open is named, with the group to join."""
    monkeypatch.setattr(_v4l2, "nodes", lambda: [tmp_path / "video7"])
    monkeypatch.setattr(_v4l2, "devices", lambda: ())
    found = examined(monkeypatch)["camera"]
    assert found.state == "problem" and found.remedy is not None
    assert "video7: no permission" in found.remedy and "usermod -aG video" in found.remedy


def test_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who uses the camera is named, and what to do stands on its own."""

    def refuse(*_: object) -> None:
        raise SourceError("/dev/video0 is in use by cheese (pid 653); stop it or choose another camera")

    monkeypatch.setattr(sources, "connect", refuse)
    assert examined(monkeypatch)["camera"] == Finding(
        "camera", "problem", "/dev/video0 is in use by cheese (pid 653)", "stop it or choose another camera"
    )


def test_no_delegate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that gives XNNPACK nothing to do is a problem, with the package that mends it."""
    found = examined(monkeypatch, Options(delegate="none"))["delegate"]
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
    (tmp_path / "other" / "cv2").mkdir(parents=True)
    (tmp_path / "other" / "cv2" / "__init__.py").write_text(f"{says}\n")
    done = edge_app(tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "problem  opencv     numpy clash: " in done.stdout
    assert "--system-site-packages" in done.stdout


def test_a_library_that_crashes_does_not_take_the_doctor_along(tmp_path: Path) -> None:
    """An extension that ends its process by a signal is a finding; the other checks follow."""
    (tmp_path / "other" / "picamera2").mkdir(parents=True)
    (tmp_path / "other" / "picamera2" / "__init__.py").write_text("import os\nos.kill(os.getpid(), 11)\n")
    done = edge_app(
        tmp_path, "doctor", PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}", EDGE_APP_SOURCE="synthetic", EDGE_APP_MODEL=MODEL
    )
    assert "problem  picamera2  crashes on import (signal 11)" in done.stdout
    assert "ok       camera" in done.stdout


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
