"""Turns scores over time into a verdict: calibration, smoothing over seconds, hysteresis, "unknown"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_app.errors import UsageError
from edge_app.model.card import Card
from edge_app.records import Scores, Verdict
from edge_app.settings.sections import DecisionOptions

TOP = 3


@dataclass(frozen=True, slots=True)
class Rules:
    """How scores become a label.

    Attributes:
        temperature: divides the logits before softmax (Guo et al. 2017, "On Calibration of Modern Neural Networks").
        enter: smoothed probability at which a label is named.
        leave: smoothed probability below which it is no longer named; at most `enter`.
        smoothing_s: time constant of the exponential average; 0 decides on each frame alone.
        forget_s: a longer gap between frames resets the average.
    """

    temperature: float = 1.0
    enter: float = 0.6
    leave: float = 0.5
    smoothing_s: float = 0.5
    forget_s: float = 2.0


def rules(options: DecisionOptions, card: Card | None, is_sequence: bool) -> Rules:
    """Return the rules from the settings, with defaults from the model's card.

    Args:
        options: the settings.
        card: the model's card, if it has one.
        is_sequence: neighbouring frames show the same scene; otherwise they are not averaged.

    Raises:
        UsageError: a label would be dropped as soon as it is named.
    """
    usual = Rules()
    temperature = card.temperature if card else usual.temperature
    enter, leave = (card.thresholds.enter, card.thresholds.leave) if card else (usual.enter, usual.leave)
    enter = enter if options.enter is None else options.enter
    # A lower --enter also lowers the card's leave; otherwise --enter alone could be refused.
    leave = min(enter, leave) if options.leave is None else options.leave
    if leave > enter:
        raise UsageError(
            f"--leave {leave} is above --enter {enter}: a label would be dropped as soon as it is named",
            f"choose --leave {enter} or lower",
        )
    return Rules(temperature, enter, leave, options.smoothing if is_sequence else 0.0)


def probabilities(scores: Scores, temperature: float) -> list[float]:
    """Return the temperature-scaled softmax of (classes,) logits; uniform if they are not finite.

    Python floats, here and below: for ten classes they are faster than the overhead of numpy.
    """
    logits = scores.tolist()
    best = max(logits)
    powers = [math.exp((logit - best) / temperature) for logit in logits]
    total = sum(powers)
    if not math.isfinite(total):
        # A float model may output NaN, which must not enter the average over time.
        return [1 / len(powers)] * len(powers)
    return [power / total for power in powers]


class Decision:
    """The smoothed probabilities of one source and the label currently named.

    Args:
        labels: one for each score.
        rules: how to decide.
    """

    def __init__(self, labels: Sequence[str], rules: Rules) -> None:
        self._labels, self.rules = tuple(labels), rules
        self._smoothed: list[float] | None = None
        self._last_s = 0.0
        self._named: int | None = None

    def update(self, scores: Scores, stream_s: float) -> Verdict:
        """Add the scores of one frame and return the new verdict.

        Args:
            scores: (classes,) float32 logits.
            stream_s: `Frame.stream_s`, seconds.
        """
        current = probabilities(scores, self.rules.temperature)
        smoothed = self._smoothed = self._smooth(current, stream_s)
        self._named = self._choose(smoothed)
        top = self._top(current)
        if self._named is None:
            return Verdict("unknown", None, None, top)
        return Verdict("ok", self._labels[self._named], smoothed[self._named], top)

    def outage(self, reason: str) -> Verdict:
        """Discard the history: frames before an outage say nothing about the scene after it."""
        self._smoothed = self._named = None
        return Verdict("outage", None, None, reason=reason)

    def _smooth(self, current: list[float], stream_s: float) -> list[float]:
        gap_s, self._last_s = stream_s - self._last_s, stream_s
        previous = self._smoothed
        if previous is None or self.rules.smoothing_s <= 0 or not 0 <= gap_s <= self.rules.forget_s:
            self._named = None
            return current
        # Exact at any frame rate: a first-order low-pass filter, sampled gap_s after its previous value.
        kept = math.exp(-gap_s / self.rules.smoothing_s)
        new = 1 - kept
        return [kept * then + new * now for then, now in zip(previous, current, strict=True)]

    def _choose(self, smoothed: list[float]) -> int | None:
        highest = max(smoothed)
        if highest >= self.rules.enter:
            return smoothed.index(highest)
        named = self._named
        return named if named is not None and smoothed[named] >= self.rules.leave else None

    def _top(self, current: list[float]) -> tuple[tuple[str, float], ...]:
        order = sorted(
            range(len(current)), key=current.__getitem__, reverse=True
        )  # stable: ties keep the order of the labels
        return tuple([(self._labels[place], current[place]) for place in order[:TOP]])
