"""The path of a frame: source, patch, scores, verdict, sinks. It knows only contracts, no concrete source or sink."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edge_app.errors import CropOutside, PictureError, UsageError
from edge_app.metering import FpsMeter, Stages
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision
from edge_app.pictures import preprocess
from edge_app.records import Crop, Frame, Outage, Result, Verdict
from edge_app.sinks import Sink
from edge_app.sources import LOOK_S, Source

_LONGEST_WAIT_S = 3600.0  # Python refuses very long waits (about a century), which an absurdly low rate would cause.


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends by itself and how fast it may go; None means no limit.

    Attributes:
        frames: the run ends after this many classifications.
        duration_s: the run ends after this many seconds.
        rate_hz: at most this many classifications per second.
    """

    frames: int | None = None
    duration_s: float | None = None
    rate_hz: float | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """How callers stop a run and follow its progress.

    Attributes:
        stop: set it to end the run.
        interrupt: set it to end the run at the source's next item (within 1 s, or 3 s while the source is opening)
            with `stop` left unset, as a reload needs it.
        progress: called for each item of the source, including those skipped because of the rate.
        stages: records how long each stage of each frame takes.
    """

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
        agreed: frames with a known label that were labelled correctly.
        known: frames with a known label.
    """

    frames: int = 0
    damaged: int = 0
    agreed: int = 0
    known: int = 0


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Turns a picture into a verdict: crop, network, decision over time.

    Attributes:
        classifier: turns a patch into scores.
        decision: turns scores over time into a verdict.
        crop: which part of a picture the network sees.
    """

    classifier: Classifier
    decision: Decision
    crop: Crop = field(default_factory=Crop)

    def look(self, item: Frame | Outage, stages: Stages) -> Verdict:
        """Return the verdict on a frame or an outage.

        Args:
            item: what the source yielded.
            stages: records how long each stage takes.

        Raises:
            PictureError: the picture cannot be decoded, or (CropOutside) the crop lies outside it.
        """
        if isinstance(item, Outage):
            return self.decision.outage(item.reason)
        stages.begin(item.captured_s)
        patch = preprocess.patch(item.picture, self.classifier.shape, self.crop, stages.lap)
        verdict = self.decision.update(self.classifier.scores(patch, stages.lap), item.stream_s)
        stages.lap("decide")
        return verdict


def run(
    source: Source, recogniser: Recogniser, sinks: Sequence[Sink], limits: Limits, control: Control
) -> Iterator[Result]:
    """Classify what the source delivers until it ends, a limit is reached or `control.stop` is set.

    Args:
        source: where frames come from.
        recogniser: turns them into verdicts.
        sinks: receive each result, and its picture if it was classified; must not raise (see `sinks.Guard`).
        limits: when to end and how fast to go.
        control: stops the run and follows its progress.

    Yields:
        Each result, after every sink has taken it.

    Raises:
        UsageError: the requested crop lies outside a camera's pictures.
    """
    stages, so_far = control.stages, _Counts()
    for item in paced(source, limits, control):
        picture = item.picture if isinstance(item, Frame) else None
        try:
            verdict = recogniser.look(item, stages)
        except PictureError as error:
            stages.drop()
            _refuse_a_crop_that_never_fits(error, source, so_far)
            # Without its picture: a sink that draws it would fail to decode it again.
            verdict, picture = recogniser.decision.outage(f"damaged picture: {error}"), None
        result = _result(item, verdict, source, so_far)
        for sink in sinks:
            sink.emit(result, picture)
            stages.lap("draw" if sink.wants_picture else "sinks")
        stages.end()
        yield result
        if so_far.frames == limits.frames:
            break


def tally(results: Iterable[Result]) -> Summary:
    """Consume all results and count them."""
    summary = Summary()
    for result in results:
        if result.verdict.state == "outage":
            summary.damaged += result.is_damaged
            continue
        summary.frames += 1
        if result.truth is not None:
            summary.known += 1
            summary.agreed += result.verdict.label == result.truth
    return summary


@dataclass(slots=True)
class _Counts:
    """What a result needs from the results before it."""

    frames: int = 0
    last_index: int = -1
    fps: FpsMeter = field(default_factory=FpsMeter)


def _result(item: Frame | Outage, verdict: Verdict, source: Source, so_far: _Counts) -> Result:
    frame = item if isinstance(item, Frame) else None
    captured_s = item.captured_s if isinstance(item, Frame) else item.observed_s
    now_s = time.monotonic()
    if frame is not None:
        so_far.last_index = frame.index
    if verdict.state != "outage":
        so_far.frames += 1
    return Result(
        verdict=verdict,
        source=source.name,
        frame=so_far.last_index,
        captured_s=captured_s,
        # Not from an offset kept since the start: the wall clock may be set during a run, as NTP does after a boot.
        captured_unix_s=time.time() - (now_s - captured_s),
        done_s=now_s,
        fps=so_far.fps.reset() if verdict.state == "outage" else so_far.fps.tick(now_s),
        dropped=source.dropped,
        name=frame.name if frame else None,
        truth=frame.truth if frame else None,
        is_damaged=frame is not None and verdict.state == "outage",
    )


def _refuse_a_crop_that_never_fits(error: PictureError, source: Source, so_far: _Counts) -> None:
    """Give up if a camera's first pictures are too small for the requested crop.

    Only before the first classification: later, one odd picture must not end the run.

    Raises:
        UsageError: the crop lies outside the picture.
    """
    if isinstance(error, CropOutside) and source.is_live and so_far.frames == 0:
        raise UsageError(error.what, error.remedy) from error


def paced(
    source: Source, limits: Limits, control: Control, clock: Callable[[], float] = time.monotonic
) -> Iterator[Frame | Outage]:
    """Yield the source's items, no more often than the rate allows, until a limit is reached.

    During the pause between two frames, a live source keeps replacing its newest frame without decoding it. It is
    still polled once a second, so that a lost camera is reported during a long pause too.

    Args:
        source: where frames come from.
        limits: when to end, and the rate.
        control: stops the run and follows its progress.
        clock: monotonic seconds.
    """
    ends_s = math.inf if limits.duration_s is None else clock() + limits.duration_s
    # Makes the first frame due and, being more than an interval late, the start of the grid.
    due_s = -math.inf
    for item in source:
        control.progress()
        taken_s = clock()
        if isinstance(item, Outage):
            yield item
        elif taken_s >= due_s:
            yield item
            if limits.rate_hz is not None:
                # A fixed grid keeps the average rate as requested. A frame more than one interval late starts a new
                # grid, so that no burst follows to catch up.
                interval_s = 1 / limits.rate_hz
                due_s = (due_s if taken_s - due_s < interval_s else taken_s) + interval_s
        until_s = min(due_s, ends_s, clock() + LOOK_S if source.is_live else math.inf)
        while (left_s := until_s - clock()) > 0 and not control.stop.is_set():
            control.stop.wait(min(left_s, _LONGEST_WAIT_S))
        if control.stop.is_set() or control.interrupt.is_set() or clock() >= ends_s:
            return
