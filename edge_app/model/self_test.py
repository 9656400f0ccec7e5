"""The self-test: what a model computes on this machine, compared with the outputs that its card holds.

XNNPACK and TFLite's plain kernels round differently, so that one model gives two outputs, several steps apart. A card
holds both, and each is compared only with what the same kind of kernel computes.
"""

from __future__ import annotations

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
        kernels: what ran the model, in words.
        worst_steps: the largest difference from the card's output, in quantisation steps; None where the card holds
            no output of these kernels, so that nothing could be compared.
    """

    kernels: str
    worst_steps: int | None

    def __str__(self) -> str:
        """Return it as half a sentence."""
        if self.worst_steps is None:
            return f"no self-test: the card holds no outputs of {self.kernels}"
        steps = counted(self.worst_steps, "step")
        return f"self-test: outputs differ by at most {steps} from the card's for {self.kernels}"


def check(classifier: Classifier, golden: Golden) -> Outcome:
    """Run the self-test of a card.

    Raises:
        ModelRefused: outputs differ by more than the card allows, or the card's are not as many as the model's.
    """
    found = classifier.raw(golden_patch(classifier.shape)).astype(np.int64)
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
    worst = min(int(np.abs(found - np.array(output)).max()) for output in wanted)
    if worst > golden.tolerance:
        raise ModelRefused(
            f"{classifier.path}: self-test failed: outputs of {classifier.runtime} on {kernels} differ from the card's "
            f"by up to {counted(worst, 'step')} (allowed {golden.tolerance})",
            _remedy(classifier, golden),
        )
    return Outcome(kernels, worst)


def comparable(golden: Golden, delegation: Delegation | None) -> tuple[list[int], ...]:
    """Return the outputs of a card that these kernels must give, any one of them; none where the card holds none.

    What ran decides, not what was asked for: tflite-runtime gives XNNPACK no operator of an int8 model. Where XNNPACK
    runs a part, plain kernels run the rest, so the card's output counts only if XNNPACK ran as many operators for it.
    An older card does not say how many, and is taken at its word.
    """
    plain = () if golden.output_plain is None else (golden.output_plain,)
    if delegation is None:  # either kind may have run; a card with both covers both
        return (golden.output, *plain) if plain else ()
    if delegation.delegated == 0:
        return plain
    return (golden.output,) if golden.operators_delegated in (None, delegation.delegated) else ()


def record(model: Model) -> Golden:
    """Run a model on XNNPACK and on plain kernels, and return what a card must hold for the self-test.

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
    """Say what to try: plain kernels only where others failed, and where the card can tell whether they are right."""
    other = "install another version of ai-edge-litert"
    delegation = classifier.delegation
    if delegation is None or delegation.delegated == 0 or golden.output_plain is None:
        return other
    return f"{other}, or use --delegate none if 'edge-app models verify' passes with it"
