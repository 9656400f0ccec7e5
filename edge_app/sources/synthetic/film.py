"""The scenes of the synthetic camera: ten places, each with its subject, drawn by code.

The place is painted once per scene; the subject is drawn on its own layer for each frame, shaded, and laid over the
place. Everything is determined by the seed and the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2
from edge_app.records import LABELS, Pixels
from edge_app.sources.synthetic import _places
from edge_app.sources.synthetic._brush import Brush, Colour, light_from_above
from edge_app.sources.synthetic._subjects import DRAWINGS, Coat, wave

SCENE_S = 4.0
# A film begins with one of these, so that the first labels a new user sees are correct. Of 1,440 verdicts on the first
# second of these scenes (12 seeds, 160x120 to 640x480, cifar10-base and cifar10-nano) one was wrong; for deer and frogs
# 26 % were.
OPENERS = ("airplane", "automobile", "horse", "ship")
NOISE_LEVELS = 3.0  # Standard deviation in grey levels, as of a webcam in a lit room.
MOST_SIDE_PX = 360  # Largest short side drawn; then enlarged: cheap to draw, and looks like a cheap lens.
LEAST_SIDE_PX = 96  # Smallest short side drawn; then averaged: thin parts would flicker if drawn smaller.
PLACE_SIDE_PX = 216  # Largest short side of a painted place: it is out of focus, and a scene change costs less.
_NOISE_ROOM_PX = 64  # Range of the noise's random shift, in x and y: 4096 different noise pictures.
# "nois" in ASCII. Scenes are seeded with (seed, number), and no run reaches a scene of this number.
_NOISE_STREAM = 0x6E6F6973  # Separates the random generators of noise from those of scenes.
_MARGIN = 0.06  # Extra size of a place, as a share of the short side, so that the camera can sway over it.


@dataclass(frozen=True, slots=True)
class Habitat:
    """The place of a subject and how the subject moves there.

    Attributes:
        paint: paints the place.
        size: the subject unit (half its width) as a share of the short side.
        rest: how far the subject's origin is below the centre, as a share of the short side.
        drift: how far it moves horizontally and vertically, as shares of the short side.
        shadow: y of its shadow's centre in subject units; None if it has no shadow.
        coats: possible pairs of main and accent colour.
    """

    paint: Callable[[np.random.Generator, tuple[int, int]], _places.Paint]
    size: float
    rest: float
    drift: tuple[float, float]
    shadow: float | None
    coats: tuple[tuple[Colour, Colour], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """One place with its subject, ready to be drawn at any time.

    Attributes:
        label: the label of the subject.
        size_px: width and height of the drawn picture; the place is larger by the margin.
        place: (H + margin, W + margin, 3) uint8, RGB.
        grain: (H, W) uint8 around 128, roughness of the subject's surface.
        coat: the subject's colours.
        facing: 1 to the right, -1 to the left.
        size: factor on the habitat's size.
        phase_s: time in the subject's movement at which the scene begins.
    """

    label: str
    size_px: tuple[int, int]
    place: Pixels
    grain: npt.NDArray[np.uint8]
    coat: Coat
    facing: int
    size: float
    phase_s: float


def drawn_size_px(size_px: tuple[int, int]) -> tuple[int, int]:
    """Return the size to draw at for pictures of `size_px`: the same aspect ratio, within the limits above."""
    short_px = min(size_px)
    factor = min(max(short_px, LEAST_SIDE_PX), MOST_SIDE_PX) / short_px
    return round(size_px[0] * factor), round(size_px[1] * factor)


def build(label: str, rng: np.random.Generator, size_px: tuple[int, int]) -> Scene:
    """Choose colours and pose, and paint the place.

    Args:
        label: one of `records.LABELS`.
        rng: determines colours, pose and the details of the place.
        size_px: width and height to draw.
    """
    habitat = HABITATS[label]
    margin_px = _margin_px(size_px)
    # The order of the draws from `rng` is part of the picture: in another order, a seed would give other bytes.
    grain = 128 + 34 * (_places.clouds(rng, size_px, max(min(size_px) // 9, 2)) - 0.5)
    return Scene(
        label,
        size_px,
        place=_place(habitat, rng, (size_px[0] + margin_px, size_px[1] + margin_px)),
        grain=grain.astype(np.uint8),
        coat=Coat(*habitat.coats[rng.integers(len(habitat.coats))]),
        facing=1 if rng.random() < 0.5 else -1,
        size=float(rng.uniform(0.94, 1.06)),
        phase_s=float(rng.uniform(0, 20)),
    )


def draw(scene: Scene, time_s: float) -> Pixels:
    """Draw the scene at `time_s` after its beginning.

    Returns:
        (H, W, 3) uint8, RGB, of `scene.size_px`.
    """
    habitat, t_s = HABITATS[scene.label], scene.phase_s + time_s
    width_px, height_px = scene.size_px
    short_px, margin_px = min(scene.size_px), _margin_px(scene.size_px)
    # The camera sways over the place; the subject moves with the place.
    # No period is a multiple of another, so that sway, size and drift do not move in step.
    left = round(margin_px * (0.5 + 0.45 * wave(t_s, 5.3)))
    top = round(margin_px * (0.5 + 0.45 * wave(t_s, 4.1)))
    # Without the copy, shadow and subject would stay in the cached place for all later frames.
    picture = scene.place[top : top + height_px, left : left + width_px].copy()
    unit_px = short_px * habitat.size * scene.size * (1 + 0.035 * wave(t_s, 3.7))
    x_px = width_px / 2 + margin_px / 2 - left + short_px * habitat.drift[0] * wave(t_s, 3.3)
    y_px = height_px / 2 + short_px * habitat.rest + margin_px / 2 - top + short_px * habitat.drift[1] * wave(t_s, 2.9)
    if habitat.shadow is not None:
        _cast_shadow(picture, (x_px, y_px + habitat.shadow * unit_px), unit_px)
    matrix = np.array([[scene.facing * unit_px, 0, x_px], [0, unit_px, y_px]])
    _put_subject(picture, scene, matrix, t_s)
    return picture


def _put_subject(picture: Pixels, scene: Scene, matrix: npt.NDArray[np.float64], t_s: float) -> None:
    """Draw the subject into the middle of the picture, in place."""
    # In wide pictures, the subject covers only the middle; a smaller layer is faster.
    columns, rows = (_middle(side_px, min(scene.size_px)) for side_px in scene.size_px)
    part = picture[rows, columns]
    layer = np.zeros((part.shape[0], part.shape[1], 4), np.uint8)
    DRAWINGS[scene.label](Brush(layer, matrix - [[0, 0, columns.start], [0, 0, rows.start]]), scene.coat, t_s)
    layer = light_from_above(layer, 0.62, scene.grain[rows, columns])
    # The layer's colours are already multiplied by alpha, so only the place has to be weighted.
    clear = cv2.bitwise_not(cv2.extractChannel(layer, 3))
    seen = cv2.multiply(part, cv2.cvtColor(clear, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    cv2.add(seen, cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), dst=seen)
    picture[rows, columns] = seen


def _middle(side_px: int, short_px: int) -> slice:
    reach_px = min(side_px, round(short_px * 1.3))
    start = (side_px - reach_px) // 2
    return slice(start, start + reach_px)


def _cast_shadow(picture: Pixels, centre_px: tuple[float, float], unit_px: float) -> None:
    """Darken a soft flat ellipse, in place."""
    wide, high = round(unit_px * 1.25), max(round(unit_px * 0.2), 2)
    left, top = round(centre_px[0]) - wide, round(centre_px[1]) - high
    rows = slice(max(top, 0), min(top + 2 * high, picture.shape[0]))
    columns = slice(max(left, 0), min(left + 2 * wide, picture.shape[1]))
    # `cv2.cvtColor` refuses the empty array that a shadow outside the picture would give.
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) - top - high) / high
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) - left - wide) / wide
    depth = np.clip(1 - (x * x)[None] - (y * y)[:, None], 0, 1)
    gain = cv2.convertScaleAbs(depth, alpha=150)
    keep = cv2.cvtColor(cv2.bitwise_not(gain), cv2.COLOR_GRAY2RGB)
    picture[rows, columns] = cv2.multiply(picture[rows, columns], keep, scale=1 / 255)


def _margin_px(size_px: tuple[int, int]) -> int:
    return max(round(_MARGIN * min(size_px)), 2)


def _place(habitat: Habitat, rng: np.random.Generator, size_px: tuple[int, int]) -> Pixels:
    """Paint the place, (H, W, 3) uint8 RGB of `size_px`, slightly out of focus so that the subject stands out."""
    factor = min(PLACE_SIDE_PX / min(size_px), 1)
    paint = habitat.paint(rng, (round(size_px[0] * factor), round(size_px[1] * factor)))
    blurred = cv2.GaussianBlur(paint, (0, 0), max(min(paint.shape[:2]) / 300, 0.4))
    pixels = np.clip(blurred, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(pixels, size_px, interpolation=cv2.INTER_LINEAR))


class Film:
    """An endless sequence of frames, each a pure function of its index.

    Args:
        seed: determines order, colours, places and noise.
        size_px: width and height.
        fps: frames per second of movement.
    """

    def __init__(self, seed: int, size_px: tuple[int, int], fps: float) -> None:
        self.seed, self.size_px, self.fps = seed, size_px, fps
        self._frames_a_scene = max(round(SCENE_S * fps), 1)
        self._order = _shuffled(seed)
        shape = (size_px[1] + _NOISE_ROOM_PX, size_px[0] + _NOISE_ROOM_PX, 3)
        grains = np.random.default_rng((seed, _NOISE_STREAM)).standard_normal(shape, np.float32)
        # Around 128, noise fits in uint8, a quarter of float32's memory; `addWeighted` subtracts the 128 again.
        self._noise = cv2.convertScaleAbs(128 + NOISE_LEVELS * grains)

    def truth(self, index: int) -> str:
        """Return the true label of the frame."""
        return self._order[index // self._frames_a_scene % len(self._order)]

    def frame_pixels(self, index: int) -> Pixels:
        """Return the frame: (H, W, 3) uint8, RGB, of `size_px`."""
        scene = _scene(self.truth(index), self.seed, index // self._frames_a_scene, drawn_size_px(self.size_px))
        pixels = draw(scene, index % self._frames_a_scene / self.fps)
        if scene.size_px != self.size_px:
            is_larger = min(self.size_px) > min(scene.size_px)
            pixels = cv2.resize(pixels, self.size_px, interpolation=cv2.INTER_LINEAR if is_larger else cv2.INTER_AREA)
        # Apply light and noise in a single pass, which is faster.
        return np.asarray(cv2.addWeighted(pixels, self._light(index), self._noise_at(index), 1, -128))

    def _light(self, index: int) -> float:
        """Return the brightness, about 0.85 to 1.1, as under passing clouds."""
        time_s = index / self.fps
        return 0.975 + 0.085 * math.sin(time_s * 2 * math.pi / 17) + 0.04 * math.sin(time_s * 2 * math.pi / 7.3)

    def _noise_at(self, index: int) -> npt.NDArray[np.uint8]:
        # Seeded with the index: in one continuous stream, a skipped frame would change the noise of all later ones.
        left, top = np.random.default_rng((self.seed, _NOISE_STREAM, index)).integers(_NOISE_ROOM_PX, size=2)
        return self._noise[top : top + self.size_px[1], left : left + self.size_px[0]]


def _shuffled(seed: int) -> tuple[str, ...]:
    """Return the labels in display order: shuffled, then rotated until an opener comes first."""
    labels = [LABELS[place] for place in np.random.default_rng(seed).permutation(len(LABELS))]
    first = next(place for place, label in enumerate(labels) if label in OPENERS)
    return (*labels[first:], *labels[:first])


@lru_cache(maxsize=4)
def _scene(label: str, seed: int, number: int, size_px: tuple[int, int]) -> Scene:
    """Build a scene once for all its frames, which makes frames cheap. Cameras only go forward: a small cache does."""
    return build(label, np.random.default_rng((seed, number)), size_px)


_VEHICLES: tuple[tuple[Colour, Colour], ...] = (
    ((196, 34, 32), (236, 180, 40)),
    ((36, 78, 160), (206, 52, 44)),
    ((226, 176, 36), (40, 90, 150)),
    ((48, 122, 78), (230, 130, 40)),
    ((176, 182, 190), (40, 100, 170)),
)

HABITATS: dict[str, Habitat] = {
    "airplane": Habitat(
        _places.open_sky,
        size=0.41,
        rest=0.0,
        drift=(0.04, 0.03),
        shadow=None,
        coats=(((236, 238, 242), (196, 36, 44)), ((226, 232, 240), (28, 74, 150)), ((214, 220, 226), (226, 140, 30))),
    ),
    "automobile": Habitat(_places.road, size=0.43, rest=0.07, drift=(0.03, 0.0), shadow=0.6, coats=_VEHICLES),
    "bird": Habitat(
        _places.leaves,
        size=0.46,
        rest=0.02,
        drift=(0.015, 0.015),
        shadow=None,
        coats=(((126, 104, 84), (216, 104, 48)), ((66, 112, 176), (236, 206, 150)), ((196, 170, 56), (246, 226, 130))),
    ),
    "cat": Habitat(
        _places.room,
        size=0.42,
        rest=0.02,
        drift=(0.015, 0.0),
        shadow=0.92,
        coats=(
            ((206, 138, 70), (246, 232, 212)),
            ((132, 128, 126), (226, 224, 222)),
            ((150, 116, 84), (236, 222, 202)),
        ),
    ),
    "deer": Habitat(
        _places.forest,
        size=0.4,
        rest=0.035,
        drift=(0.015, 0.0),
        shadow=0.97,
        coats=(((164, 108, 62), (232, 210, 178)), ((146, 104, 70), (224, 206, 180))),
    ),
    "dog": Habitat(
        _places.lawn,
        size=0.43,
        rest=0.01,
        drift=(0.015, 0.0),
        shadow=0.94,
        coats=(((196, 146, 88), (244, 230, 206)), ((96, 66, 46), (222, 180, 130)), ((62, 58, 60), (240, 238, 236))),
    ),
    "frog": Habitat(
        _places.pond,
        size=0.42,
        rest=0.05,
        drift=(0.02, 0.015),
        shadow=0.8,
        coats=(((84, 156, 54), (206, 216, 130)), ((112, 142, 58), (222, 206, 140)), ((54, 140, 92), (216, 226, 160))),
    ),
    "horse": Habitat(
        _places.paddock,
        size=0.41,
        rest=0.02,
        drift=(0.05, 0.0),
        shadow=0.97,
        coats=(((142, 84, 48), (46, 34, 28)), ((92, 58, 40), (30, 26, 26)), ((186, 178, 170), (110, 104, 102))),
    ),
    "ship": Habitat(
        _places.sea,
        size=0.44,
        rest=0.06,
        drift=(0.03, 0.0),
        shadow=None,
        coats=(((40, 52, 72), (206, 60, 44)), ((34, 92, 78), (232, 170, 40)), ((128, 42, 40), (40, 70, 120))),
    ),
    "truck": Habitat(_places.road, size=0.43, rest=0.04, drift=(0.03, 0.0), shadow=0.75, coats=_VEHICLES),
}
