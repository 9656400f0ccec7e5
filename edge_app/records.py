"""The records passed through the package: boxes, pictures, frames, outages, verdicts, results. No logic lives here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # `edge-app doctor` imports the settings, and so this module, even where numpy is broken.
    import numpy as np
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
"""(H, W, 3) uint8, RGB unless its name says otherwise."""

Scores: TypeAlias = "npt.NDArray[np.float32]"
"""(classes,) float32."""

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The labels of CIFAR-10 in the order of its files; the shipped models and the synthetic camera use them."""

DEFAULT_SIZE_PX = (640, 480)
"""Width and height requested from a camera when there is a viewer and no --size; also the size of test frames."""

DEFAULT_FPS = 30.0
"""Frames per second requested from a camera without --fps."""

State = Literal["ok", "unknown", "outage"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in whole pixels: columns `left` to `left + width_px - 1`, rows `top` to `top + height_px - 1`."""

    left: int
    top: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Crop:
    """Which part of a picture the model sees.

    Attributes:
        mode: "center" takes the largest centred part with the patch's aspect ratio, "squash" the whole picture,
            distorted, "fit" the whole picture with grey bars, "box" the given box.
        box: the part for mode "box", in pixels of the picture after turning and mirroring.
    """

    mode: Literal["center", "squash", "fit", "box"] = "center"
    box: Box | None = None

    def __str__(self) -> str:
        """Return it as a flag value: "center", "100,0,480,480"."""
        box = self.box
        return self.mode if box is None else f"{box.left},{box.top},{box.width_px},{box.height_px}"


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a picture."""

    width_px: int
    height_px: int

    def __str__(self) -> str:
        """Return it as a flag value: "640x480"."""
        return f"{self.width_px}x{self.height_px}"

    @property
    def px(self) -> tuple[int, int]:
        """Width and height as OpenCV takes them."""
        return self.width_px, self.height_px


@dataclass(frozen=True, slots=True)
class InputRange:
    """The real values of pixels 0 and 255 at a model's input."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return it as a flag value: "-1,1"."""
        return ",".join(str(end).removesuffix(".0") for end in (self.low, self.high))


class Picture(Protocol):
    """A picture, possibly still encoded, that decodes only as much as is requested."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height at full size."""

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Return pixels, decoding no more than necessary.

        Args:
            box: the requested part, in full-size pixels; the whole picture by default.
            min_side_px: the part may be shrunk by area averaging as long as its short side keeps at least this
                many pixels; by default it is not shrunk.

        Returns:
            (H, W, 3) uint8, RGB. May be a view: copy before drawing on it.

        Raises:
            PictureError: the data cannot be decoded.
        """


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Small pictures of one size with their labels, all in memory.

    Attributes:
        pictures: (N, H, W, 3) uint8, RGB.
        labels: (N,) int64, indices into `names`.
        names: the label names.
    """

    pictures: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def at(self, chosen: npt.NDArray[np.int64] | slice) -> LabelledPictures:
        """Return the selected pictures."""
        return LabelledPictures(self.pictures[chosen], self.labels[chosen], self.names)

    def first(self, count: int | None) -> LabelledPictures:
        """Return the first `count` pictures, or all if None."""
        return self.at(slice(count))

    @property
    def digest(self) -> str:
        """SHA-256 over pictures and labels, hexadecimal."""
        import numpy as np

        # hashlib refuses a buffer that is not contiguous, such as a slice with a step.
        found = hashlib.sha256(np.ascontiguousarray(self.pictures).data)
        # A fixed byte order, so that every machine finds the same digest.
        found.update(self.labels.astype("<i8").tobytes())
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: position among the source's frames, from 0; a gap means dropped frames.
        captured_s: when it was captured, monotonic clock.
        stream_s: the time used for smoothing: the position in a video, otherwise `captured_s`.
        picture: the picture itself.
        name: the file it comes from, if any.
        truth: its true label, if known.
    """

    index: int
    captured_s: float
    stream_s: float
    picture: Picture
    name: str | None = None
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """No picture, and why. A live source yields one at least once a second during an outage.

    Attributes:
        reason: one line for the user.
        since_s: when the last good picture was captured (or the source opened), monotonic clock.
        observed_s: when this was reported, monotonic clock.
    """

    reason: str
    since_s: float
    observed_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision after the frames so far.

    Attributes:
        state: "ok" if there is a label.
        label: the decision over time; None unless `state` is "ok".
        confidence: smoothed probability of `label`, 0..1; None unless `state` is "ok".
        top: (label, calibrated probability) of this frame alone, most probable first; empty in an outage.
        reason: one line with the cause of the outage; None otherwise.
    """

    state: State
    label: str | None
    confidence: float | None
    top: tuple[tuple[str, float], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the log: a verdict with its circumstances.

    Attributes:
        verdict: what was decided.
        source: the string that selects the source.
        frame: index of the frame; in an outage the index of the last frame, -1 before the first.
        captured_s: when the frame was captured (an outage: reported), monotonic clock.
        captured_unix_s: the same on the wall clock.
        done_s: when the result was ready, monotonic clock.
        fps: recent classifications per second.
        dropped: frames the source has dropped since it was opened.
        name: file the frame came from, if any.
        truth: the true label of the frame, if known.
        is_damaged: there was a picture that could not be decoded.
    """

    verdict: Verdict
    source: str
    frame: int
    captured_s: float
    captured_unix_s: float
    done_s: float
    fps: float
    dropped: int
    name: str | None = None
    truth: str | None = None
    is_damaged: bool = False

    @property
    def label(self) -> str | None:
        """The decision over time; None unless `state` is "ok"."""
        return self.verdict.label

    @property
    def confidence(self) -> float | None:
        """Smoothed probability of `label`, 0..1; None unless `state` is "ok"."""
        return self.verdict.confidence

    @property
    def state(self) -> State:
        """State of the verdict: "ok", "unknown" or "outage"."""
        return self.verdict.state

    @property
    def reason(self) -> str | None:
        """Cause of the outage; None otherwise."""
        return self.verdict.reason

    @property
    def latency_ms(self) -> float:
        """Milliseconds from capture to result."""
        return (self.done_s - self.captured_s) * 1e3
