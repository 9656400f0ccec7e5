"""One run, from settings to exit code: opens sinks and source, classifies; a service also waits and reloads."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TypeAlias

from edge_app import pipeline, sinks, sources
from edge_app.errors import (
    EXIT_FAILED,
    EXIT_OK,
    ConfigError,
    DependencyMissing,
    EdgeAppError,
    ModelRefused,
    StartError,
    UsageError,
)
from edge_app.metering import Stages
from edge_app.model import store
from edge_app.model.classifier import Classifier
from edge_app.model.decision import Decision, rules
from edge_app.pictures import preprocess
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.secret import Secret
from edge_app.service.health import Health
from edge_app.service.notify import Notifier
from edge_app.service.waiting import PatientSource
from edge_app.settings.flags.run import Run
from edge_app.sinks import Destination, Guard
from edge_app.sinks.log import check as check_log
from edge_app.sources import Request, Source
from edge_app.system import process
from edge_app.system.wording import counted

log = logging.getLogger("edge_app")

Load: TypeAlias = Callable[[Run, threading.Event], Classifier]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Settings and model of a run, both checked before the previous run's source and sinks are closed.

    Attributes:
        settings: of the run.
        classifier: the loaded model.
    """

    settings: Run
    classifier: Classifier


class Reloading:
    """Reads settings and model again in a thread, while the run goes on with the old ones.

    However often it is asked during one reading, it reads only once more: the last reading finds the newest settings.

    Args:
        prepare: reads and checks settings and model.
        notifier: tells systemd.
    """

    def __init__(self, prepare: Callable[[], Prepared], notifier: Notifier) -> None:
        self._prepare, self._notifier = prepare, notifier
        self._prepared: Prepared | None = None
        self._lock, self._is_asked, self._is_reading = threading.Lock(), False, False
        self.is_due = threading.Event()

    def begin(self) -> None:
        """Start reading in a new thread; the calling thread must go on waiting for signals."""
        with self._lock:
            self._is_asked = True
            if self._is_reading:
                return
            self._is_reading = True
        threading.Thread(target=self._read_until_nobody_asks, name="reload", daemon=True).start()

    def _read_until_nobody_asks(self) -> None:
        while self._is_wanted():
            self._read()

    def _is_wanted(self) -> bool:
        """Return whether anybody has asked since the last reading; if not, the thread ends."""
        with self._lock:
            self._is_reading, self._is_asked = self._is_asked, False
            return self._is_reading

    def _read(self) -> None:
        log.info("reading settings and model again")
        self._notifier.reloading()
        try:
            self._prepared = self._prepare()
        except EdgeAppError as error:
            self.refuse(error)
        except BaseException:
            # A bug: the thread ends with its traceback in the journal, and the next reload begins another.
            self._notifier.reloaded()
            with self._lock:
                self._is_reading = False
            raise
        else:
            self.is_due.set()

    def refuse(self, error: EdgeAppError) -> None:
        """Log why a reload was refused."""
        for line in error.lines:
            log.error("%s", line)
        log.error("reload refused; going on as before")
        self._notifier.reloaded()

    def take(self) -> Prepared:
        """Return the settings and model read last."""
        # Cleared before the read: a reload that ends in between sets it again and is taken next, not lost.
        self.is_due.clear()
        assert self._prepared is not None  # noqa: S101  # narrows the type; `is_due` was set
        return self._prepared


def run(settings: Run, stop: threading.Event, reread: Callable[[], Run], load: Load) -> int:
    """Run until stopped; a service takes over new settings on SIGHUP if they are valid.

    Args:
        settings: of the run.
        stop: set to end it.
        reread: reads the settings again.
        load: loads the model.

    Returns:
        The exit code.

    Raises:
        EdgeAppError: see `classifier.load`, `sources.connect`, `sinks.connect` and `Health`.
    """
    # Outside the loop: closing it tells systemd that the service stops, which a reload must not say.
    with closing(Notifier()) as notifier:
        good: Prepared | None = None

        def read_again() -> Prepared:
            found = prepare(reread(), load, stop)
            # A log that the running service has lost is waited for; one that is named anew may be a mistake.
            if good is not None and found.settings.log and found.settings.log != good.settings.log:
                check_log(found.settings.log)
            return found

        reloading = Reloading(read_again, notifier)
        if settings.service:
            process.on_hangup(reloading.begin)
        good = wanted = prepare(settings, load, stop)
        while True:
            try:
                code = attend(wanted, notifier, stop, reloading.is_due)
                good = wanted
            except (UsageError, ConfigError, StartError) as error:
                if wanted is good:
                    raise
                reloading.refuse(error)
                wanted = good
                continue
            if stop.is_set() or not reloading.is_due.is_set():
                return code
            wanted = reloading.take()


def prepare(settings: Run, load: Load, stop: threading.Event) -> Prepared:
    """Load the model, and check all that needs no camera.

    Raises:
        UsageError: no source or sink has that name, or the thresholds contradict each other.
        ModelRefused: the model is damaged, or a service may not run it because it has no card.
        ConfigError: a secret that the settings refer to cannot be read.
    """
    if settings.service and not settings.trusted and store.read(settings.model, settings.labels).card is None:
        raise ModelRefused(
            f"{settings.model} has no card to check it against",
            "a service runs it only with 'trusted = true' below [model] in its settings",
        )
    sources.check(settings.source)
    for text in settings.sink:
        sinks.check(text)
    model = load(settings, stop)
    rules(settings, model.card, is_sequence=True)  # refuses thresholds that contradict the card's
    return Prepared(settings, model)


def attend(prepared: Prepared, notifier: Notifier, stop: threading.Event, interrupt: threading.Event) -> int:
    """Open sinks and source, classify until the end, and log a summary.

    Everything that can be refused is opened before the first frame; the camera, the slowest, is opened last.
    """
    settings, model = prepared.settings, prepared.classifier
    stages = Stages()
    with ExitStack() as resources:
        guards = [resources.enter_context(closing(sink)) for sink in _sinks(settings, stages, stop)]
        source = resources.enter_context(_source(settings, model, guards, stop))
        decision = Decision(model.labels, rules(settings, model.card, source.is_sequence))
        log.info(
            "%s: classifying with %s, labels are named from %.2f", source.name, settings.model, decision.rules.enter
        )
        notifier.watch(guards, stages)
        health = Health(notifier, settings.memory_max if settings.service else None)
        limits = Limits(settings.frames, settings.duration, settings.rate)
        control = Control(stop, interrupt, health.progress, stages)
        process.begin_collection()
        recogniser = Recogniser(model, decision, settings.crop)
        summary = pipeline.tally(pipeline.run(source, recogniser, [*guards, notifier], limits, control))
        dropped = source.dropped
    is_failure = summary.frames == 0 and (summary.damaged or dropped) and not stop.is_set() and not interrupt.is_set()
    # Closed by now: a problem that is left is one of results that were never delivered.
    is_failure = is_failure or (not settings.service and any(guard.problem for guard in guards))
    # A warning, as without --verbose nothing lower is shown, and every run ends with its summary.
    log.warning(
        "%s: %s classified, %d dropped, %d damaged",
        source.name,
        counted(summary.frames, "frame"),
        dropped,
        summary.damaged,
    )
    if summary.known:
        log.warning("labelled %d of %s correctly", summary.agreed, counted(summary.known, "frame"))
    return EXIT_FAILED if is_failure else EXIT_OK


def _source(settings: Run, model: Classifier, guards: Sequence[Guard], stop: threading.Event) -> Source:
    request = Request(
        camera=settings,
        min_side_px=preprocess.min_side_px(model.shape),
        # A crop in pixels refers to a picture of the usual size, not of the camera's smallest mode.
        wants_full=any(sink.wants_picture for sink in guards) or settings.crop.box is not None,
        needs_camera=settings.service,
        stop=stop,
    )
    if settings.service:
        return PatientSource(settings.source, lambda: sources.connect(settings.source, request), stop)
    return sources.connect(settings.source, request)


def _sinks(settings: Run, stages: Stages, stop: threading.Event) -> Iterator[Guard]:
    destination = Destination(output=settings, stages=stages, stop=stop, keeps_trying=settings.service)
    wanted: list[Secret | str] = ["console", *([f"log:{settings.log}"] if settings.log else []), *settings.sink]
    # Lazy on purpose: `attend` registers each sink for closing before the next one is opened and may be refused.
    for text in wanted:
        yield Guard(sinks.connect(text, destination))
    if settings.preview == "window":
        try:
            yield Guard(sinks.connect("window", destination))
            return
        except (StartError, DependencyMissing) as error:
            log.warning("no preview: %s; results go to %s", error, _destination(settings))
    if _destination(settings) == _STDOUT:
        changes = settings.model_copy(update={"log_when": "change"})
        yield Guard(sinks.connect("log:-", replace(destination, output=changes)))


_STDOUT = "stdout whenever they change (--log FILE keeps all)"


def _destination(settings: Run) -> str:
    """Return where results go when there is no window: every run shows them somewhere."""
    if settings.log or settings.sink:
        return " and ".join([*([f"the log {settings.log}"] if settings.log else []), *map(str, settings.sink)])
    return "the status line (--log FILE keeps them)" if sys.stderr.isatty() else _STDOUT
