"""List, show and verify models."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from edge_app.commands import output
from edge_app.commands._model import accuracies, load
from edge_app.errors import EXIT_OK
from edge_app.system.wording import counted

if TYPE_CHECKING:
    from edge_app.model.card import Card
    from edge_app.model.classifier import Classifier
    from edge_app.settings.flags.models import ModelsList, ModelsSchema, ModelsShow, ModelsVerify


def list_models(settings: ModelsList, stop: threading.Event) -> int:
    """Run `edge-app models list`."""
    from edge_app.model import store

    for name in store.shipped():
        model = store.read(name)
        accuracy = model.card.accuracy.test_int8 if model.card else None
        shown = "accuracy not measured" if accuracy is None else f"{accuracy:.2%} on CIFAR-10's test pictures"
        print(f"{name:<18} {len(model.content):>9,} bytes  {shown}")
    return EXIT_OK


def show(settings: ModelsShow, stop: threading.Event) -> int:
    """Run `edge-app models show`."""
    classifier = load(settings, stop)
    card = classifier.card
    facts = {
        "runtime": classifier.runtime,
        "delegate": settings.delegate,
        "operators_delegated": classifier.delegation.delegated if classifier.delegation else None,
        "operators_total": classifier.delegation.total if classifier.delegation else None,
    }
    with output.json_to(settings.json_) as write:
        if write:
            write({"card": card.model_dump() if card else None, "here": facts})
    if settings.json_ != "-":
        _print_model(classifier, card)
    return EXIT_OK


def _print_model(classifier: Classifier, card: Card | None) -> None:
    delegation = classifier.delegation
    rows = [("model", classifier.name), ("input", "{}x{} RGB".format(*reversed(classifier.shape)))]
    if card:
        rows += [
            ("what", card.description),
            ("accuracy", ", ".join(accuracies(card))),
            (
                "size",
                f"{card.file.bytes:,} bytes, {card.training.parameters:,} parameters, {card.training.macs:,} MACs",
            ),
            ("temperature", f"{card.temperature:.3f}"),
            ("thresholds", f"named from {card.thresholds.enter:.2f}, kept down to {card.thresholds.leave:.2f}"),
            (
                "training",
                f"{card.training.recipe}, {counted(card.training.epochs, 'epoch')}, seed {card.training.seed}",
            ),
            ("self-test", f"possible on {card.golden.kernels}"),
            ("license", card.license),
            ("sha256", card.file.sha256),
        ]
    rows += [
        ("labels", ", ".join(classifier.labels)),
        ("runtime", classifier.runtime),
        ("delegated", f"{delegation.operators} run in XNNPACK" if delegation else "unknown"),
    ]
    for name, value in rows:
        print(f"{name:<12} {value}")


def verify(settings: ModelsVerify, stop: threading.Event) -> int:
    """Run `edge-app models verify`."""
    from edge_app.model import self_test, store

    classifier = load(settings, stop)
    card = classifier.card
    print(f"{classifier.name}: loads and runs on {classifier.runtime}, {counted(len(classifier.labels), 'label')}")
    if card is None:
        print("no card: nothing to check its checksum and self-test against")
        return EXIT_OK
    print(f"checksum matches its card; {self_test.check(classifier, card.golden)}")
    if store.check_weights(classifier.path, card):
        print("float weights match its card")
    return EXIT_OK


def schema(settings: ModelsSchema, stop: threading.Event) -> int:
    """Run `edge-app models schema`."""
    from edge_app.model import card

    print(card.json_schema(), end="")
    return EXIT_OK
