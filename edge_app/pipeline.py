"""The path of a frame: source, patch, scores, verdict, sinks. It knows contracts, no concrete camera or destination."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from edge_app.errors import CropOutside, PictureError, UsageError
from edge_app.metering import FpsMeter, Stages
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision
from edge_app.pictures import preprocess
from edge_app.pictures.preprocess import Crop
from edge_app.records import Frame, Outage, Result, Verdict
from edge_app.sinks import Sink
from edge_app.sources import LOOK_S, Source

log = logging.getLogger(__name__)

_LONGEST_WAIT_S = 3600.0  # Python refuses to wait for a century, as an absurdly low rate would have it.


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends, how fast it may go, and who is told; None does not limit.

    Attributes:
        frames: classifications after which the run ends.
        duration_s: seconds after which it ends.
        rate_hz: classifications a second at most.
        stop: set it to end the run.
        interrupt: set it to end the run as soon as the source yields: within a second, of one being opened three.
        progress: called for each item of the source, also for those that the rate leaves out.
        stages: told how long each stage of each frame takes.
    """

    frames: int | None = None
    duration_s: float | None = None
    rate_hz: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    interrupt: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[], None] = lambda: None
    stages: Stages = field(default_factory=Stages)


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes:
        frames: pictures classified.
        damaged: pictures that could not be decoded.
        agreed: of the frames with known truth, those where it was named.
        known: frames whose truth is known.
    """

    frames: int = 0
    damaged: int = 0
    agreed: int = 0
    known: int = 0


def run(
    source: Source,
    classifier: Classifier,
    decision: Decision,
    sinks: Sequence[Sink],
    crop: Crop,
    limits: Limits,
) -> Summary:
    """Classify what the source delivers until it ends, a limit is reached or `limits.stop` is set.

    Args:
        source: where frames come from.
        classifier: patch to scores.
        decision: scores over time to verdict.
        sinks: where results go; each is expected not to raise (see `sinks.Guard`).
        crop: which part of a picture the model sees.
        limits: when to end.

    Returns:
        What was done.
    """
    summary, fps, stages = Summary(), FpsMeter(), limits.stages
    last_index = -1
    for item in paced(source, limits):
        reason = None
        if isinstance(item, Outage):
            verdict, reason = decision.outage(), item.reason
        else:
            last_index = item.index
            stages.begin(item.captured_s)
            try:
                patch = preprocess.patch(item.picture, classifier.shape, crop, stages.lap)
                verdict = decision.update(classifier.scores(patch, stages.lap), item.stream_s)
                stages.lap("decide")
            except PictureError as error:
                _refuse_endless_failure(error, summary, source)
                verdict, reason = decision.outage(), f"damaged picture: {error}"
        rate = fps.tick(time.monotonic()) if reason is None else fps.reset()
        result = _result(item, verdict, source, last_index, rate, reason)
        _count(summary, result)
        picture = item.picture if isinstance(item, Frame) and reason is None else None
        for sink in sinks:
            sink.emit(result, picture)
            if reason is None:
                stages.lap("draw" if sink.wants_picture else "sinks")
        if reason is None:
            stages.end()
        if summary.frames == limits.frames:
            break
    return summary


def _refuse_endless_failure(error: PictureError, summary: Summary, source: Source) -> None:
    """Give up when a camera's very first pictures show that the crop asked for can never fit.

    Raises:
        UsageError: so it is.
    """
    summary.damaged += 1
    if isinstance(error, CropOutside) and source.is_live and summary.frames == 0:
        raise UsageError(f"{error}", "choose another --crop or --size") from error


def paced(source: Source, limits: Limits, clock: Callable[[], float] = time.monotonic) -> Iterator[Frame | Outage]:
    """Yield what the source delivers, no more often than the rate allows, until the limits end it.

    Between two frames the source is left alone: a live one goes on replacing its newest frame, undecoded. It is looked
    at once a second all the same, so that a lost camera is told in a long pause too.

    Args:
        source: where frames come from.
        limits: when to end, and the rate.
        clock: monotonic seconds.
    """
    ends_s = math.inf if limits.duration_s is None else clock() + limits.duration_s
    due_s = -math.inf
    for item in source:
        limits.progress()
        taken_s = clock()
        if isinstance(item, Outage):
            yield item
        elif taken_s >= due_s:
            yield item
            if limits.rate_hz is not None:
                # The grid stays fixed, so that the mean rate is the one asked for; a frame too late for its place
                # begins a new grid, so that nothing is caught up.
                interval_s = 1 / limits.rate_hz
                due_s = (due_s if taken_s - due_s < interval_s else taken_s) + interval_s
        until_s = min(due_s, ends_s, clock() + LOOK_S if source.is_live else math.inf)
        while (left_s := until_s - clock()) > 0 and not limits.stop.is_set():
            limits.stop.wait(min(left_s, _LONGEST_WAIT_S))
        if limits.stop.is_set() or limits.interrupt.is_set() or clock() >= ends_s:
            return


def _result(
    item: Frame | Outage, verdict: Verdict, source: Source, index: int, fps: float, reason: str | None
) -> Result:
    captured_s = item.captured_s if isinstance(item, Frame) else item.observed_s
    now_s = time.monotonic()
    return Result(
        verdict=verdict,
        source=source.name,
        frame=index,
        captured_s=captured_s,
        captured_unix_s=time.time() - (now_s - captured_s),
        done_s=now_s,
        fps=fps,
        dropped=source.dropped,
        name=item.name if isinstance(item, Frame) else None,
        truth=item.truth if isinstance(item, Frame) else None,
        reason=reason,
    )


def _count(summary: Summary, result: Result) -> None:
    if result.reason is not None:
        return
    summary.frames += 1
    if result.truth is not None:
        summary.known += 1
        summary.agreed += result.verdict.label == result.truth
