"""One training, from recipe and pictures to a model ready to ship: `edge-app train`."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import nn

from edge_app.data import dataset
from edge_app.errors import StartError, UsageError
from edge_app.model import trial
from edge_app.model.store import Model
from edge_app.records import LabelledPictures
from edge_app.settings.flags.train import Train
from edge_app.settings.sections import ModelOptions
from edge_app.system import files, process
from edge_app.train import data, fit, recipes, ship, weights
from edge_app.train.architectures import Exported, Network
from edge_app.train.checkpoint import Checkpoint
from edge_app.train.recipes import Recipe

log = logging.getLogger(__name__)

USUAL_SIDE_PX = 32
PREPARING = 5000  # pictures of 32x32, or as many pixels, to initialise a network's first layer from
# Share of the peak rates: a user's pictures are few, and should change a good network only a little.
FINE_TUNING = 0.2


def make(settings: Train, source: dataset.Source, command: str, stop: threading.Event) -> Path:
    """Train, quantise and measure; write NAME.tflite, NAME.json and NAME.safetensors.

    Args:
        settings: settings of `edge-app train`.
        source: the data set.
        command: command line, for the card.
        stop: stops the training when set; finished epochs are kept.

    Returns:
        Path of the .tflite file.

    Raises:
        UsageError: no such recipe or device, or the weights to start from do not fit the network.
        ModelRefused: weights or a reference are missing, damaged or cannot be run.
        DataError: pictures are missing, damaged or too few.
        StartError: the folder cannot be written, or holds another training.
        RunError: stopped, or the disk is full.
    """
    recipe, device = recipes.find(settings.recipe), _device(settings.device)
    start = weights.read(settings.from_) if settings.from_ else None
    side_px = settings.size or (start.shape[0] if start else USUAL_SIDE_PX)
    split = data.divide(source.read("train", (side_px, side_px)))
    # Test pictures are read only after the training, but a fault in them must not waste it.
    source.check_test(split.train.names)
    references = {path.name: _read_reference(path, stop) for path in settings.reference}
    recipe = fitted(recipe, split.train, start, settings.rate)
    plan = fit.Plan(recipe, settings.epochs or recipe.epochs, settings.seed, device, stop)
    name = settings.name or f"{source.title}-{recipe.name}"
    checkpoint = Checkpoint(_writable(settings.out) / f"{name}.checkpoint", identity(plan, split, start))
    if settings.restart:
        checkpoint.remove()

    _settle_torch(settings)
    network = _begin(recipe, split.train, start)
    teacher = _teacher(recipe.teacher, device) if recipe.teacher else None
    trained = fit.fit(plan, network, split, checkpoint, teacher)
    process.die_on_signals(stop)  # safe now: all epochs are saved, and files are replaced atomically
    facts = ship.Facts(name, plan, source, references, command, _origin(start))
    path = ship.ship(trained, split, facts, settings.out)
    # Last: if shipping fails, the same command resumes from the end of the training.
    checkpoint.remove()
    return path


def _origin(start: weights.Weights | None) -> str | None:
    """Return name and checksum of the weights a training started from; the name may mean another file later."""
    if start is None:
        return None
    return f"{start.path.stem}, SHA-256 {hashlib.sha256(start.path.read_bytes()).hexdigest()[:16]}..."


def fitted(
    recipe: Recipe, pictures: LabelledPictures, start: weights.Weights | None, rate: float | None = None
) -> Recipe:
    """Adapt a recipe: smaller batches for few pictures, smaller steps from trained weights.

    A teacher for other labels or another size of pictures is dropped, with a warning.
    """
    count = len(pictures.labels)
    # At least twenty steps an epoch, but at least 16 pictures a batch: batch normalisation needs them.
    recipe = replace(recipe, batch=min(recipe.batch, max(16, count // 20), count))
    share = rate or (FINE_TUNING if start else 1.0)
    # The last layer for new labels starts untrained, and AdamW trains it: keep AdamW's full rate.
    is_new_task = start is not None and rate is None and start.labels != pictures.names
    recipe = replace(recipe, rate=recipe.rate * (1.0 if is_new_task else share), muon_rate=recipe.muon_rate * share)
    if recipe.teacher:
        teacher = weights.read(recipe.teacher)
        if (teacher.labels, teacher.shape) != (pictures.names, pictures.pictures.shape[1:3]):
            log.warning(
                "trained without its teacher: %s knows other labels or pictures of another size", recipe.teacher
            )
            recipe = replace(recipe, teacher=None)
    return recipe


def _begin(recipe: Recipe, pictures: LabelledPictures, start: weights.Weights | None) -> Network:
    network = recipe.build(len(pictures.names), pictures.pictures.shape[1:3])
    if start:
        weights.take_over(network, start, pictures.names)
    else:
        side_px = pictures.pictures.shape[1]
        step = max(1, len(pictures.labels) * side_px**2 // (PREPARING * USUAL_SIDE_PX**2))
        network.prepare(fit.to_tensor(pictures.pictures[::step]))
    return network


def _teacher(name: str, device: str) -> nn.Module:
    # Folding saves a third of the passes over memory.
    return Exported(weights.read(name).network()).to(device, memory_format=torch.channels_last)


def _device(wanted: str) -> str:
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no GPU here", "use --device cpu")
    return wanted


def _settle_torch(settings: Train) -> None:
    """Make PyTorch deterministic and fast."""
    torch.manual_seed(settings.seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    # Some GPU operations have no deterministic form: there a warning must do.
    torch.use_deterministic_algorithms(True, warn_only=settings.device != "cpu")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if sys.platform == "linux":
        # Keep freed memory instead of returning it to the kernel after every step: the page faults cost a training in
        # a virtual machine nine tenths of its speed. M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of malloc.h.
        libc = ctypes.CDLL(None)
        for option in (-1, -2, -3):
            getattr(libc, "mallopt", lambda *_: 0)(option, 2**30)


def _read_reference(path: Path, stop: threading.Event) -> bytes:
    """Read a model to compare with, and check before training that it runs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(f"cannot read the reference {path}: {error.strerror}", "name a .tflite file") from error
    trial.try_in_child(Model(path.stem, path, content, "", (), None), ModelOptions(), stop)
    return content


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.check(folder / ".probe")  # never created, so any name does
    except OSError as error:
        raise StartError(f"cannot write to {folder}: {error.strerror}", "name another folder with --out") from error
    return folder


def identity(plan: fit.Plan, split: data.Split, start: weights.Weights | None) -> dict[str, str]:
    """Return the facts that define a training; a checkpoint that differs in one belongs to another training."""
    recipe = {field.name: getattr(plan.recipe, field.name) for field in fields(plan.recipe)}
    recipe["build"] = getattr(plan.recipe.build, "keywords", None)  # the repr of a partial contains an address
    teacher = plan.recipe.teacher
    return {
        "recipe": repr(recipe),
        "teacher": hashlib.sha256(weights.find(teacher).read_bytes()).hexdigest()[:16] if teacher else "nobody",
        "epochs": str(plan.epochs),
        "seed": str(plan.seed),
        "device": plan.device,
        "pictures": split.train.digest[:16],
        "from": hashlib.sha256(start.path.read_bytes()).hexdigest()[:16] if start else "nothing",
    }
