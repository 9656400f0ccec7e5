"""Pictures from cameras that are mounted upside down, sideways or behind a mirror."""

from __future__ import annotations

from edge_app.pictures.opencv import cv2
from edge_app.records import Box, Picture, Pixels
from edge_app.settings.choices import Flip, Rotation


class OrientedPicture:
    """Another picture, mirrored and then turned clockwise. Boxes refer to the picture after turning.

    Args:
        picture: the picture as the source delivers it.
        rotate: degrees clockwise: 0, 90, 180 or 270.
        flip: "horizontal" swaps left and right, "vertical" top and bottom, before turning.
    """

    def __init__(self, picture: Picture, rotate: Rotation, flip: Flip) -> None:
        self._picture, self._rotate, self._flip = picture, rotate, flip

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height after turning."""
        width, height = self._picture.size_px
        return (height, width) if self._rotate in (90, 270) else (width, height)

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Cut and shrink first, so that fewer pixels are turned. See `Picture.rgb`."""
        pixels = self._picture.rgb(None if box is None else self._as_delivered(box), min_side_px)
        if self._flip != "none":
            pixels = cv2.flip(pixels, 1 if self._flip == "horizontal" else 0)
        return pixels if self._rotate == 0 else cv2.rotate(pixels, _TURNS[self._rotate])

    def _as_delivered(self, box: Box) -> Box:
        width, height = self.size_px
        for _ in range(self._rotate // 90):  # undo one quarter turn at a time
            box = Box(box.top, width - box.left - box.width_px, box.height_px, box.width_px)
            width, height = height, width
        # The flip was applied first, so it is undone last.
        if self._flip == "horizontal":
            return Box(width - box.left - box.width_px, box.top, box.width_px, box.height_px)
        if self._flip == "vertical":
            return Box(box.left, height - box.top - box.height_px, box.width_px, box.height_px)
        return box


_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def oriented(picture: Picture, rotate: Rotation, flip: Flip) -> Picture:
    """Return the picture mirrored and turned, or the picture itself if neither is needed."""
    return picture if rotate == 0 and flip == "none" else OrientedPicture(picture, rotate, flip)
