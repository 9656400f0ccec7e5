"""Functions for models that several commands share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge_app.settings import sections

if TYPE_CHECKING:
    from edge_app.model.card import Card
    from edge_app.model.classifier import Classifier


def load(options: sections.ModelOptions, stop: threading.Event) -> Classifier:
    """Load the model that the settings name."""
    from edge_app.model import classifier  # loads the runtime

    return classifier.load(options, stop)


def accuracies(card: Card) -> Iterator[str]:
    """Yield each accuracy on a card as "name 90.18%"."""
    for name, share in card.accuracy.model_dump().items():
        if isinstance(share, float):
            yield f"{name} {share:.2%}"
