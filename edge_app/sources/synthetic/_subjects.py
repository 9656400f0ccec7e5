"""The ten subjects of the synthetic camera; one function draws each at a given time.

All face right and span about -1..1; y points down. Wheels, legs and wings depend only on the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from edge_app.sources.synthetic._brush import Brush, Colour, Point, tone


@dataclass(frozen=True, slots=True)
class Coat:
    """The two colours that distinguish individuals."""

    main: Colour
    accent: Colour


Drawing: TypeAlias = Callable[[Brush, Coat, float], None]

INK = (28, 26, 30)
WHITE = (240, 240, 236)
GLASS = (70, 92, 112)
RUBBER = (34, 34, 36)


def wave(t_s: float, period_s: float, turn: float = 0.0) -> float:
    """Return a sine of the time, -1..1, shifted ahead by `turn` periods."""
    return math.sin(2 * math.pi * (t_s / period_s + turn))


def _both_sides(*points: Point) -> tuple[Point, ...]:
    """Complete the right half of an outline, given from top to bottom, with its mirror image."""
    return points + tuple((-x, y) for x, y in reversed(points[1:-1]))


def airplane(brush: Brush, coat: Coat, t_s: float) -> None:
    """An airliner that climbs, seen from the side and a little below."""
    b = brush.moved(0, 0.05, -0.13 + 0.04 * wave(t_s, 3.1))
    b.area(((0.22, -0.1), (-0.06, -0.1), (-0.34, -0.5), (-0.22, -0.5)), tone(coat.main, 0.62))
    b.area(((-0.72, -0.1), (-0.9, -0.3), (-0.82, -0.3), (-0.55, -0.1)), tone(coat.main, 0.6))
    b.area(((-0.92, -0.1), (-1.06, -0.55), (-0.9, -0.56), (-0.5, -0.13)), coat.accent)
    hull = ((1.0, 0.02), (0.86, -0.11), (0.6, -0.16), (-0.5, -0.15), (-1.02, -0.11), (-0.98, -0.05), (-0.5, 0.12))
    b.shape((*hull, (0.6, 0.14), (0.9, 0.1)), coat.main)
    belly = ((0.98, 0.04), (0.5, 0.06), (-0.3, 0.04), (-0.9, -0.05), (-0.5, 0.11), (0.6, 0.135), (0.9, 0.09))
    b.shape(belly, tone(coat.main, 0.78))
    b.area(((0.93, 0.01), (-0.85, -0.045), (-0.85, -0.075), (0.95, -0.02)), coat.accent)
    for i in range(13):
        b.oval(0.66 - i * 0.11, -0.085, (0.022, 0.026), GLASS)
    b.area(((0.78, -0.115), (0.91, -0.07), (0.9, -0.035), (0.79, -0.06)), INK)
    b.oval(0.16, 0.25, (0.15, 0.075), tone(coat.main, 0.66))
    b.oval(0.27, 0.25, (0.035, 0.07), INK)
    b.area(((0.3, 0.05), (-0.1, 0.07), (-0.62, 0.6), (-0.5, 0.63), (-0.1, 0.38)), tone(coat.main, 0.88))
    b.area(((-0.1, 0.07), (-0.62, 0.6), (-0.57, 0.615), (-0.02, 0.1)), tone(coat.main, 0.6))
    b.area(((-0.62, -0.02), (-0.86, -0.02), (-1.1, 0.14), (-1.0, 0.15)), tone(coat.main, 0.8))
    if t_s % 1.0 < 0.15:
        b.oval(-0.58, 0.61, 0.035, (255, 90, 70))


def _wheel(brush: Brush, x: float, y: float, radius: float, turn: float) -> None:
    brush.oval(x, y, radius, RUBBER)
    brush.oval(x, y, radius * 0.62, (168, 170, 176))
    rim = brush.moved(x, y, turn)
    for i in range(5):
        angle = i * 2 * math.pi / 5
        rim.oval(radius * 0.36 * math.cos(angle), radius * 0.36 * math.sin(angle), radius * 0.15, (60, 62, 66))
    brush.oval(x, y, radius * 0.14, (210, 212, 216))


_CAR = ((-0.98, 0.18), (-0.96, -0.04), (-0.7, -0.1), (-0.4, -0.4), (0.0, -0.46), (0.26, -0.4), (0.52, -0.11))
_CAR_FRONT = ((0.84, -0.03), (0.98, 0.08), (1.0, 0.24), (0.9, 0.31), (0.0, 0.32), (-0.9, 0.31))


def automobile(brush: Brush, coat: Coat, t_s: float) -> None:
    """A saloon car from the side."""
    b = brush.moved(0, 0.1 + 0.012 * wave(t_s, 0.7), 0.008 * wave(t_s, 1.1))
    for x in (-0.52, 0.66):
        brush.oval(x, 0.42, (0.2, 0.19), tone(RUBBER, 0.7))
    b.shape(_CAR + _CAR_FRONT, coat.main)
    b.area(((-0.96, 0.2), (0.98, 0.2), (0.95, 0.3), (-0.92, 0.31)), tone(coat.main, 0.6))
    b.area(((-0.94, 0.02), (0.9, 0.03), (0.93, 0.06), (-0.95, 0.05)), tone(coat.main, 1.45))
    b.shape(((-0.58, -0.1), (-0.36, -0.35), (-0.1, -0.4), (-0.08, -0.1)), GLASS)
    b.shape(((-0.01, -0.1), (-0.01, -0.4), (0.22, -0.35), (0.42, -0.1)), GLASS)
    b.area(((0.1, -0.12), (0.02, -0.36), (0.1, -0.36), (0.22, -0.12)), tone(GLASS, 1.4))
    b.area(((-0.42, -0.12), (-0.32, -0.33), (-0.25, -0.35), (-0.32, -0.12)), tone(GLASS, 1.3))
    b.area(((-0.05, -0.08), (-0.03, -0.08), (-0.03, 0.26), (-0.05, 0.26)), tone(coat.main, 0.55))
    b.area(((-0.2, 0.0), (-0.09, 0.0), (-0.09, 0.025), (-0.2, 0.025)), tone(coat.main, 0.5))
    b.shape(((0.84, 0.0), (0.97, 0.08), (0.95, 0.13), (0.85, 0.08)), (255, 244, 200))
    b.shape(((-0.97, 0.0), (-0.88, 0.0), (-0.89, 0.09), (-0.97, 0.1)), (205, 30, 26))
    for x in (-0.55, 0.6):
        b.oval(x, 0.32, 0.225, tone(coat.main, 0.3))
        _wheel(brush, x, 0.42, 0.195, 2.6 * t_s)


def bird(brush: Brush, coat: Coat, t_s: float) -> None:
    """A songbird on a twig; it looks about and lifts its wing."""
    brush.limb(((-1.3, 0.82, 0.05), (-0.2, 0.72, 0.06), (0.5, 0.74, 0.05), (1.3, 0.6, 0.035)), (92, 70, 52))
    brush.limb(((0.5, 0.74, 0.03), (0.92, 0.92, 0.015)), (92, 70, 52))
    for x in (0.0, 0.16):
        brush.limb(((x - 0.04, 0.45, 0.03), (x + 0.02, 0.7, 0.022), (x + 0.12, 0.72, 0.02)), (150, 96, 60))
    b = brush.moved(0.05, 0.5, 0.05 * wave(t_s, 1.7))
    flick = 0.12 * max(wave(t_s, 1.3), 0.0)
    tail = b.moved(-0.5, 0.0, -flick)
    tail.area(((0.1, -0.16), (-0.62, 0.22), (-0.52, 0.36), (0.2, 0.1)), tone(coat.main, 0.55))
    body = ((0.3, -0.62), (0.5, -0.34), (0.42, -0.04), (0.14, 0.12), (-0.25, 0.08), (-0.6, -0.06), (-0.4, -0.36))
    b.shape((*body, (0.0, -0.62)), coat.main)
    b.shape(((0.36, -0.6), (0.52, -0.34), (0.42, -0.02), (0.12, 0.11), (0.08, -0.12), (0.2, -0.45)), coat.accent)
    wing = b.moved(0.05, -0.36, 0.1 + 0.22 * max(wave(t_s, 2.0), 0.0))
    feathers = ((0.12, -0.02), (0.06, 0.22), (-0.25, 0.34), (-0.78, 0.32), (-0.4, 0.0), (-0.1, -0.12))
    wing.shape(feathers, tone(coat.main, 0.68))
    wing.shape(((0.08, 0.0), (0.0, 0.12), (-0.3, 0.16), (-0.35, 0.02), (-0.1, -0.08)), tone(coat.main, 0.86))
    wing.area(((-0.1, 0.2), (-0.7, 0.29), (-0.72, 0.31), (-0.12, 0.24)), tone(coat.main, 1.4))
    head = b.moved(0.2, -0.68, 0.1 * wave(t_s, 2.3))
    head.area(((0.22, -0.1), (0.54, 0.0), (0.22, 0.08)), (226, 158, 52))
    head.area(((0.22, 0.0), (0.52, 0.0), (0.22, 0.08)), (190, 120, 36))
    head.oval(0.04, -0.03, (0.29, 0.27), coat.main)
    head.shape(((0.3, 0.02), (0.24, 0.2), (0.02, 0.24), (-0.02, 0.1), (0.12, 0.04)), coat.accent)
    head.oval(0.13, -0.07, 0.055, INK)
    head.oval(0.15, -0.09, 0.018, WHITE)


def cat(brush: Brush, coat: Coat, t_s: float) -> None:
    """A sitting cat that looks into the camera, its tail swinging."""
    sway = 0.12 * wave(t_s, 1.9)
    tip = (0.98 + sway, 0.02 + 0.3 * abs(sway), 0.06)
    brush.limb(((0.4, 0.82, 0.12), (0.82, 0.74, 0.11), (0.96, 0.4, 0.09), tip), tone(coat.main, 0.72))
    body = ((0.0, -0.1), (0.36, 0.1), (0.58, 0.5), (0.56, 0.88), (0.3, 0.95), (-0.3, 0.95), (-0.56, 0.88), (-0.58, 0.5))
    brush.shape((*body, (-0.36, 0.1)), tone(coat.main, 0.86))
    brush.shape(((0.0, 0.0), (0.26, 0.3), (0.2, 0.8), (-0.2, 0.8), (-0.26, 0.3)), coat.accent)
    for side in (-1, 1):
        for y in (0.35, 0.52, 0.69):
            stripe = ((side * 0.52, y - 0.03), (side * 0.28, y + 0.02), (side * 0.54, y + 0.05))
            brush.area(stripe, tone(coat.main, 0.55))
        brush.limb(((side * 0.17, 0.4, 0.11), (side * 0.16, 0.86, 0.1), (side * 0.18, 0.9, 0.11)), coat.main)
        brush.oval(side * 0.18, 0.91, (0.13, 0.08), coat.accent)
    _cat_head(brush.moved(0.0, -0.3, 0.09 * wave(t_s, 2.7)), coat, is_blinking=t_s % 2.2 < 0.14)


def _cat_head(head: Brush, coat: Coat, is_blinking: bool) -> None:
    for side in (-1, 1):
        head.area(((side * 0.08, -0.3), (side * 0.46, -0.66), (side * 0.5, -0.04)), coat.main)
        head.area(((side * 0.2, -0.3), (side * 0.41, -0.53), (side * 0.43, -0.16)), (206, 140, 134))
    head.shape(_both_sides((0.0, -0.38), (0.36, -0.26), (0.52, 0.04), (0.3, 0.34), (0.0, 0.4)), coat.main)
    for x in (-0.12, 0.0, 0.12):
        head.area(((x - 0.03, -0.36), (x + 0.03, -0.36), (x * 0.7, -0.14)), tone(coat.main, 0.5))
    head.oval(-0.1, 0.2, (0.17, 0.14), coat.accent)
    head.oval(0.1, 0.2, (0.17, 0.14), coat.accent)
    for side in (-1, 1):
        lids = 0.02 if is_blinking else 0.1
        head.oval(side * 0.22, -0.02, (0.12, lids), (178, 200, 80))
        head.oval(side * 0.22, -0.02, (0.045, lids * 0.95), INK)
        head.oval(side * 0.22 + 0.03, -0.05, 0.02 if not is_blinking else 0.005, WHITE)
        for slope in (-0.05, 0.02, 0.09):
            end = (side * 0.62, 0.18 + slope, 0.004)
            head.limb(((side * 0.16, 0.2 + slope * 0.5, 0.008), end), WHITE)
        mouth = ((0.0, 0.16, 0.012), (side * 0.02, 0.24, 0.012), (side * 0.1, 0.26, 0.012), (side * 0.16, 0.22, 0.008))
        head.limb(mouth, tone(coat.main, 0.35))
    head.area(((-0.07, 0.1), (0.07, 0.1), (0.0, 0.18)), (196, 104, 104))


@dataclass(frozen=True, slots=True)
class _Leg:
    """Where a leg begins, its radius there, and its phase in the stride (0..1)."""

    x: float
    y: float
    radius: float
    turn: float


def _stride(brush: Brush, leg: _Leg, swing: float, colour: Colour) -> None:
    """Draw a hoofed leg of two bones; the lower one folds while the leg swings forward."""
    upper = 0.26 * swing * math.sin(2 * math.pi * leg.turn)
    fold = 0.45 * swing * max(math.cos(2 * math.pi * leg.turn), 0.0)
    length = (0.93 - leg.y) / 2
    knee = leg.x + length * math.sin(upper), leg.y + length * math.cos(upper)
    hoof = knee[0] + length * math.sin(upper - fold), knee[1] + length * math.cos(upper - fold)
    thin = leg.radius * 0.42
    brush.limb(((leg.x, leg.y, leg.radius), (*knee, thin), (*hoof, thin * 0.8)), colour)
    brush.limb(((*hoof, thin), (hoof[0] + 0.03, hoof[1] + 0.04, thin * 1.1)), tone(colour, 0.4))


_DEER = ((-0.62, -0.1), (-0.3, -0.2), (0.1, -0.16), (0.3, -0.3), (0.42, -0.66), (0.58, -0.7), (0.58, -0.35))
_DEER_FRONT = ((0.5, 0.02), (0.2, 0.2), (-0.2, 0.18), (-0.5, 0.22), (-0.68, 0.1))


def deer(brush: Brush, coat: Coat, t_s: float) -> None:
    """A stag that stands, shifts its weight and looks about."""
    lift = 0.25 * max(wave(t_s, 3.0), 0.0)
    for x, turn in ((-0.46, 0.0), (0.26, lift)):
        _stride(brush, _Leg(x, 0.1, 0.12, turn), 0.5, tone(coat.main, 0.6))
    brush.oval(-0.68, 0.02, (0.07, 0.14), WHITE, 0.3 + 0.2 * wave(t_s, 0.9))
    brush.shape(_DEER + _DEER_FRONT, coat.main)
    brush.shape(((0.44, 0.04), (0.2, 0.19), (-0.2, 0.17), (-0.45, 0.2), (0.1, 0.1)), coat.accent)
    for x, turn in ((-0.54, 0.5), (0.38, 0.5)):
        _stride(brush, _Leg(x, 0.08, 0.14, turn), 0.5, coat.main)
    for i in range(7):
        brush.oval(-0.48 + 0.1 * i, -0.1 + 0.05 * (i % 2), 0.018, coat.accent)
    head = brush.moved(0.5, -0.66, 0.12 * wave(t_s, 2.6))
    _antler(head.moved(-0.02, -0.1), tone((120, 92, 66), 0.8))
    head.shape(
        ((-0.12, -0.08), (0.08, -0.14), (0.36, 0.06), (0.4, 0.14), (0.3, 0.2), (0.1, 0.16), (-0.06, 0.14)), coat.main
    )
    head.shape(((0.24, 0.1), (0.38, 0.16), (0.3, 0.2), (0.16, 0.17)), coat.accent)
    _antler(head.moved(0.06, -0.1), (168, 138, 102))
    head.shape(((-0.04, -0.1), (-0.26, -0.2), (-0.3, -0.14), (-0.1, 0.0)), tone(coat.main, 0.75))
    head.oval(0.1, -0.02, 0.03, INK)
    head.oval(0.38, 0.1, 0.03, INK)


def _antler(brush: Brush, colour: Colour) -> None:
    beam: tuple[Point, ...] = ((0.0, 0.04), (-0.12, -0.16), (-0.08, -0.34), (0.08, -0.46))
    brush.limb([(x, y, 0.032 - 0.006 * i) for i, (x, y) in enumerate(beam)], colour)
    for x, y, along, up in ((-0.08, -0.08, 0.16, -0.1), (-0.11, -0.2, -0.14, -0.12), (-0.08, -0.32, -0.12, -0.14)):
        brush.limb(((x, y, 0.022), (x + along, y + up, 0.012)), colour)


def dog(brush: Brush, coat: Coat, t_s: float) -> None:
    """A sitting dog with hanging ears that pants at the camera."""
    wag = 0.35 * wave(t_s, 0.6)
    tail = brush.moved(0.42, 0.8, wag)
    tail.limb(((0.0, 0.0, 0.1), (0.3, -0.12, 0.08), (0.46, -0.34, 0.05)), coat.main)
    chest = ((0.0, -0.05), (0.4, 0.14), (0.52, 0.55), (0.46, 0.92), (-0.46, 0.92), (-0.52, 0.55), (-0.4, 0.14))
    brush.shape(chest, tone(coat.main, 0.82))
    brush.shape(((0.0, 0.1), (0.25, 0.3), (0.18, 0.75), (-0.18, 0.75), (-0.25, 0.3)), coat.accent)
    for side in (-1, 1):
        brush.limb(((side * 0.25, 0.4, 0.14), (side * 0.24, 0.86, 0.11)), coat.main)
        brush.oval(side * 0.25, 0.91, (0.15, 0.09), coat.accent)
    nod = 0.02 * wave(t_s, 0.45)
    _dog_head(brush.moved(0.0, -0.28 + nod, 0.1 * wave(t_s, 2.4)), coat, t_s)


def _dog_head(head: Brush, coat: Coat, t_s: float) -> None:
    skull = ((0.0, -0.5), (0.3, -0.42), (0.42, -0.12), (0.34, 0.16), (0.2, 0.42), (-0.2, 0.42), (-0.34, 0.16))
    head.shape((*skull, (-0.42, -0.12), (-0.3, -0.42)), coat.main)
    head.shape(((0.0, -0.48), (0.07, -0.2), (0.13, 0.1), (-0.13, 0.1), (-0.07, -0.2)), coat.accent)
    swing = 0.1 * wave(t_s, 0.9)
    for side in (-1, 1):
        ear = head.moved(side * 0.3, -0.38, swing * side, (side, 1.0))
        ear.shape(
            ((-0.06, 0.0), (0.14, -0.06), (0.32, 0.16), (0.36, 0.54), (0.22, 0.68), (0.08, 0.46)), tone(coat.main, 0.58)
        )
    pant = 0.05 + 0.04 * wave(t_s, 0.45)
    head.shape(((-0.16, 0.32), (0.16, 0.32), (0.12, 0.48 + pant / 2), (-0.12, 0.48 + pant / 2)), (96, 36, 40))
    head.shape(((-0.1, 0.36), (0.1, 0.36), (0.1, 0.54 + pant), (0.0, 0.6 + pant), (-0.1, 0.54 + pant)), (224, 112, 122))
    head.oval(0.0, 0.24, (0.27, 0.18), coat.accent)
    for side in (-1, 1):
        head.limb(
            ((0.0, 0.24, 0.014), (side * 0.05, 0.33, 0.014), (side * 0.15, 0.34, 0.014), (side * 0.22, 0.27, 0.008)),
            INK,
        )
        head.oval(side * 0.2, -0.1, (0.075, 0.08), INK)
        head.oval(side * 0.2 + 0.025, -0.13, 0.024, WHITE)
    head.shape(((-0.12, 0.1), (0.0, 0.07), (0.12, 0.1), (0.08, 0.2), (0.0, 0.24), (-0.08, 0.2)), INK)
    head.oval(-0.03, 0.11, (0.04, 0.02), (120, 118, 124))


def frog(brush: Brush, coat: Coat, t_s: float) -> None:
    """A frog on a lily pad, its throat pulsing."""
    _lily_pad(brush)
    b = brush.moved(0.0, 0.66, 0.0, (1.0, 1 + 0.025 * wave(t_s, 1.2)))
    for side in (-1, 1):
        b.oval(side * 0.62, -0.26, (0.34, 0.3), tone(coat.main, 0.72), side * 0.5)
        b.limb(((side * 0.7, -0.02, 0.1), (side * 0.95, 0.06, 0.05), (side * 1.05, 0.04, 0.04)), tone(coat.main, 0.66))
    b.shape(_both_sides((0.0, -0.8), (0.5, -0.62), (0.62, -0.3), (0.5, 0.0), (0.0, 0.08)), coat.main)
    b.oval(0.0, -0.16, (0.42, 0.2 + 0.02 * wave(t_s, 0.5)), coat.accent)
    for side in (-1, 1):
        b.limb(((side * 0.42, -0.2, 0.11), (side * 0.46, 0.02, 0.08), (side * 0.36, 0.12, 0.06)), tone(coat.main, 0.88))
        for toe in (0.22, 0.36, 0.5):
            b.limb(((side * 0.38, 0.11, 0.04), (side * toe, 0.18, 0.035)), tone(coat.main, 0.88))
    _frog_head(b, coat, is_blinking=t_s % 2.6 < 0.16)


def _lily_pad(brush: Brush) -> None:
    brush.oval(0.0, 0.72, (1.2, 0.3), (62, 112, 58))
    brush.oval(0.0, 0.69, (1.14, 0.26), (92, 148, 70))
    for x in (-0.9, -0.45, 0.0, 0.45, 0.9):
        brush.limb(((0.0, 0.66, 0.012), (x, 0.69 + 0.2 * (1 - abs(x)), 0.006)), (120, 170, 90))
    brush.oval(0.0, 0.7, (0.85, 0.16), (44, 82, 44))


def _frog_head(b: Brush, coat: Coat, is_blinking: bool) -> None:
    b.shape(_both_sides((0.0, -1.0), (0.42, -0.86), (0.64, -0.56), (0.4, -0.36), (0.0, -0.3)), coat.main)
    b.shape(((0.0, -0.5), (0.58, -0.54), (0.36, -0.36), (0.0, -0.3), (-0.36, -0.36), (-0.58, -0.54)), coat.accent)
    b.limb(((-0.58, -0.58, 0.016), (-0.2, -0.5, 0.018), (0.2, -0.5, 0.018), (0.58, -0.58, 0.016)), tone(coat.main, 0.3))
    lids = 0.03 if is_blinking else 0.13
    for side in (-1, 1):
        b.oval(side * 0.36, -0.94, 0.2, tone(coat.main, 0.92))
        b.oval(side * 0.37, -0.95, (0.14, lids), (226, 186, 70))
        b.oval(side * 0.37, -0.95, (0.085, lids * 0.6), INK)
        b.oval(side * 0.37 + 0.04, -0.98, 0.025, WHITE)
        b.oval(side * 0.09, -0.74, 0.02, tone(coat.main, 0.4))


_HORSE = ((-0.66, -0.2), (-0.35, -0.3), (0.05, -0.24), (0.28, -0.36), (0.5, -0.66), (0.62, -0.84), (0.76, -0.66))
_HORSE_FRONT = ((0.66, -0.36), (0.56, 0.0), (0.2, 0.14), (-0.2, 0.14), (-0.5, 0.16), (-0.74, 0.0))


def horse(brush: Brush, coat: Coat, t_s: float) -> None:
    """A trotting horse from the side."""
    pace = t_s / 0.9
    b = brush.moved(0.0, 0.025 * wave(t_s, 0.45), 0.015 * wave(t_s, 0.9))
    for x, turn in ((-0.5, 0.5), (0.32, 0.0)):
        _stride(b, _Leg(x, 0.0, 0.15, pace + turn), 1.0, tone(coat.main, 0.58))
    sway = 0.1 * wave(t_s, 0.9)
    tail = ((-0.7, -0.14, 0.06), (-0.88, 0.0, 0.09), (-0.95 + sway / 2, 0.3, 0.09), (-0.92 + sway, 0.58, 0.02))
    b.limb(tail, coat.accent)
    b.shape(_HORSE + _HORSE_FRONT, coat.main)
    for x, turn in ((-0.54, 0.0), (0.4, 0.5)):
        _stride(b, _Leg(x, -0.02, 0.18, pace + turn), 1.0, coat.main)
    head = b.moved(0.62, -0.74, 0.08 * wave(t_s, 0.9, 0.3))
    face = ((-0.06, -0.1), (0.08, -0.14), (0.24, 0.06), (0.4, 0.28), (0.38, 0.38), (0.26, 0.38), (0.14, 0.22))
    head.area(((-0.04, -0.08), (0.0, -0.3), (0.07, -0.1)), tone(coat.main, 0.8))
    head.shape((*face, (-0.04, 0.18)), coat.main)
    head.shape(((0.33, 0.22), (0.41, 0.32), (0.34, 0.39), (0.25, 0.36), (0.27, 0.27)), tone(coat.main, 0.55))
    head.oval(0.13, 0.02, 0.03, INK)
    mane = ((0.6, -0.92), (0.56, -0.7), (0.42, -0.4), (0.2, -0.24), (0.12, -0.3), (0.34, -0.56), (0.5, -0.86))
    b.shape(mane, coat.accent)


def ship(brush: Brush, coat: Coat, t_s: float) -> None:
    """A freighter on the swell, with foam along its hull."""
    b = brush.moved(0.0, 0.03 * wave(t_s, 2.2), 0.035 * wave(t_s, 3.1))
    b.limb(((-0.52, -0.2, 0.025), (-0.52, -0.78, 0.012)), (90, 92, 96))
    b.limb(((0.56, 0.1, 0.02), (0.6, -0.42, 0.012)), (90, 92, 96))
    b.area(((-0.88, -0.04), (-0.88, -0.46), (-0.7, -0.46), (-0.7, -0.04)), coat.accent)
    b.area(((-0.88, -0.36), (-0.88, -0.46), (-0.7, -0.46), (-0.7, -0.36)), INK)
    b.area(((-0.72, 0.2), (-0.72, -0.3), (-0.28, -0.3), (-0.22, 0.2)), WHITE)
    b.area(((-0.66, -0.28), (-0.66, -0.5), (-0.34, -0.5), (-0.3, -0.28)), tone(WHITE, 0.93))
    for y, count in ((-0.43, 4), (-0.2, 5), (-0.02, 5)):
        for i in range(count):
            x = -0.62 + 0.078 * i
            b.area(((x, y), (x + 0.05, y), (x + 0.05, y + 0.07), (x, y + 0.07)), GLASS)
    boxes: tuple[Colour, ...] = ((182, 74, 50), (56, 104, 150), (206, 164, 62), (88, 134, 88))
    for i in range(8):
        x, y = -0.16 + 0.17 * (i % 4), 0.12 - 0.14 * (i // 4)
        b.area(((x, y), (x + 0.155, y), (x + 0.155, y - 0.13), (x, y - 0.13)), boxes[(i * 3) % 4])
    b.area(((-0.98, 0.1), (0.6, 0.14), (1.04, -0.04), (0.8, 0.53), (-0.9, 0.53)), coat.main)
    b.area(((-0.98, 0.1), (0.6, 0.14), (1.04, -0.04), (1.02, 0.0), (0.6, 0.19), (-0.97, 0.15)), WHITE)
    b.area(((-0.94, 0.42), (0.86, 0.4), (0.8, 0.53), (-0.9, 0.53)), (150, 46, 40))
    _foam(brush, t_s)


def _foam(brush: Brush, t_s: float) -> None:
    """Draw water in front of the hull, hiding its lower edge, and foam at bow and stern."""
    xs = [-1.02 + 0.06 * i for i in range(35)]
    for depth, (height, colour) in enumerate(((0.1, (222, 234, 238)), (0.055, (58, 100, 130)))):
        crest = [(x, 0.5 + 0.03 * depth + 0.02 * wave(t_s, 1.6, x * 2.1 + depth * 0.4)) for x in xs]
        # Taper the band, so that its ends are invisible.
        trough = [(x, y + height * max(1 - (x / 1.04) ** 6, 0)) for x, y in reversed(crest)]
        brush.area(crest + trough, colour)


def truck(brush: Brush, coat: Coat, t_s: float) -> None:
    """A lorry with a box body from the side."""
    b = brush.moved(0.0, 0.012 * wave(t_s, 0.6), 0.006 * wave(t_s, 1.0))
    b.area(((-0.98, 0.36), (0.95, 0.36), (0.95, 0.52), (-0.98, 0.52)), (52, 52, 56))
    b.area(((-1.0, -0.68), (0.4, -0.68), (0.4, 0.4), (-1.0, 0.4)), WHITE)
    b.area(((-1.0, -0.68), (0.4, -0.68), (0.4, -0.62), (-1.0, -0.62)), tone(WHITE, 0.8))
    b.area(((-1.0, 0.05), (0.4, -0.22), (0.4, 0.02), (-1.0, 0.29)), coat.accent)
    for i in range(1, 7):
        x = -1.0 + 0.2 * i
        b.area(((x, -0.62), (x + 0.012, -0.62), (x + 0.012, 0.4), (x, 0.4)), tone(WHITE, 0.84))
    b.area(((-1.0, 0.33), (0.4, 0.33), (0.4, 0.4), (-1.0, 0.4)), tone(WHITE, 0.6))
    cab = ((0.44, -0.4), (0.72, -0.4), (0.8, -0.34), (0.92, 0.04), (1.0, 0.1), (1.0, 0.5), (0.44, 0.5))
    b.area(cab, coat.main)
    b.area(((0.44, -0.4), (0.72, -0.4), (0.5, -0.58), (0.44, -0.58)), tone(coat.main, 0.8))
    b.area(((0.52, -0.3), (0.72, -0.3), (0.84, 0.04), (0.52, 0.04)), GLASS)
    b.area(((0.6, 0.04), (0.52, -0.2), (0.52, -0.3), (0.58, -0.3), (0.7, 0.04)), tone(GLASS, 1.35))
    b.area(((0.46, 0.36), (1.0, 0.36), (1.0, 0.5), (0.46, 0.5)), tone(coat.main, 0.55))
    b.area(((0.53, 0.12), (0.62, 0.12), (0.62, 0.15), (0.53, 0.15)), INK)
    b.oval(0.96, 0.26, (0.04, 0.07), (255, 244, 200))
    for x in (-0.74, -0.38, 0.7):
        b.oval(x, 0.52, 0.23, INK)
        _wheel(brush, x, 0.58, 0.2, 2.4 * t_s)


DRAWINGS: dict[str, Drawing] = {
    drawing.__name__: drawing for drawing in (airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck)
}
