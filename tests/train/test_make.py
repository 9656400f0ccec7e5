"""`edge-app train` in a process of its own, as a user runs it, on drawn shapes."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app.data import dataset
from edge_app.errors import RunError
from tests import results, shapes
from tests.full_disk import largest_file
from tests.results import command

EPOCHS = "12"
TIMEOUT_S = 240
ENVIRONMENT = results.environment(Path(tempfile.gettempdir()), CUDA_VISIBLE_DEVICES="", PYTHONUNBUFFERED="1")


def edge_app(*words: str) -> subprocess.CompletedProcess[str]:
    """Run edge-app to its end, as on a machine without a GPU."""
    return results.edge_app(Path(tempfile.gettempdir()), *words, CUDA_VISIBLE_DEVICES="")


def train(data: Path, out: Path, *words: str) -> list[str]:
    """Return the arguments that train a small network on the shapes."""
    return ["train", "--recipe", "nano", "--data", str(data), "--out", str(out), "--epochs", EPOCHS, *words]


@pytest.fixture(scope="module")
def trained(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on 48x48 shapes without interruption; return the .tflite file."""
    out = tmp_path_factory.mktemp("trained")
    done = edge_app(*train(shapes_folder, out, "--size", "48"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and f"epoch {EPOCHS}/{EPOCHS}" in done.stderr
    assert done.stdout.startswith(f"{out}/shapes-nano.tflite: ")
    return out / "shapes-nano.tflite"


def test_three_files_are_made(trained: Path) -> None:
    """Model, card and float weights are written; nothing else is left, not even the checkpoint."""
    assert sorted(path.name for path in trained.parent.iterdir()) == [
        "shapes-nano.json",
        "shapes-nano.safetensors",
        "shapes-nano.tflite",
    ]


def test_the_card_tells_the_truth(trained: Path) -> None:
    """Labels, size and accuracy fit the data; int8 is as good as float; XNNPACK runs the whole graph."""
    card = json.loads(trained.with_suffix(".json").read_text())
    assert card["labels"] == list(shapes.LABELS)
    assert (card["input"]["height_px"], card["input"]["width_px"]) == (48, 48)
    assert card["accuracy"]["test_int8"] > 0.85
    assert abs(card["accuracy"]["test_int8"] - card["accuracy"]["test_float"]) <= 0.06
    assert card["training"]["command"].startswith("edge-app train --recipe nano")
    assert card["weights"]["sha256"] == hashlib.sha256(trained.with_suffix(".safetensors").read_bytes()).hexdigest()
    shown = json.loads(edge_app("models", "show", str(trained), "--json", "-").stdout)
    assert shown["here"]["operators_delegated"] == shown["here"]["operators_total"] > 0
    assert card["golden"]["operators_delegated"] == shown["here"]["operators_total"]


def test_verify_accepts_it_and_evaluate_agrees(trained: Path, shapes_folder: Path) -> None:
    """`models verify` accepts the file on both kinds of kernel; `evaluate` gives the card's accuracy."""
    for delegate, kernels in (("xnnpack", "XNNPACK"), ("none", "plain kernels")):
        verified = edge_app("models", "verify", str(trained), "--delegate", delegate)
        assert verified.returncode == 0 and "checksum matches" in verified.stdout
        assert f"differ by at most 0 steps from the card's for {kernels}" in verified.stdout
    done = edge_app("evaluate", "--model", str(trained), "--data", str(shapes_folder), "--json", "-")
    assert done.returncode == 0, done.stderr
    figures, card = json.loads(done.stdout), json.loads(trained.with_suffix(".json").read_text())
    assert figures["direct"]["accuracy"] == card["accuracy"]["test_int8"]
    assert figures["float"]["accuracy"] == card["accuracy"]["test_float"]


def test_tampered_weights_are_found(trained: Path, tmp_path: Path) -> None:
    """`models verify` checks the float weights too."""
    for path in trained.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "shapes-nano.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    refused = edge_app("models", "verify", str(tmp_path / trained.name))
    assert refused.returncode == 78 and "shapes-nano.safetensors is not the file its card describes" in refused.stderr


def test_run_uses_its_labels_and_size(trained: Path, tmp_path: Path) -> None:
    """Shapes drawn with another seed, as pictures in a folder, get the model's labels."""
    generator = np.random.default_rng(77)
    for index in range(12):
        label = shapes.LABELS[index % 3]
        cv2.imwrite(str(tmp_path / f"{label}{index:02d}.jpg"), shapes.draw(label, 240, generator))
    done = edge_app("run", "--source", str(tmp_path), "--model", str(trained), "--log", "-", "--preview", "none")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    right = sum(line["name"].startswith(line["top"][0][0]) for line in lines)
    assert len(lines) == 12 and right >= 9


def test_killed_in_the_second_epoch_and_resumed(trained: Path, shapes_folder: Path, tmp_path: Path) -> None:
    """After SIGKILL the same command resumes, and its file has the hash of an uninterrupted training's."""
    words = command(*train(shapes_folder, tmp_path, "--size", "48"))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 1/" in line:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, env=ENVIRONMENT, check=False)
    assert done.returncode == 0 and "resuming after epoch" in done.stderr
    assert (tmp_path / trained.name).read_bytes() == trained.read_bytes()
    ours, theirs = (json.loads(path.with_suffix(".json").read_text()) for path in (tmp_path / trained.name, trained))
    ours["training"]["command"] = theirs["training"]["command"] = ""
    assert ours == theirs


def test_ctrl_c_keeps_what_is_done(shapes_folder: Path, tmp_path: Path) -> None:
    """Interrupted, it fails with one line that says what is kept and how to resume, without a traceback."""
    words = command(*train(shapes_folder, tmp_path, "--epochs", "500"))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 2/" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 1
    assert "are kept, the same command resumes from there" in rest and "Traceback" not in rest
    refused = edge_app(*train(shapes_folder, tmp_path, "--epochs", "7"))
    assert refused.returncode == 3 and "belongs to another training (epochs 500, not epochs 7)" in refused.stderr


def test_fine_tuning_goes_on_from_a_shipped_model(shapes_folder: Path, tmp_path: Path) -> None:
    """`--from` takes weights and size; the card says where they came from."""
    done = edge_app(*train(shapes_folder, tmp_path, "--from", "cifar10-nano", "--epochs", "6"))
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "shapes-nano.json").read_text())
    assert card["training"]["origin"].startswith("cifar10-nano, SHA-256 ") and card["input"]["width_px"] == 32
    assert card["accuracy"]["test_int8"] > 0.8


def test_a_last_layer_for_other_labels_learns_at_its_whole_rate(shapes_source: dataset.Source) -> None:
    """Fine-tuning lowers the rates, except for a new last layer; --rate overrides both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from edge_app.train import make, recipes, weights
    recipe = recipes.find("nano")
    start, pictures = weights.read("cifar10-nano"), shapes_source.read("train", (32, 32))
    fitted = make.fitted(recipe, pictures, start)
    assert (fitted.rate, fitted.muon_rate) == (recipe.rate, recipe.muon_rate * make.FINE_TUNING)
    same = make.fitted(recipe, replace(pictures, names=start.labels), start)
    assert (same.rate, same.muon_rate) == (recipe.rate * make.FINE_TUNING, recipe.muon_rate * make.FINE_TUNING)
    told = make.fitted(recipe, pictures, start, 0.5)
    assert (told.rate, told.muon_rate) == (recipe.rate * 0.5, recipe.muon_rate * 0.5)
    assert make.fitted(recipe, pictures, None).rate == recipe.rate


def test_a_full_disk_leaves_the_last_model(tmp_path: Path) -> None:
    """If the second of three new files does not fit on the disk, the old files stay and no partial file is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from edge_app.train import ship
    paths = [tmp_path / f"x.{suffix}" for suffix in ("tflite", "safetensors", "json")]
    for path in paths:
        path.write_bytes(b"old")
    with largest_file(100), pytest.raises(RunError, match="the training is kept, the same command resumes"):
        ship._write({paths[0]: b"new", paths[1]: b"n" * 1000, paths[2]: b"new"})
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert {path.read_bytes() for path in paths} == {b"old"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--recipe", "nanno"], 2, "no recipe is called 'nanno'; did you mean 'nano'?"),
        (["--recipe", "nano", "--device", "cuda"], 2, "--device cuda: PyTorch finds no GPU here"),
        (["--recipe", "nano", "--out", "/proc/nowhere"], 3, "cannot write to /proc/nowhere"),
        (["--recipe", "nano", "--from", "cifar10-base"], 2, "does not fit"),
        (["--recipe", "nano", "--from", "nothing.tflite"], 78, "no model is called 'nothing.tflite'"),
        (["--epochs", "0"], 2, "--epochs: '0' is wrong"),
        (["--data", "/nowhere"], 3, "/nowhere does not exist"),
        (["--reference", "/nowhere.tflite"], 3, "cannot read the reference /nowhere.tflite"),
        (["--reference", __file__], 78, "test_make.py does not load"),
    ],
    ids=["recipe", "device", "out", "other network", "no weights", "epochs", "data", "reference", "no model"],
)
def test_what_a_user_can_get_wrong(words: list[str], code: int, said: str, shapes_folder: Path, tmp_path: Path) -> None:
    """Each mistake gives one line with cause and remedy, no traceback, and the documented exit code."""
    done = edge_app("train", "--data", str(shapes_folder), "--out", str(tmp_path), *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
