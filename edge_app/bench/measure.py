"""Measures ways to handle a frame in short turns, so that disturbances on the machine affect all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_app import pipeline
from edge_app.bench.classic import cost
from edge_app.bench.frames import Reel
from edge_app.errors import DataError
from edge_app.metering import TOTAL, Stages
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision, Rules
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.records import Picture, Result
from edge_app.sinks import Sink
from edge_app.sources import Source
from edge_app.system.wording import counted

TURN = 120  # frames: two rounds of a reel
WARM_UP = 20  # frames at the start of each turn that do not count


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of the durations of one stage, milliseconds."""

    p50: float
    p90: float
    p99: float
    max: float
    mean: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a frame costs in one configuration.

    Attributes:
        name: name of the configuration.
        frames: number of frames measured.
        stages: percentiles of each stage and of the total; of the total alone for a yardstick.
        cpu_ms: processor time a frame over all threads, the median of the repetitions.
        frames_per_s: rate, limited by the machine or by the camera.
        dropped: frames that the source dropped.
        spread: noise: range of the repetitions' median totals divided by their median; None for one repetition.
        cpu_spread: the same for their processor times.
        curve_ms: total at each percentile from 0 to 100.
    """

    name: str
    frames: int
    stages: Mapping[str, Percentiles]
    cpu_ms: float
    frames_per_s: float
    dropped: int
    spread: float | None
    cpu_spread: float | None
    curve_ms: tuple[float, ...]

    @property
    def is_yardstick(self) -> bool:
        """Whether it is a yardstick, which has no stages."""
        return len(self.stages) == 1


@dataclass(slots=True)
class Turn:
    """One turn of a way: its frames' durations by stage, (frames,) milliseconds, and its total CPU and wall time."""

    stages: Mapping[str, npt.NDArray[np.float64]]
    cpu_s: float
    wall_s: float
    dropped: int = 0


class Way(Protocol):
    """One way to handle frames."""

    def __call__(self, frames: int) -> Turn:
        """Handle a number of frames after a warm-up."""


def through_pipeline(
    classifier: Classifier,
    open_source: Callable[[int], Source],
    open_sinks: Callable[[], AbstractContextManager[Sequence[Sink]]],
) -> Way:
    """Return the way through the pipeline.

    Args:
        classifier: the model.
        open_source: opens a source for a given number of frames.
        open_sinks: opens the sinks.
    """

    def way(frames: int) -> Turn:
        stages, warm = Stages(math.inf), _WarmedUp()
        with open_source(WARM_UP + frames) as source, open_sinks() as sinks:
            recogniser = Recogniser(classifier, Decision(classifier.labels, Rules()))
            # A camera knows no number of frames, so the limit has to end its run.
            limits, control = Limits(frames=WARM_UP + frames), Control(stages=stages)
            # `warm` comes last: its clocks must not start before the other sinks are done with the warm-up.
            pipeline.tally(pipeline.run(source, recogniser, [*sinks, warm], limits, control))
            # Read before source and sinks close, which is no part of a frame's cost.
            wall_s, cpu_s, dropped = time.perf_counter(), time.process_time(), source.dropped
        durations = {stage: values[WARM_UP:] for stage, values in stages.milliseconds().items()}
        if not len(durations[TOTAL]):
            raise DataError(
                f"{source.name} ended after {counted(stages.count, 'frame')}", f"choose one with more than {WARM_UP}"
            )
        return Turn(durations, cpu_s - warm.cpu_s, wall_s - warm.wall_s, dropped - warm.dropped)

    return way


class _WarmedUp:
    """A sink that notes clocks and dropped frames at the end of the warm-up."""

    name, wants_picture = "warm-up", False

    def __init__(self) -> None:
        self._seen = self.dropped = 0
        self.cpu_s = self.wall_s = 0.0

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Count frames, but not outages and damaged pictures, which come without a picture."""
        self._seen += picture is not None
        if self._seen == WARM_UP and picture is not None:
            self.cpu_s, self.wall_s, self.dropped = time.process_time(), time.perf_counter(), result.dropped

    def close(self) -> None:
        """Do nothing."""


def by_itself(do: Callable[[npt.NDArray[np.uint8]], object], reel: Reel) -> Way:
    """Return the way of a yardstick: call `do` with each raw frame."""

    def way(frames: int) -> Turn:
        found = cost(do, reel, frames)
        return Turn({TOTAL: found.wall_ms}, found.cpu_ms * frames / 1e3, found.wall_ms.sum() / 1e3)

    return way


def in_turns(
    ways: Mapping[str, Way], frames: int, repetitions: int, tell: Callable[[int], object], turn: int = TURN
) -> list[Measurement]:
    """Measure several ways in turns.

    Args:
        ways: ways by name.
        frames: frames of a repetition.
        repetitions: repetitions of each way.
        tell: called with the number of frames done since its last call.
        turn: frames of a turn.
    """
    runs: dict[str, list[list[Turn]]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for turns in runs.values():
            turns.append([])
        for begun in range(0, frames, turn):
            count = min(turn, frames - begun)
            for name, way in ways.items():
                runs[name][-1].append(way(count))
                tell(count)
    return [_summed(name, found) for name, found in runs.items()]


def _summed(name: str, repetitions: Sequence[Sequence[Turn]]) -> Measurement:
    turns = [turn for repetition in repetitions for turn in repetition]
    together = {stage: np.concatenate([turn.stages[stage] for turn in turns]) for stage in turns[0].stages}
    medians = [float(np.median(np.concatenate([turn.stages[TOTAL] for turn in each]))) for each in repetitions]
    cpu_ms = [1e3 * sum(turn.cpu_s for turn in each) / _frames(each) for each in repetitions]
    return Measurement(
        name=name,
        frames=len(together[TOTAL]),
        stages={stage: percentiles(values) for stage, values in together.items()},
        cpu_ms=float(np.median(cpu_ms)),
        frames_per_s=_frames(turns) / sum(turn.wall_s for turn in turns),
        dropped=sum(turn.dropped for turn in turns),
        spread=_spread(medians),
        cpu_spread=_spread(cpu_ms),
        curve_ms=tuple(round(float(value), 4) for value in np.percentile(together[TOTAL], np.arange(101))),
    )


def _frames(turns: Sequence[Turn]) -> int:
    return sum(len(turn.stages[TOTAL]) for turn in turns)


def _spread(values: Sequence[float]) -> float | None:
    return (max(values) - min(values)) / float(np.median(values)) if len(values) > 1 else None


def percentiles(values_ms: npt.NDArray[np.float64]) -> Percentiles:
    """Return the percentiles of durations."""
    p50, p90, p99 = (float(value) for value in np.percentile(values_ms, (50, 90, 99)))
    return Percentiles(p50, p90, p99, float(values_ms.max()), float(values_ms.mean()))
