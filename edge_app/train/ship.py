"""Turns a trained network into the shipped files: int8 model, float weights, and a card measured on both."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edge_app.bench import inference
from edge_app.data import cifar10, dataset
from edge_app.errors import RunError
from edge_app.evaluate import measure
from edge_app.model import calibration, self_test
from edge_app.model.card import Accuracy, CalibrationError, Card, FileFacts, InputFacts, Latency, Training
from edge_app.model.classifier import Classifier
from edge_app.model.store import Model
from edge_app.pictures import degrade
from edge_app.records import LabelledPictures
from edge_app.system import files
from edge_app.train import fit, quantise, weights
from edge_app.train.architectures import Exported, Network, count_macs
from edge_app.train.data import Split

log = logging.getLogger(__name__)

CALIBRATING = 500  # training pictures, about, to measure the ranges of the activations on


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a training for its card.

    Attributes:
        name: name of the model.
        plan: plan of the training.
        source: data set; its test pictures are read here, once.
        references: contents of .tflite files to compare the latency with, by name.
        command: command line.
        origin: weights that the training started from; None for a new network.
    """

    name: str
    plan: fit.Plan
    source: dataset.Source
    references: Mapping[str, bytes]
    command: str
    origin: str | None = None


def ship(network: Network, split: Split, facts: Facts, out: Path) -> Path:
    """Quantise a network, measure it, and write NAME.tflite, NAME.safetensors and NAME.json.

    Returns:
        Path of the .tflite file.

    Raises:
        RunError: a file cannot be written.
    """
    # First of all: the int8 model must come from the same rounded weights as the float file.
    weights.round_to_shipped(network)
    exported = Exported(network)
    labels, shape = split.train.names, split.train.pictures.shape[1:3]
    log.warning("%s: quantising", facts.name)
    calibrating = calibration_pictures(split.train)
    converted = quantise.to_float_tflite(exported, shape)
    quantise.check(converted, exported, calibrating[:16])
    int8 = quantise.to_int8(converted, calibrating)
    float_ = weights.serialise(network, facts.plan.recipe.name, labels, shape)
    log.warning("%s: measuring", facts.name)
    card = describe(exported, int8, float_, split, facts)
    path = out / card.file.name
    text = card.model_dump_json(indent=2, exclude_none=True) + "\n"
    # The card last: a model without a card is untrusted, one with another model's card is refused.
    _write({path: int8, path.with_suffix(weights.SUFFIX): float_, path.with_suffix(".json"): text.encode()})
    return path


def _write(contents: dict[Path, bytes]) -> None:
    """Write all files before replacing any: a full disk leaves the previous model intact."""
    try:
        with files.replacing(*contents) as opened:
            for file, content in zip(opened, contents.values(), strict=True):
                file.write(content)
    except OSError as error:
        raise RunError(
            f"cannot write {error.filename or next(iter(contents)).parent}: {error.strerror}",
            "the training is kept, the same command resumes from its end",
        ) from error


def calibration_pictures(data: LabelledPictures) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return about five hundred training pictures, spread evenly over the data set."""
    return data.pictures[:: max(1, len(data.pictures) // CALIBRATING)]


def describe(exported: Exported, int8: bytes, float_: bytes, split: Split, facts: Facts) -> Card:
    """Measure a quantised network and write its card; temperature and thresholds come from the validation pictures."""
    labels, shape = split.train.names, split.train.pictures.shape[1:3]
    file = _facts_of(f"{facts.name}.tflite", int8)
    model = Model(facts.name, Path(file.name), int8, file.sha256, labels, None)
    classifier = Classifier(model)
    held_out = measure.score(classifier, split.validation)
    temperature, thresholds = calibration.fit(held_out.logits, held_out.labels)
    plan = facts.plan
    return Card(
        name=facts.name,
        description=f"{plan.recipe.description}; {len(labels)} classes",
        license="MIT" if facts.source.is_cifar10 else "not stated: it depends on the pictures",
        file=file,
        weights=_facts_of(f"{facts.name}{weights.SUFFIX}", float_),
        input=InputFacts(height_px=shape[0], width_px=shape[1], low=0, high=255),
        output="logits",
        labels=list(labels),
        temperature=temperature,
        thresholds=thresholds,
        accuracy=Accuracy(
            validation_float=fit.accuracy(exported, split.validation),
            validation_int8=held_out.accuracy.share,
            **_test_figures(exported, classifier, facts.source),
        ),
        calibration_error=_calibration_error(held_out, temperature),
        latency=_latency(int8, facts.references),
        training=Training(
            recipe=plan.recipe.name,
            command=facts.command,
            data=f"{facts.source.title}, {len(split.train.labels):,} of the training pictures; "
            f"validation on the other {len(split.validation.labels):,}",
            data_sha256=split.train.digest,
            data_md5={name: cifar10.CHECKSUMS[name] for name in cifar10.TRAIN_FILES} if facts.source.is_cifar10 else {},
            epochs=plan.epochs,
            seed=plan.seed,
            parameters=sum(weight.numel() for weight in exported.parameters()),
            macs=count_macs(exported, shape),
            origin=facts.origin,
            teacher=plan.recipe.teacher,
        ),
        golden=self_test.record(model),
    )


def _facts_of(name: str, content: bytes) -> FileFacts:
    return FileFacts(name=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _calibration_error(scored: measure.Scored, temperature: float) -> CalibrationError:
    before, after = (
        calibration.reliability(calibration.softmax(scored.logits, t), scored.labels).error for t in (1.0, temperature)
    )
    return CalibrationError(before=round(before, 4), after=round(after, 4))


def _test_figures(exported: nn.Module, classifier: Classifier, source: dataset.Source) -> dict[str, Any]:
    """Measure both networks on the test pictures, read here once; return nothing without test pictures."""
    if not source.has_test():
        return {}
    test = source.read("test", classifier.shape)
    return {
        "test_float": fit.accuracy(exported, test),
        "test_int8": measure.score(classifier, test).accuracy.share,
        "test_int8_camera_path": measure.camera_path(classifier, test).share,
        "test_int8_degraded": {
            name: measure.score(classifier, test, change).accuracy.share for name, change in degrade.STANDARD.items()
        },
    }


def _latency(int8: bytes, references: Mapping[str, bytes]) -> list[Latency]:
    """Measure the latency compared with each reference, in turns, on one thread."""
    return [
        Latency(reference=name, ratio=round(inference.ratio(int8, content), 2)) for name, content in references.items()
    ]
