"""Measuring the pipeline and its yardsticks."""

from __future__ import annotations

import numpy as np
import pytest

from edge_app import classifier, model_card, preprocess
from edge_app.bench import frames, measure
from edge_app.bench.classic import Classic, entropy
from edge_app.bench.frames import Reel
from edge_app.metering import STAGES, TOTAL

MODEL = "cifar10-nano"


@pytest.fixture(scope="module")
def reel() -> Reel:
    """Draw small frames once."""
    return frames.drawn("jpeg", (320, 240))


def test_every_stage_of_every_case_is_measured(reel: Reel) -> None:
    """Two delegates on the same frames: all frames of all repetitions count, stages add up, the bar is told."""
    cases = {
        delegate: classifier.load(MODEL, options=classifier.Options(delegate=delegate))  # type: ignore[arg-type]
        for delegate in ("xnnpack", "none")
    }
    told: list[int] = []
    found = measure.pipelines(cases, reel, 20, 2, told.append)
    assert [each.name for each in found] == ["xnnpack", "none"] and told == [20] * 4
    for each in found:
        assert each.frames == 40 and list(each.stages) == [*STAGES, TOTAL]
        total = each.stages[TOTAL]
        assert 0 < total.p50 <= total.p90 <= total.p99 <= total.max
        assert sum(each.stages[stage].mean for stage in STAGES) == pytest.approx(total.mean)
        assert each.cpu_ms > 0 and each.frames_per_s > 0 and each.spread >= 0
    assert found[1].stages["invoke"].p50 > 2 * found[0].stages["invoke"].p50  # plain kernels are many times slower


def test_percentiles_by_hand() -> None:
    """Of the numbers 0 to 100 the percentiles are themselves."""
    found = measure.percentiles(np.arange(101.0))
    assert (found.p50, found.p90, found.p99, found.max, found.mean) == (50, 90, 99, 100, 50)


@pytest.mark.parametrize("kind", ["jpeg", "yuyv", "rgb"])
def test_the_classic_loop_is_honest(kind: frames.Kind) -> None:
    """It names what the pipeline's own preprocessing of the whole picture leads the same model to name."""
    reel = frames.drawn(kind, (320, 240))
    model, ours = model_card.read(MODEL), classifier.load(MODEL)
    classic = Classic(model, "auto", kind)
    same = 0
    for index, raw in enumerate(reel.raw):
        patch = preprocess.patch(reel.picture(index), ours.shape)
        same += classic.label(raw) == ours.labels[int(ours.scores(patch).argmax())]
    assert same >= 0.9 * len(reel.raw)


def test_yardsticks_are_measured_on_the_same_frames(reel: Reel) -> None:
    """The classic loop and the entropy decoding alone, which is a part of it and takes less."""
    found = measure.yardsticks(Classic(model_card.read(MODEL), "auto", "jpeg"), reel, 20, 2)
    assert [each.name for each in found] == ["classic loop", "entropy decoding"]
    assert {each.frames for each in found} == {40} and all(list(each.stages) == [TOTAL] for each in found)
    assert found[1].stages[TOTAL].p50 < found[0].stages[TOTAL].p50
    entropy(reel.raw[0])
