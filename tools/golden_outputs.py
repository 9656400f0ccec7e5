"""Write golden outputs into the cards of models: tools/golden_outputs.py MODEL.tflite ...

`edge-app train` does this for a new model; this is for a card that holds XNNPACK's output only. Run it on
ai-edge-litert. A model that fails its self-test is refused; nothing else on a card changes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_app.errors import ModelRefused
from edge_app.model import self_test
from edge_app.model.classifier import Classifier
from edge_app.model.store import read
from edge_app.system import files


def rewrite(path: Path) -> None:
    """Record both outputs of one model and rewrite its card.

    Raises:
        ModelRefused: there is no card, the self-test fails or cannot be run, or XNNPACK runs no part of the model.
    """
    model = read(str(path))
    if model.card is None:
        raise ModelRefused(f"{path} has no card")
    if self_test.check(Classifier(model), model.card.golden).worst_steps is None:
        raise ModelRefused(f"the self-test of {path} cannot be run here; run this on ai-edge-litert")
    golden = self_test.record(model)
    if not golden.operators_delegated:
        raise ModelRefused(f"XNNPACK runs no part of {path} here; run this on ai-edge-litert")
    card = model.card.model_copy(update={"golden": golden})
    files.write(path.with_suffix(".json"), card.model_dump_json(indent=2, exclude_none=True) + "\n")
    print(f"{path.with_suffix('.json')}: written")


def main() -> None:
    """Rewrite the cards of the given models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help=".tflite files with their cards next to them")
    try:
        for path in parser.parse_args().models:
            rewrite(path)
    except ModelRefused as refused:
        sys.exit(f"golden_outputs: {refused}")


if __name__ == "__main__":
    main()
