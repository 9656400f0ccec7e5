"""Train a network and write it with its card."""

from __future__ import annotations

import shlex
import sys
import threading
from typing import TYPE_CHECKING

from edge_app.commands._model import accuracies
from edge_app.errors import EXIT_OK, DependencyMissing
from edge_app.secret import masked

if TYPE_CHECKING:
    from edge_app.settings.flags.train import Train


def train(settings: Train, stop: threading.Event) -> int:
    """Run `edge-app train`."""
    from edge_app.data import dataset
    from edge_app.model import store

    try:
        from edge_app.train import make
    except ImportError as error:
        raise DependencyMissing(
            f"training needs {error.name}, which is not installed",
            "pip install 'torch==2.13.0', then pip install 'edge-app[train]'",
        ) from error
    command = shlex.join(["edge-app", *map(masked, sys.argv[1:])])
    path = make.make(settings, dataset.find(settings.data), command, stop)
    card = store.read(str(path)).card
    assert card is not None  # noqa: S101  # narrows the type; `make` has just written it
    print(f"{path}: {card.file.bytes:,} bytes, " + ", ".join(accuracies(card)))
    return EXIT_OK
