"""Classify pictures given by name, one line each."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge_app.errors import EXIT_FAILED, EXIT_OK, SourceError

if TYPE_CHECKING:
    from edge_app.pipeline import Recogniser
    from edge_app.records import Result
    from edge_app.settings.flags.classify import Classify

log = logging.getLogger("edge_app")


def classify(settings: Classify, stop: threading.Event) -> int:
    """Run `edge-app classify`; exit code 1 if no picture could be read."""
    from edge_app.model import classifier
    from edge_app.model.decision import Decision, rules
    from edge_app.pipeline import Recogniser
    from edge_app.sinks.log import encode

    network = classifier.load(settings, stop)
    decision = Decision(network.labels, rules(settings, network.card, is_sequence=False))
    recogniser = Recogniser(network, decision, settings.crop)
    count = 0
    for place in _places(settings.pictures):
        for result in _classified(place, recogniser, stop):
            if result.is_damaged:
                log.warning("%s skipped: %s", result.name, result.reason)
                continue
            count += 1
            print(encode(result).decode().rstrip() if settings.json_ else _line(result), flush=True)
    return EXIT_OK if count else EXIT_FAILED


def _places(words: list[str]) -> Iterator[str]:
    """Yield the files and folders; "-" stands for the list on stdin."""
    for word in words:
        if word == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield word


def _classified(place: str, recogniser: Recogniser, stop: threading.Event) -> Iterator[Result]:
    """Yield the result of each picture in a file or folder, named relative to the current folder."""
    from edge_app import pipeline, sources
    from edge_app.pictures import preprocess
    from edge_app.pipeline import Control, Limits
    from edge_app.sources import Request
    from edge_app.system.wording import printable

    if not place:
        log.error("an empty name is not a picture; leave it out")
        return
    request = Request(min_side_px=preprocess.min_side_px(recogniser.classifier.shape), stop=stop)
    try:
        source = sources.connect(f"folder:{place}", request)
    except SourceError as error:
        log.error("%s", error)
        return
    is_folder = Path(place).is_dir()
    with source:
        for result in pipeline.run(source, recogniser, (), Limits(), Control(stop)):
            yield replace(result, name=printable(str(Path(place, result.name or "")) if is_folder else place))


def _line(result: Result) -> str:
    """Return "cat.jpg  cat  92%", or "sofa.jpg  unknown  (cat? 41%)"."""
    if result.label is not None and result.confidence is not None:
        return f"{result.name}  {result.label}  {result.confidence:.0%}"
    label, probability = result.verdict.top[0]
    return f"{result.name}  unknown  ({label}? {probability:.0%})"
