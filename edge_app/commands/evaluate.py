"""Measure a model on labelled pictures."""

from __future__ import annotations

import importlib.util
import shlex
import sys
import threading
from typing import TYPE_CHECKING

from edge_app.commands import output
from edge_app.commands._model import load
from edge_app.errors import EXIT_OK
from edge_app.secret import masked

if TYPE_CHECKING:
    from edge_app.evaluate.measure import Scored
    from edge_app.model.classifier import Classifier
    from edge_app.records import LabelledPictures
    from edge_app.settings.flags.evaluate import Evaluate


def evaluate(settings: Evaluate, stop: threading.Event) -> int:
    """Run `edge-app evaluate`, one pass over the pictures for each measurement."""
    from edge_app.data import dataset
    from edge_app.evaluate import measure, report
    from edge_app.pictures import degrade

    source = dataset.find(settings.data)
    classifier = load(settings, stop)
    data = source.read("test", classifier.shape).first(settings.limit)
    with output.json_to(settings.json_) as write_json, output.file_to(settings.html) as write_html:
        if write_html:
            report.check_plots()
        direct, degraded, camera = None, {}, {}
        if settings.path in ("both", "direct"):
            with output.progress("direct", len(data.labels)) as progress:
                direct = measure.score(classifier, data, progress=progress)
            for name, change in degrade.STANDARD.items() if settings.degraded else ():
                with output.progress(name, len(data.labels)) as progress:
                    degraded[name] = measure.score(classifier, data, change, progress).accuracy
        for name in ("camera",) if settings.path == "both" else (settings.path,):
            if name != "direct":
                full = measure.camera_path_full if name == "camera-full" else measure.camera_path
                with output.progress(name, len(data.labels)) as progress:
                    camera[name] = full(classifier, data, progress)
        found = report.Report(
            model=classifier.name,
            runtime=classifier.runtime,
            command=shlex.join(["edge-app", *map(masked, sys.argv[1:])]),
            data=data,
            labels=classifier.labels,
            temperature=classifier.card.temperature if classifier.card else 1.0,
            direct=direct,
            float_=_float_scores(classifier, data) if direct else None,
            camera=camera,
            degraded=degraded,
        )
        if settings.json_ != "-":
            print("\n".join(report.to_text(found)))
        if write_json:
            write_json(report.to_json(found))
        if write_html:
            write_html(report.to_html(found))
    return EXIT_OK


def _float_scores(classifier: Classifier, data: LabelledPictures) -> Scored | None:
    """Score the float weights next to a model; None without them or without PyTorch."""
    from edge_app.data import dataset
    from edge_app.evaluate import measure
    from edge_app.model import store

    card = classifier.card
    if card is None or card.weights is None or not store.check_weights(classifier.path, card):
        return None
    if any(importlib.util.find_spec(package) is None for package in ("torch", "safetensors")):
        return None
    from edge_app.train import fit, weights

    network = weights.read(str(classifier.path.with_name(card.weights.name))).network()
    return measure.Scored(fit.logits(network, data.pictures).numpy(), dataset.places(data, classifier.labels))
