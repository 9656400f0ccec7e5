"""Compare XNNPACK with plain kernels: tools/kernels_agree.py --data CIFAR10 [--other PYTHON] [MODEL ...].

Run it on ai-edge-litert. It classifies validation pictures of CIFAR-10 with XNNPACK, with plain kernels, and in the
environment of PYTHON, which may have tflite-runtime. For the last two it prints how often they agree with XNNPACK here
on the top label and on the verdict (with the card's temperature and threshold, without smoothing; "unknown" is a
verdict), and how far the raw outputs differ, in quantisation steps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.data import cifar10
from edge_app.model import classifier, store
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision, Rules
from edge_app.settings.sections import ModelOptions
from edge_app.train import data

HEAD = (
    "| model | compared with XNNPACK | same top label | same verdict | largest step | mean step | outputs that differ |"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Outputs of one model for all pictures.

    Attributes:
        steps: (pictures, classes) raw outputs.
        verdicts: (pictures,) label or "unknown".
    """

    steps: np.ndarray[Any, np.dtype[np.int64]]
    verdicts: np.ndarray[Any, np.dtype[np.str_]]


def ask(model: Classifier, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> Answers:
    """Classify every picture on its own."""
    if model.card is None:
        sys.exit(f"{model.path} has no card")
    rules = Rules(model.card.temperature, model.card.thresholds.enter, model.card.thresholds.leave, smoothing_s=0)
    steps, verdicts = [], []
    for picture in pictures:
        steps.append(model.raw(picture))
        verdicts.append(Decision(model.labels, rules).update(model.scores(picture), 0.0).label or "unknown")
    return Answers(np.array(steps, np.int64), np.array(verdicts))


def ask_there(python: str, options: argparse.Namespace, folder: Path) -> dict[str, Answers]:
    """Classify the same pictures in another environment and return its answers by model."""
    words = ["--data", str(options.data), "--pictures", str(options.pictures), "--write", str(folder / "there.npz")]
    subprocess.run([python, __file__, *words, *options.models], check=True)
    with np.load(folder / "there.npz") as there:
        return {name: Answers(there[f"{name} steps"], there[f"{name} verdicts"]) for name in options.models}


def row(name: str, kernels: str, ours: Answers, theirs: Answers) -> str:
    """Return one row of the table."""
    apart = np.abs(ours.steps - theirs.steps)
    label = int((ours.steps.argmax(1) == theirs.steps.argmax(1)).sum())
    verdict, count = int((ours.verdicts == theirs.verdicts).sum()), len(apart)
    return (
        f"| `{name}` | {kernels} | {label:,} of {count:,} | {verdict:,} of {count:,} "
        f"| {apart.max()} | {apart.mean():.2f} | {100 * (apart > 0).mean():.0f} % |"
    )


def compare(options: argparse.Namespace, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        there = ask_there(options.other, options, Path(folder)) if options.other else {}
    notes = []
    print(HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n")
    for name in options.models:
        xnnpack = classifier.load(ModelOptions(model=name))
        if xnnpack.delegation is None or xnnpack.delegation.delegated == 0:
            sys.exit(f"XNNPACK runs no part of {name} on {xnnpack.runtime}; run this on ai-edge-litert")
        ours = ask(xnnpack, pictures)
        plain = ask(classifier.load(ModelOptions(model=name, delegate="none")), pictures)
        print(row(name, "`--delegate none`", ours, plain))
        if name in there:
            print(row(name, "the other environment", ours, there[name]))
            is_same = np.array_equal(there[name].steps, plain.steps)
            said = "are the same, bit for bit" if is_same else "differ"
            notes.append(f"{name}: outputs of --delegate none and of the other environment {said}")
    print(*notes, sep="\n")


def main() -> None:
    """Compare, or write the answers for another environment to compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=store.shipped(), help="shipped models; all by default")
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10's folder or archive")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--other", metavar="PYTHON", help="Python of another environment with edge-app")
    parser.add_argument("--write", type=Path, help="write this environment's answers to a file and print nothing")
    options = parser.parse_args()
    pictures = data.divide(cifar10.read_train(options.data)).validation.pictures[: options.pictures]
    if options.write is None:
        compare(options, pictures)
        return
    found = {name: ask(classifier.load(ModelOptions(model=name)), pictures) for name in options.models}
    arrays = {f"{name} steps": answers.steps for name, answers in found.items()}
    np.savez(options.write, **arrays, **{f"{name} verdicts": answers.verdicts for name, answers in found.items()})


if __name__ == "__main__":
    main()
