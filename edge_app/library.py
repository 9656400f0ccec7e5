"""edge-app as a library: one picture, many pictures, a camera. `edge_app` exports these names and loads them lazily.

Settings have the same names and values as in the settings file, without its sections. Neither the settings file nor
the environment is read: only the script decides what it does.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, ValidationError

from edge_app import pipeline, sources
from edge_app.errors import EdgeAppError, UsageError, closest
from edge_app.metering import Stages
from edge_app.model import classifier
from edge_app.model.decision import Decision, rules
from edge_app.pictures import preprocess
from edge_app.pictures.array import ArrayPicture
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.records import Crop, Frame, Picture, Result, Verdict
from edge_app.secret import know, masked, masked_value, scrub_error
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
    """The settings of `Classifier`."""

    crop: CropValue = Crop()


class WatchSettings(CameraOptions, ModelOptions, DecisionOptions):
    """The settings of `watch`."""

    frames: int | None = Field(None, gt=0)
    duration: float | None = Field(None, gt=0)


class Classifier:
    """A model for single pictures; each verdict is independent of the pictures before.

    It serves one thread at a time; others wait.

    Args:
        model: name of a shipped model, or a .tflite file.
        settings: those in the sections [model] and [decision], and `crop`: `labels="labels.txt"`, `enter=0.8`, ...

    Attributes:
        name: the model's name.
        labels: one for each class.

    Raises:
        UsageError: a setting does not exist or has a wrong value.
        ModelRefused: the model cannot be used.
        DependencyMissing: no runtime is installed.
    """

    def __init__(self, model: str | os.PathLike[str] = DEFAULT_MODEL, **settings: Any) -> None:
        options = _checked(StillSettings, {"model": os.fspath(model), **settings})
        with _without_secrets():
            network = classifier.load(options, threading.Event())
        decision = Decision(network.labels, rules(options, network.card, is_sequence=False))
        self._recogniser, self._one_at_a_time = Recogniser(network, decision, options.crop), threading.Lock()
        self.name, self.labels = network.name, network.labels

    def __call__(self, picture: PictureLike) -> Verdict:
        """Classify a picture.

        Args:
            picture: path of a file, or pixels: (H, W, 3) uint8, RGB, or (H, W) grey.

        Returns:
            `label` and `confidence` (None where `state` is "unknown"), and `top`, the most probable labels.

        Raises:
            PictureError: it cannot be read or decoded, or is not a picture.
        """
        with _without_secrets():
            frame = Frame(0, 0.0, 0.0, _picture(picture))
        with self._one_at_a_time:
            return self._recogniser.look(frame, Stages())


def classify(picture: PictureLike, model: str | os.PathLike[str] = DEFAULT_MODEL) -> Verdict:
    """Classify one picture. For settings, or for many pictures, see `Classifier`.

    Args:
        picture: path of a file, or pixels: (H, W, 3) uint8, RGB, or (H, W) grey.
        model: name of a shipped model, or a .tflite file. It stays loaded for the next call.

    Raises:
        PictureError: the picture cannot be read or decoded.
        ModelRefused: the model cannot be used.
        DependencyMissing: no runtime is installed.
    """
    return _loaded(os.fspath(model), _current_folder())(picture)


def watch(source: str | os.PathLike[str] = "auto", **settings: Any) -> Watch:
    """Open a camera, a stream, a video or a folder, and classify its frames.

    Args:
        source: a string, as for `edge-app run --source`.
        settings: those in the sections [camera], [model] and [decision], and `frames` or `duration` to end after:
            `rate=5`, `model="cifar10-nano"`, ...

    Returns:
        An iterator over results. Leaving its `with` block closes it; so do garbage collection and the script's end.

    Raises:
        UsageError: a setting or the source does not exist, or a value is wrong.
        SourceError: the source cannot be opened.
        ModelRefused: the model cannot be used.
        DependencyMissing: a package is not installed.
    """
    return Watch(_checked(WatchSettings, {"source": source, **settings}))


class Watch(Iterator[Result]):
    """Iterates over the results of a source, the same as in the log; made by `watch`."""

    def __init__(self, settings: WatchSettings) -> None:
        self._stop = stop = threading.Event()
        # `_results` is a generator: a second thread in it would get ValueError, "generator already executing".
        self._one_at_a_time = threading.Lock()
        with _without_secrets(), ExitStack() as resources:
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
            # Refers to the source but not to this object, so that it runs when this object is collected, or at exit.
            # It does not set `stop`: the collector may run it inside a capture thread that waits for `stop` and holds
            # its lock.
            self._close = weakref.finalize(self, resources.pop_all().close)

    def __next__(self) -> Result:
        """Wait for the next result. One thread at a time is served; others wait."""
        with self._one_at_a_time, _without_secrets():
            try:
                return next(self._results)
            except BaseException:  # StopIteration included
                # A generator that has raised never yields again, so the camera would stay open for nothing.
                self.close()
                raise

    def close(self) -> None:
        """Close the source. May be called more than once."""
        self._stop.set()
        self._close()

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


@contextmanager
def _without_secrets() -> Iterator[None]:
    """Keep passwords out of the traceback that a script ends with: it shows the causes of an error too."""
    try:
        yield
    except EdgeAppError as error:
        scrub_error(error)
        raise


# lru_cache holds no lock during a call: two threads may both load a model at first, and one copy is dropped.
@lru_cache(_KEPT)
def _loaded(model: str, _folder: str) -> Classifier:
    """Keep models by name and current folder, which a relative path depends on."""
    return Classifier(model)


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  # a key, not a path
    except FileNotFoundError:  # It was deleted.
        return ""


def _picture(picture: PictureLike) -> Picture:
    if isinstance(picture, np.ndarray):
        return ArrayPicture(picture)
    know(os.fspath(picture))  # perhaps an address
    return load(Path(picture))


def _checked(kind: type[_Settings], given: dict[str, Any]) -> _Settings:
    # pydantic refuses a Path where a field is a str.
    names = {name: os.fspath(value) for name, value in given.items() if isinstance(value, os.PathLike)}
    masked_value(given | names)  # A password in the wrong place is then kept out of messages too.
    with _without_secrets():
        try:
            return kind.model_validate(given | names)
        except ValidationError as error:
            raise UsageError.together([_wrong(kind, detail) for detail in error.errors()]) from error


def _wrong(kind: type[BaseModel], detail: Any) -> UsageError:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        close = closest(name, kind.model_fields)
        hint = f"did you mean {close!r}?" if close else f"there are {', '.join(kind.model_fields)}"
        return UsageError(f"no setting is called {masked(name)!r}", hint)
    what, remedy = layers.explain(detail)
    return UsageError(f"{name}: {what}", remedy)
