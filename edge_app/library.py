"""edge-app as a library: one picture, many pictures, a camera. `edge_app` hands these names on when they are used.

Settings have the names and values they have in the settings file, without its sections. Nothing is read from the
settings file or the environment: what a script does follows from the script alone.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from edge_app import pipeline, sources
from edge_app.errors import UsageError, closest
from edge_app.metering import Stages
from edge_app.model import classifier
from edge_app.model.decision import Decision, rules
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.records import Crop, Frame, Picture, Result, Verdict
from edge_app.settings import layers
from edge_app.settings.sections import CameraOptions, DecisionOptions, ModelOptions
from edge_app.settings.values import CropValue
from edge_app.sources import Request
from edge_app.sources.folder import load

DEFAULT_MODEL: str = ModelOptions.model_fields["model"].default
_KEPT = 4  # models that `classify` keeps loaded; a few MB each

PictureLike = str | os.PathLike[str] | npt.NDArray[np.uint8]
_Settings = TypeVar("_Settings", bound=BaseModel)


class StillSettings(ModelOptions, DecisionOptions):
    """What `Classifier` takes."""

    crop: CropValue = Crop()


class WatchSettings(CameraOptions, ModelOptions, DecisionOptions):
    """What `watch` takes."""

    frames: int | None = Field(None, gt=0)
    duration: float | None = Field(None, gt=0)


class Classifier:
    """A model for single pictures, which have nothing to do with each other.

    One thread at a time is served; others wait.

    Args:
        model: name of a shipped model, or a .tflite file.
        settings: of the sections [model] and [decision], and `crop`: `labels="labels.txt"`, `enter=0.8`, ...

    Attributes:
        name: the model's.
        labels: one for each class.

    Raises:
        UsageError: a setting does not exist or has a wrong value.
        ModelRefused: the model cannot be used.
        DependencyMissing: no runtime is installed.
    """

    def __init__(self, model: str | os.PathLike[str] = DEFAULT_MODEL, **settings: Any) -> None:
        options = _checked(StillSettings, {"model": os.fspath(model), **settings})
        network = classifier.load(options, threading.Event())
        decision = Decision(network.labels, rules(options, network.card, is_sequence=False))
        self._recogniser, self._one_at_a_time = Recogniser(network, decision, options.crop), threading.Lock()
        self.name, self.labels = network.name, network.labels

    def __call__(self, picture: PictureLike) -> Verdict:
        """Say what a picture shows.

        Args:
            picture: path of a file, or pixels: (H, W, 3) uint8, RGB, or (H, W) grey.

        Returns:
            `label` and `confidence` (None where `state` is "unknown"), and `top`, the most probable labels.

        Raises:
            PictureError: it cannot be read or decoded, or is not a picture.
        """
        frame = Frame(0, 0.0, 0.0, _picture(picture))
        with self._one_at_a_time:
            return self._recogniser.look(frame, Stages())


def classify(picture: PictureLike, model: str | os.PathLike[str] = DEFAULT_MODEL) -> Verdict:
    """Say what one picture shows. For settings and for many pictures see `Classifier`.

    Args:
        picture: path of a file, or pixels: (H, W, 3) uint8, RGB, or (H, W) grey.
        model: name of a shipped model, or a .tflite file. It stays loaded for the next call.

    Raises:
        PictureError: the picture cannot be read or decoded.
        ModelRefused: the model cannot be used.
        DependencyMissing: no runtime is installed.
    """
    return _loaded(os.fspath(model))(picture)


def watch(source: str = "auto", **settings: Any) -> Watch:
    """Open a camera, a stream, a video or a folder, and classify what it delivers.

    Args:
        source: a string as `edge-app run --source` takes it.
        settings: of the sections [camera], [model] and [decision], and `frames` or `duration` after which it ends:
            `rate=5`, `model="cifar10-nano"`, ...

    Returns:
        An iterator over results, to be closed by leaving its `with` block; also when it is collected, or at exit.

    Raises:
        UsageError: a setting does not exist or has a wrong value; there is no such source.
        SourceError: the source cannot be opened.
        ModelRefused: the model cannot be used.
        DependencyMissing: a package is not installed.
    """
    return Watch(_checked(WatchSettings, {"source": source, **settings}))


class Watch(Iterator[Result]):
    """The results of a source, one by one, as the log has them; made by `watch`."""

    def __init__(self, settings: WatchSettings) -> None:
        stop = threading.Event()
        with ExitStack() as resources:
            resources.callback(stop.set)
            network = classifier.load(settings, stop)
            request = Request(
                camera=settings,
                min_side_px=preprocess.min_side_px(network.shape),
                wants_full=settings.crop.box is not None,
                stop=stop,
            )
            source = resources.enter_context(sources.connect(settings.source, request))
            decision = Decision(network.labels, rules(settings, network.card, source.is_sequence))
            recogniser = Recogniser(network, decision, settings.crop)
            limits = Limits(settings.frames, settings.duration, settings.rate)
            self._results = pipeline.run(source, recogniser, (), limits, Control(stop))
            # Holds on to the source and not to this object, so that it runs when the last user has let go, or at exit.
            self._close = weakref.finalize(self, resources.pop_all().close)

    def __next__(self) -> Result:
        """Wait for the next result."""
        try:
            return next(self._results)
        except BaseException:  # the end included
            self.close()
            raise

    def close(self) -> None:
        """Give the source back. Callable more than once."""
        self._close()

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


@lru_cache(_KEPT)
def _loaded(model: str) -> Classifier:
    return Classifier(model)


def _picture(picture: PictureLike) -> Picture:
    return ArrayPicture(picture) if isinstance(picture, np.ndarray) else load(Path(picture))


def _checked(kind: type[_Settings], given: dict[str, Any]) -> _Settings:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise UsageError.together([_wrong(kind, detail) for detail in error.errors()]) from error


def _wrong(kind: type[BaseModel], detail: Any) -> UsageError:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        close = closest(name, kind.model_fields)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(kind.model_fields)}"
        return UsageError(f"no setting is called {name!r}", hint)
    what, remedy = layers.explain(detail)
    return UsageError(f"{name}: {what}", remedy)
