"""The library's face: `edge_app.classify`, `edge_app.Classifier`, `edge_app.watch`."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

import edge_app
from edge_app import library
from edge_app.errors import DependencyMissing, ModelRefused, PictureError, UsageError
from edge_app.sources.synthetic.film import Film
from tests.conftest import DATA, ROOT
from tests.results import environment

PAGE = (ROOT / "docs" / "library.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GREEN = np.full((20, 30, 3), (0, 255, 0), np.uint8)


def script(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run a script that uses the library."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Make the pictures that the page speaks of, drawn."""
    drawn = cv2.cvtColor(Film(0, (160, 120), 30).frame_pixels(40), cv2.COLOR_RGB2BGR)
    (tmp_path / "pictures").mkdir()
    for name in ("cat.jpg", "pictures/a.jpg", "pictures/b.jpg"):
        cv2.imwrite(str(tmp_path / name), drawn)
    return tmp_path


def test_the_page_has_three_examples() -> None:
    """The examples below are those of the page."""
    assert [len(code.splitlines()) > 3 for code in EXAMPLES] == [True, True, True]


@pytest.mark.parametrize("code", EXAMPLES, ids=["one", "many", "camera"])
def test_the_examples_of_the_page_run(code: str, pictures: Path) -> None:
    """Each example prints what it says; the camera is the synthetic one here, and ends."""
    done = script(pictures, code.replace('watch("webcam", rate=5)', 'watch("synthetic", rate=5, frames=3)'))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) in (2, 3)


def test_one_picture_by_path_and_by_pixels(tmp_path: Path) -> None:
    """A file and its pixels give the same verdict; probabilities come with the label."""
    cv2.imwrite(str(tmp_path / "green.png"), GREEN)
    model = edge_app.Classifier(DATA / "mean_int8_unit.tflite", labels=DATA / "rgb.txt", enter=0.4)
    verdicts = [model(tmp_path / "green.png"), model(str(tmp_path / "green.png")), model(GREEN)]
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert (verdicts[0].state, verdicts[0].label, verdicts[0].top[0][0]) == ("ok", "green", "green")
    assert verdicts[0].confidence == verdicts[0].top[0][1]
    assert model.labels == ("red", "green", "blue")


def test_pictures_do_not_influence_each_other() -> None:
    """A verdict is of its picture alone, whatever came before."""
    model = edge_app.Classifier(DATA / "mean_int8_unit.tflite", labels=DATA / "rgb.txt", enter=0.4)
    red = np.full((20, 30, 3), (255, 0, 0), np.uint8)
    alone = model(red)
    for _ in range(5):
        model(GREEN)
    assert model(red) == alone


def test_a_crop_is_respected() -> None:
    """`crop` decides what the model sees."""
    halves = np.hstack([np.full((20, 20, 3), (255, 0, 0), np.uint8), np.full((20, 20, 3), (0, 0, 255), np.uint8)])
    settings = {"labels": DATA / "rgb.txt", "enter": 0.4}
    seen = [
        edge_app.Classifier(DATA / "mean_int8_unit.tflite", crop=crop, **settings)(halves).label
        for crop in ("0,0,20,20", [20, 0, 20, 20])
    ]
    assert seen == ["red", "blue"]


def test_models_stay_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`classify` loads a model once, not for each picture."""
    library._loaded.cache_clear()
    loads: list[str] = []
    real = library.classifier.load
    monkeypatch.setattr(
        library.classifier, "load", lambda options, stop: loads.append(options.model) or real(options, stop)
    )
    for _ in range(3):
        edge_app.classify(GREEN, "cifar10-nano")
    assert loads == ["cifar10-nano"]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: edge_app.classify("nowhere.jpg"), PictureError, "No such file"),
        (lambda: edge_app.classify(np.zeros((4, 4, 3), np.float32)), ValueError, "float32"),
        (lambda: edge_app.Classifier("cifar10-bsae"), ModelRefused, "did you mean 'cifar10-base'"),
        (lambda: edge_app.Classifier(entr=0.5), UsageError, "'entr'; did you mean 'enter'"),
        (lambda: edge_app.Classifier(enter=2), UsageError, "enter: 2"),
        (lambda: edge_app.watch("syntetic"), UsageError, "did you mean 'synthetic'"),
        (lambda: edge_app.watch("synthetic", log="x"), UsageError, "'log'"),
        (lambda: edge_app.watch("synthetic", rate="often"), UsageError, "rate: 'often'"),
    ],
    ids=str,
)
def test_errors_say_what_and_what_to_try(make: object, error: type[Exception], says: str) -> None:
    """Every mistake is an EdgeAppError with both texts, also of the type that Python programmers expect."""
    assert callable(make)
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, edge_app.EdgeAppError)
    assert says in str(caught.value)
    for one in caught.value.each:
        assert one.what and (one.remedy or isinstance(one, PictureError))


def test_a_script_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a wrong variable nor a settings file changes what a script does."""
    monkeypatch.setenv("EDGE_APP_NONSENSE", "1")
    monkeypatch.setenv("EDGE_APP_MODEL", "nothing")
    with edge_app.watch("synthetic:free", model="cifar10-nano", frames=2) as results:
        assert [result.frame for result in results] == [0, 1]


def test_watch_counts_paces_and_ends() -> None:
    """`frames` ends it; results are those of the log."""
    with edge_app.watch("synthetic:free", model="cifar10-nano", frames=5) as results:
        found = list(results)
    assert [result.frame for result in found] == [0, 1, 2, 3, 4]
    assert all(result.source == "synthetic:free" and result.truth for result in found)
    assert list(results) == []


ENDS: Sequence[str] = (
    "for result in edge_app.watch('synthetic'): break",
    "results = edge_app.watch('synthetic'); next(results)",
    "results = edge_app.watch('synthetic'); next(results); results.close(); results.close()",
    "next(edge_app.watch('synthetic:jpeg'))",
)


@pytest.mark.parametrize("code", ENDS)
def test_a_script_that_leaves_a_camera_open_ends_cleanly(code: str, tmp_path: Path) -> None:
    """Collected or at exit, the camera is given back: exit code 0 and not a word."""
    for _ in range(2):
        done = script(tmp_path, f"import edge_app\n{code}")
        assert (done.returncode, done.stderr) == (0, "")


def test_names_are_looked_up_late() -> None:
    """`dir` shows the face without loading it, and what is not there says so."""
    code = "import edge_app, sys; print(set(edge_app.__all__) <= set(dir(edge_app)), 'numpy' in sys.modules)"
    assert script(Path(), code).stdout.split() == ["True", "False"]
    with pytest.raises(AttributeError, match="nonsense"):
        _ = edge_app.nonsense  # type: ignore[attr-defined]


def test_a_missing_runtime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a runtime the error names what to install."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(DependencyMissing, match="pip install ai-edge-litert"):
        edge_app.Classifier()


def test_a_relative_model_is_that_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`classify` keeps models loaded, but not across folders."""
    seen: list[str] = []
    monkeypatch.setattr(library, "Classifier", lambda model: seen.append(model) or (lambda picture: None))
    library._loaded.cache_clear()
    for folder in ("a", "b", "a"):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        edge_app.classify(GREEN, "x.tflite")
    assert seen == ["x.tflite", "x.tflite"]
    library._loaded.cache_clear()


def test_paths_serve_where_text_does() -> None:
    """Source and model of `watch` may be paths."""
    with edge_app.watch(Path("synthetic:free"), model=Path("cifar10-nano"), frames=1) as results:
        assert len(list(results)) == 1


def test_two_threads_share_the_results_of_a_source() -> None:
    """Each result goes to one of them, and neither ends the other's loop."""
    found: list[int] = []
    with edge_app.watch("synthetic:free", model="cifar10-nano", frames=40) as results:
        threads = [threading.Thread(target=lambda: found.extend(r.frame for r in results)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(40))
