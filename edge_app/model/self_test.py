"""The self-test: a model's output on this machine, compared with the golden outputs in its card.

XNNPACK and TFLite's plain kernels round differently, so their outputs for one model are several steps apart. A card
holds both outputs, and each is compared only with the output of the same kind of kernel.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np

from edge_app.errors import ModelRefused
from edge_app.model.card import Golden
from edge_app.model.classifier import Classifier, golden_patch
from edge_app.model.runtime import Delegation
from edge_app.model.store import Model
from edge_app.settings.sections import ModelOptions
from edge_app.system.wording import counted


@dataclass(frozen=True, slots=True)
class Outcome:
    """A self-test that did not fail.

    Attributes:
        kernels: the kernels that ran the model, in words.
        worst_steps: the largest difference from the card's output, in quantisation steps; None if the card holds no
            output of these kernels to compare with.
    """

    kernels: str
    worst_steps: int | None

    def __str__(self) -> str:
        """Return it as part of a sentence."""
        if self.worst_steps is None:
            return f"no self-test: the card holds no outputs of {self.kernels}"
        steps = counted(self.worst_steps, "step")
        return f"self-test: outputs differ by at most {steps} from the card's for {self.kernels}"


def check(classifier: Classifier, golden: Golden) -> Outcome:
    """Run the self-test of a card.

    Raises:
        ModelRefused: the outputs differ by more than the card allows, or in number.
    """
    found = classifier.raw(golden_patch(classifier.shape)).astype(np.float64)  # exact for 8-bit steps; floats stay
    for output in (golden.output, golden.output_plain):
        if output is not None and len(output) != len(found):
            raise ModelRefused(
                f"the card of {classifier.path} holds {counted(len(output), 'golden output')}, "
                f"but the model has {len(found)}",
                "restore the card that came with the model",
            )
    kernels = _in_words(classifier.delegation)
    wanted = comparable(golden, classifier.delegation)
    if not wanted:
        return Outcome(kernels, None)
    difference = min(float(np.abs(found - np.array(output, np.float64)).max()) for output in wanted)
    worst = math.ceil(difference) if math.isfinite(difference) else sys.maxsize  # NaN is within no tolerance
    if worst > golden.tolerance:
        raise ModelRefused(
            f"{classifier.path}: self-test failed: outputs of {classifier.runtime} on {kernels} differ from the card's "
            f"by up to {counted(worst, 'step')} (allowed {golden.tolerance})",
            _remedy(classifier, golden),
        )
    return Outcome(kernels, worst)


def comparable(golden: Golden, delegation: Delegation | None) -> tuple[list[int], ...]:
    """Return the card's outputs for these kernels, one of which must match; empty if the card holds none.

    The kernels that ran decide, not those requested: tflite-runtime delegates no operator of an int8 model to XNNPACK.
    Plain kernels run the operators that XNNPACK does not, so the card's output is comparable only if XNNPACK ran the
    same number of operators for it. Older cards lack this number; it is then not checked.
    """
    plain = () if golden.output_plain is None else (golden.output_plain,)
    if delegation is None:  # Either kind may have run, so only a card with both outputs can be compared.
        return (golden.output, *plain) if plain else ()
    if delegation.delegated == 0:
        return plain
    return (golden.output,) if golden.operators_delegated in (None, delegation.delegated) else ()


def record(model: Model) -> Golden:
    """Run a model on XNNPACK and on plain kernels, and return the golden outputs for its card.

    Raises:
        ModelRefused: see `Classifier`.
        DependencyMissing: no runtime is installed.
    """
    xnnpack, plain = Classifier(model), Classifier(model, ModelOptions(delegate="none"))
    patch = golden_patch(xnnpack.shape)
    return Golden(
        output=[int(step) for step in xnnpack.raw(patch)],
        output_plain=[int(step) for step in plain.raw(patch)],
        operators_delegated=xnnpack.delegation.delegated if xnnpack.delegation else None,
    )


def _in_words(delegation: Delegation | None) -> str:
    if delegation is None:
        return "the kernels"
    if delegation.delegated == 0:
        return "plain kernels"
    if delegation.delegated == delegation.total:
        return "XNNPACK"
    return f"XNNPACK for {delegation.operators}"


def _remedy(classifier: Classifier, golden: Golden) -> str:
    """Suggest a remedy: plain kernels only if XNNPACK failed and the card can check the plain kernels."""
    other = "install another version of ai-edge-litert"
    delegation = classifier.delegation
    if delegation is None or delegation.delegated == 0 or golden.output_plain is None:
        return other
    return f"{other}, or use --delegate none if 'edge-app models verify' passes with it"
