"""Scores over time become a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.errors import UsageError
from edge_app.model import store
from edge_app.model.card import Card
from edge_app.model.decision import Decision, Rules, probabilities, rules
from edge_app.records import Scores
from edge_app.settings.sections import DecisionOptions

LABELS = ("cat", "dog", "ship")


def logits(*shares: float) -> Scores:
    """Return scores whose softmax is `shares`."""
    return np.log(np.array(shares, np.float32))


CAT, DOG, SHIP = logits(0.9, 0.05, 0.05), logits(0.05, 0.9, 0.05), logits(0.05, 0.05, 0.9)
VAGUE = logits(0.4, 0.3, 0.3)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=10), st.floats(0.1, 10))
def test_probabilities_are_the_softmax_of_scores_over_temperature(scores: list[float], temperature: float) -> None:
    """Probabilities sum to one and equal the definition, at any temperature."""
    found = probabilities(np.array(scores, np.float32), temperature)
    powers = np.exp(np.array(scores) / temperature - max(scores) / temperature)
    assert sum(found) == pytest.approx(1, abs=1e-5)
    assert np.allclose(found, powers / powers.sum(), atol=1e-4)


def test_a_higher_temperature_is_less_sure() -> None:
    """The card's temperature reaches the verdict: doubling it lowers the confidence."""
    shares = [Decision(LABELS, Rules(temperature=t)).update(CAT, 0).top[0][1] for t in (1.0, 2.0)]
    assert shares[0] == pytest.approx(0.9, abs=1e-3)
    assert shares[1] == pytest.approx(0.9**0.5 / (0.9**0.5 + 2 * 0.05**0.5), abs=1e-3)


@given(st.integers(2, 120), st.integers(2, 120), st.floats(0.1, 1.5))
def test_smoothing_does_not_depend_on_the_frame_rate(slow_hz: int, fast_hz: int, after_s: float) -> None:
    """The confidence depends on the time since a scene began, 1 - exp(-t/T), not on the frame rate."""
    expected = 0.05 + 0.85 * (1 - math.exp(-after_s / 0.5))
    for rate_hz in (slow_hz, fast_hz):
        decision = Decision(LABELS, Rules(enter=0, leave=0, smoothing_s=0.5))
        decision.update(CAT, 0.0)
        frames = max(1, round(after_s * rate_hz))
        for number in range(1, frames + 1):
            verdict = decision.update(DOG, after_s * number / frames)
        assert verdict.confidence == pytest.approx(max(expected, 0.95 - expected), abs=2e-3)


@given(st.lists(st.tuples(st.sampled_from([CAT, DOG, SHIP, VAGUE]), st.floats(0, 1.9)), min_size=1, max_size=30))
def test_top_is_this_frame_alone(frames: list[tuple[Scores, float]]) -> None:
    """`top` has the calibrated probabilities of the newest frame alone, best first."""
    decision, now_s = Decision(LABELS, Rules()), 0.0
    for scores, gap_s in frames:
        now_s += gap_s
        shares = probabilities(scores, 1.0)
        top = decision.update(scores, now_s).top
        assert [share for _, share in top] == sorted(shares, reverse=True)
        assert dict(top) == dict(zip(LABELS, shares, strict=True))


@given(st.lists(st.tuples(st.sampled_from([CAT, DOG, SHIP, VAGUE]), st.floats(-3, 3)), min_size=1, max_size=40))
def test_a_label_is_named_only_within_its_thresholds(frames: list[tuple[Scores, float]]) -> None:
    """A label has at least `leave`, a newly named one at least `enter`; without one there is no confidence either."""
    decision, now_s, before = Decision(LABELS, Rules(enter=0.6, leave=0.5)), 0.0, None
    for scores, gap_s in frames:
        now_s += gap_s
        verdict = decision.update(scores, now_s)
        assert (verdict.state == "ok") == (verdict.label is not None) == (verdict.confidence is not None)
        if verdict.confidence is not None:
            assert verdict.confidence >= (0.5 if verdict.label == before else 0.6) - 1e-6
        before = verdict.label


def test_hysteresis_keeps_a_label_between_the_thresholds() -> None:
    """Between leave and enter a named label stays, and an unnamed one stays unnamed."""
    middling, low = logits(0.55, 0.25, 0.2), logits(0.45, 0.3, 0.25)
    decision = Decision(LABELS, Rules(enter=0.6, leave=0.5, smoothing_s=1e-6))
    seen = [decision.update(scores, s).label for s, scores in enumerate([middling, CAT, middling, low, middling])]
    assert seen == [None, "cat", "cat", None, None]


@pytest.mark.parametrize("jump_s", [2.1, 3600.0, -0.5, -3600.0])
def test_a_gap_or_a_jump_back_forgets(jump_s: float) -> None:
    """After a gap longer than `forget_s`, or a jump back in time, earlier frames do not count."""
    decision = Decision(LABELS, Rules(smoothing_s=60))
    for number in range(10):
        decision.update(CAT, 100 + number / 10)
    middling = logits(0.55, 0.25, 0.2)
    assert decision.update(middling, 101 + jump_s).state == "unknown"
    assert Decision(LABELS, Rules(smoothing_s=60)).update(middling, 0).state == "unknown"


def test_thresholds_themselves_count() -> None:
    """A label that has exactly `enter` is named, and one that has exactly `leave` is kept."""
    half = np.zeros(2, np.float32)
    assert Decision(("cat", "dog"), Rules(enter=0.5, leave=0.5)).update(half, 0).label == "cat"
    decision = Decision(("cat", "dog"), Rules(enter=0.6, leave=0.5, smoothing_s=1e-6))
    assert [decision.update(scores, s).label for s, scores in enumerate([logits(0.1, 0.9), half])] == ["dog", "dog"]


@pytest.mark.parametrize("gap_s", [0.0, 2.0])
def test_the_longest_and_the_shortest_gap_are_smoothed_over(gap_s: float) -> None:
    """Two frames of one moment, and two exactly `forget_s` apart, belong together."""
    decision = Decision(LABELS, Rules(smoothing_s=60, forget_s=2.0))
    decision.update(CAT, 1.0)
    assert decision.update(DOG, 1.0 + gap_s).label == "cat"


def test_an_outage_forgets() -> None:
    """An outage has no label, and the first frame after it is judged as if it were the first of all."""
    decision = Decision(LABELS, Rules(smoothing_s=60))
    decision.update(CAT, 0.0)
    during = decision.outage("gone")
    assert (during.state, during.label, during.confidence, during.top) == ("outage", None, None, ())
    assert decision.update(DOG, 0.1).label == "dog"
    decision.outage("gone")
    assert decision.update(logits(0.25, 0.55, 0.2), 0.2).label is None


def test_without_smoothing_each_frame_decides() -> None:
    """With `smoothing_s` 0 each frame is decided alone."""
    decision = Decision(LABELS, Rules(smoothing_s=0))
    assert [decision.update(scores, 0.01 * n).label for n, scores in enumerate([CAT, DOG, VAGUE, SHIP])] == [
        "cat",
        "dog",
        None,
        "ship",
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers_are_unknown_and_forgotten(bad: float) -> None:
    """A float model's NaN or infinity names nothing, and does not stay in the average."""
    decision = Decision(LABELS, Rules())
    verdict = decision.update(np.array([bad, 0, 0], np.float32), 0.0)
    assert verdict.state == "unknown"
    assert all(0 <= share <= 1 for _, share in verdict.top)
    assert decision.update(CAT, 1.9).label == "cat"


CARD = store.read("cifar10-base").card


@pytest.mark.parametrize("card", [CARD, None])
def test_the_card_decides_what_the_settings_leave_open(card: Card | None) -> None:
    """Without a setting the card's temperature and thresholds count, and the usual ones without a card."""
    found = rules(DecisionOptions(), card, True)
    thresholds = card.thresholds if card else Rules()
    assert (found.enter, found.leave) == (thresholds.enter, thresholds.leave)
    assert found.temperature == (card.temperature if card else 1.0)


@pytest.mark.parametrize("card", [CARD, None])
def test_settings_go_over_the_card(card: Card | None) -> None:
    """Each setting counts alone; a lower `enter` takes `leave` down with it."""
    found = rules(DecisionOptions(enter=0.2), card, True)
    assert (found.enter, found.leave) == (0.2, 0.2)
    assert rules(DecisionOptions(leave=0.1), card, True).leave == 0.1
    assert rules(DecisionOptions(enter=0.99), card, True).leave == rules(DecisionOptions(), card, True).leave
    with pytest.raises(UsageError, match=r"--leave 0\.9 is above --enter 0\.8"):
        rules(DecisionOptions(enter=0.8, leave=0.9), card, True)


def test_pictures_that_have_nothing_in_common_are_not_averaged() -> None:
    """A folder of pictures is decided one by one; a camera as the settings say."""
    assert rules(DecisionOptions(smoothing=3), None, False).smoothing_s == 0
    assert rules(DecisionOptions(smoothing=3), None, True).smoothing_s == 3
