"""Measuring: the pipeline itself, on prepared frames, several configurations taking turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_app import pipeline
from edge_app.bench.classic import Classic, Cost, cost, entropy
from edge_app.bench.frames import Reel, Replay
from edge_app.classifier import Classifier
from edge_app.decision import Decision, Rules
from edge_app.metering import STAGES, TOTAL, Stages
from edge_app.pipeline import Limits
from edge_app.preprocess import Crop
from edge_app.records import Picture, Result

WARM_UP = 60  # frames: one round of a reel


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of one stage, milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a frame costs in one configuration.

    Attributes:
        name: of the configuration.
        frames: that were measured.
        stages: of each stage and in total.
        cpu_ms: processor time for a frame, in the mean over all threads.
        frames_per_s: as fast as it goes.
        spread: range of the repetitions' medians, divided by their middle: what is noise.
        curve_ms: the total at each percentile from 0 to 100.
    """

    name: str
    frames: int
    stages: Mapping[str, Percentiles]
    cpu_ms: float
    frames_per_s: float
    spread: float
    curve_ms: tuple[float, ...]


class Nowhere:
    """A sink that takes everything and does nothing."""

    name, wants_picture = "nowhere", False

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Take a result."""

    def close(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _Runs:
    """The repetitions of one configuration: durations by stage, CPU and wall time of a frame, milliseconds."""

    stages: list[Mapping[str, npt.NDArray[np.float64]]]
    cpu_ms: list[float]
    wall_ms: list[float]


def pipelines(
    cases: Mapping[str, Classifier], reel: Reel, frames: int, repetitions: int, tell: Callable[[int], object]
) -> list[Measurement]:
    """Measure several classifiers on the same frames; they take turns, so that what else happens strikes all alike.

    Args:
        cases: by name.
        reel: the frames.
        frames: of each repetition.
        repetitions: of each case.
        tell: told how many frames have been done.
    """
    runs = {name: _Runs([], [], []) for name in cases}
    for _ in range(repetitions):
        for name, classifier in cases.items():
            _once(classifier, reel, frames, runs[name])
            tell(frames)
    return [_summed(name, found) for name, found in runs.items()]


def _once(classifier: Classifier, reel: Reel, frames: int, runs: _Runs) -> None:
    decision, stages = Decision(classifier.labels, Rules()), Stages(frames)
    pipeline.run(Replay(reel, WARM_UP), classifier, decision, [Nowhere()], Crop(), Limits())
    source, limits = Replay(reel, frames), Limits(stages=stages)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    pipeline.run(source, classifier, decision, [Nowhere()], Crop(), limits)
    runs.wall_ms.append((time.perf_counter() - wall_s) / frames * 1e3)
    runs.cpu_ms.append((time.process_time() - cpu_s) / frames * 1e3)
    runs.stages.append(stages.milliseconds())


def _summed(name: str, runs: _Runs) -> Measurement:
    together = {stage: np.concatenate([run[stage] for run in runs.stages]) for stage in (*STAGES, TOTAL)}
    medians = [float(np.median(run[TOTAL])) for run in runs.stages]
    return Measurement(
        name=name,
        frames=len(together[TOTAL]),
        stages={stage: percentiles(values) for stage, values in together.items()},
        cpu_ms=float(np.median(runs.cpu_ms)),
        frames_per_s=1e3 / float(np.median(runs.wall_ms)),
        spread=_spread(medians),
        curve_ms=_curve(together[TOTAL]),
    )


def percentiles(values_ms: npt.NDArray[np.float64]) -> Percentiles:
    """Return the percentiles of some durations."""
    p50, p90, p99 = (float(value) for value in np.percentile(values_ms, (50, 90, 99)))
    return Percentiles(p50, p90, p99, float(values_ms.max()), float(values_ms.mean()))


def yardsticks(classic: Classic, reel: Reel, frames: int, repetitions: int) -> list[Measurement]:
    """Measure the classic loop on the same frames and, of JPEG, the entropy decoding alone.

    Args:
        classic: the loop, with the model that is compared.
        reel: the frames.
        frames: of each repetition.
        repetitions: of each.
    """
    ways = {"classic loop": classic.label, **({"entropy decoding": entropy} if reel.kind == "jpeg" else {})}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            costs[name].append(cost(way, reel, frames))
    return [_of_costs(name, found) for name, found in costs.items()]


def _of_costs(name: str, costs: Sequence[Cost]) -> Measurement:
    wall_ms = np.concatenate([each.wall_ms for each in costs])
    medians = [float(np.median(each.wall_ms)) for each in costs]
    return Measurement(
        name=name,
        frames=len(wall_ms),
        stages={TOTAL: percentiles(wall_ms)},
        cpu_ms=float(np.median([each.cpu_ms for each in costs])),
        frames_per_s=1e3 / float(wall_ms.mean()),
        spread=_spread(medians),
        curve_ms=_curve(wall_ms),
    )


def _spread(medians: Sequence[float]) -> float:
    return (max(medians) - min(medians)) / float(np.median(medians))


def _curve(values_ms: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in np.percentile(values_ms, np.arange(101)))
