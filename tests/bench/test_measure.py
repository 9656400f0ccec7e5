"""Measuring the pipeline and its yardsticks."""

from __future__ import annotations

import numpy as np
import pytest

from edge_app.bench import frames, measure, outlets
from edge_app.bench.classic import Classic, entropy
from edge_app.bench.frames import Reel, Replay
from edge_app.bench.measure import Turn, Way
from edge_app.errors import DataError
from edge_app.metering import STAGES, TOTAL
from edge_app.model import classifier, store
from edge_app.pictures import preprocess
from edge_app.settings.choices import DelegateName, FrameKind, Outlet
from edge_app.settings.sections import ModelOptions
from edge_app.sources import Source

MODEL = "cifar10-nano"


@pytest.fixture(scope="module")
def reel() -> Reel:
    """Draw small frames once."""
    return frames.drawn("jpeg", (320, 240))


def ours(reel: Reel, delegate: DelegateName = "xnnpack", sinks: tuple[Outlet, ...] = ()) -> Way:
    """Return the way through the pipeline."""

    def replay(count: int) -> Source:
        return Replay(reel, count)

    loaded = classifier.load(ModelOptions(model=MODEL, delegate=delegate))
    return measure.through_pipeline(loaded, replay, lambda: outlets.opened(sinks))


def test_every_stage_of_every_case_is_measured(reel: Reel) -> None:
    """Two delegates on the same frames: all frames of all repetitions count, stages add up, the bar advances."""
    cases = {"xnnpack": ours(reel), "none": ours(reel, "none")}
    told: list[int] = []
    found = measure.in_turns(cases, 50, 2, told.append, turn=20)
    assert [each.name for each in found] == ["xnnpack", "none"]
    assert told == [20, 20, 20, 20, 10, 10] * 2
    for each in found:
        assert each.frames == 100 and list(each.stages) == [*STAGES, TOTAL] and not each.is_yardstick
        total = each.stages[TOTAL]
        assert 0 < total.p50 <= total.p90 <= total.p99 <= total.max
        assert sum(each.stages[stage].mean for stage in STAGES) == pytest.approx(total.mean)
        assert each.cpu_ms > 0 and each.frames_per_s > 0 and each.spread is not None and each.spread >= 0
        assert each.stages["draw"].max == 0 and each.dropped == 0
    assert found[1].stages["invoke"].p50 > 2 * found[0].stages["invoke"].p50  # plain kernels are many times slower


def test_turns_alternate() -> None:
    """A passing disturbance on the machine affects all ways alike."""
    order: list[tuple[str, int]] = []

    def way(name: str) -> Way:
        def turn(count: int) -> Turn:
            order.append((name, count))
            return Turn({TOTAL: np.full(count, 2.0)}, 0.001 * count, 0.004 * count, dropped=1)

        return turn

    found = measure.in_turns({"a": way("a"), "b": way("b")}, 5, 2, lambda _: None, turn=3)
    assert order == [("a", 3), ("b", 3), ("a", 2), ("b", 2)] * 2
    assert [(each.frames, each.cpu_ms, each.frames_per_s, each.dropped) for each in found] == [
        (10, pytest.approx(1.0), pytest.approx(250.0), 4)
    ] * 2
    assert found[0].spread == found[0].cpu_spread == 0


def test_one_repetition_knows_nothing_of_noise(reel: Reel) -> None:
    """The spread of one repetition is unknown, not zero."""
    (found,) = measure.in_turns({"ours": ours(reel)}, 20, 1, lambda _: None)
    assert found.spread is None and found.cpu_spread is None


def test_a_viewer_and_a_log_have_their_cost(reel: Reel) -> None:
    """Drawing and writing are measured if requested: decoding in full takes longer than at a reduced size."""
    (plain, watched) = measure.in_turns(
        {"plain": ours(reel), "watched": ours(reel, sinks=("log", "preview"))}, 40, 1, lambda _: None
    )
    assert watched.stages["draw"].p50 > plain.stages["decode"].p50
    assert watched.stages["sinks"].p50 > plain.stages["sinks"].p50


def test_a_source_that_ends_too_early_is_said(reel: Reel) -> None:
    """A source that ends during the warm-up is an error."""

    def short(_: int) -> Source:
        return Replay(reel, measure.WARM_UP)

    way = measure.through_pipeline(classifier.load(ModelOptions(model=MODEL)), short, lambda: outlets.opened(()))
    with pytest.raises(DataError, match="ended after 20 frames"):
        way(30)


def test_percentiles_by_hand() -> None:
    """Each percentile of the numbers 0 to 100 is its own number."""
    found = measure.percentiles(np.arange(101.0))
    assert (found.p50, found.p90, found.p99, found.max, found.mean) == (50, 90, 99, 100, 50)


@pytest.mark.parametrize("kind", ["jpeg", "yuyv", "rgb"])
def test_the_classic_loop_is_honest(kind: FrameKind) -> None:
    """It gives the same label as the pipeline's preprocessing of the full-size picture with the same model."""
    reel = frames.drawn(kind, (320, 240))
    model, ours = store.read(MODEL), classifier.load(ModelOptions(model=MODEL))
    classic = Classic(model, "auto", kind)
    same = 0
    for index, raw in enumerate(reel.raw):
        patch = preprocess.patch(reel.picture(index), ours.shape)
        same += classic.label(raw) == ours.labels[int(ours.scores(patch).argmax())]
    assert same >= 0.9 * len(reel.raw)


def test_yardsticks_are_measured_on_the_same_frames(reel: Reel) -> None:
    """Entropy decoding is part of the classic loop and takes less time."""
    ways = {
        "classic loop": measure.by_itself(Classic(store.read(MODEL), "auto", "jpeg").label, reel),
        "entropy decoding": measure.by_itself(entropy, reel),
    }
    classic, least = measure.in_turns(ways, 20, 2, lambda _: None)
    assert {each.frames for each in (classic, least)} == {40}
    assert classic.is_yardstick and list(classic.stages) == [TOTAL]
    assert least.stages[TOTAL].p50 < classic.stages[TOTAL].p50 and least.cpu_ms < classic.cpu_ms
