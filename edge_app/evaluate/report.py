"""An evaluation as text, as JSON, and as one self-contained HTML page."""

from __future__ import annotations

import base64
import html
import importlib.util
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app import __version__
from edge_app.errors import DependencyMissing
from edge_app.evaluate.measure import Accuracy, Scored
from edge_app.model import calibration
from edge_app.pictures.opencv import cv2
from edge_app.records import LabelledPictures, Pixels

MISTAKES = 40


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one evaluation.

    Attributes:
        model: name of the model.
        runtime: name and version of the runtime.
        command: command line.
        data: pictures, for the sheet of mistakes.
        labels: labels of the model, in the order of its outputs.
        temperature: temperature on the model's card; 1 without a card.
        direct: scores of the pictures as they are; None if not measured.
        float_: scores of the float weights; None without weights.
        camera: accuracy by name of the path ("camera", "camera-full").
        degraded: accuracy by name of the degradation.
    """

    model: str
    runtime: str
    command: str
    data: LabelledPictures
    labels: tuple[str, ...]
    temperature: float
    direct: Scored | None
    float_: Scored | None
    camera: Mapping[str, Accuracy]
    degraded: Mapping[str, Accuracy]


def per_class(scored: Scored, labels: tuple[str, ...]) -> dict[str, Accuracy]:
    """Return the accuracy for each label that has pictures."""
    rows = zip(labels, scored.confusion, strict=True)
    return {name: Accuracy(int(row[place]), int(row.sum())) for place, (name, row) in enumerate(rows) if row.sum()}


def calibration_errors(report: Report, scored: Scored) -> tuple[float, float]:
    """Return the expected calibration error before and after division by the temperature, 0..1."""
    before, after = (
        calibration.reliability(calibration.softmax(scored.logits, t), scored.labels).error
        for t in (1.0, report.temperature)
    )
    return before, after


def to_text(report: Report) -> Iterator[str]:
    """Yield the lines for a terminal."""
    name = report.model
    if report.direct:
        accuracy = report.direct.accuracy
        yield f"{name} direct       {accuracy}"
        if report.float_:
            lost = (report.float_.accuracy.share - accuracy.share) * 100
            yield f"{name} float        {report.float_.accuracy}: int8 loses {lost:.2f} points"
    for path, accuracy in report.camera.items():
        yield f"{name} {path:<12} {accuracy}"
    if report.direct and "camera" in report.camera:
        lost = (report.direct.accuracy.share - report.camera["camera"].share) * 100
        yield f"lost on the camera path: {lost:.2f} points"
    if report.direct:
        before, after = calibration_errors(report, report.direct)
        yield f"expected calibration error: {before:.2%} as it is, {after:.2%} at temperature {report.temperature:.3f}"
        yield "by class: " + ", ".join(f"{k} {v.share:.1%}" for k, v in per_class(report.direct, report.labels).items())
        for degradation, accuracy in report.degraded.items():
            lost = (report.direct.accuracy.share - accuracy.share) * 100
            yield f"degraded, {degradation:<16} {accuracy.share:.2%}, loses {lost:.2f} points"


def to_json(report: Report) -> dict[str, Any]:
    """Return all figures."""
    figures: dict[str, Any] = {"model": report.model, "runtime": report.runtime, "command": report.command}
    if report.direct:
        before, after = calibration_errors(report, report.direct)
        figures |= {
            "direct": report.direct.accuracy.to_json(),
            "per_class": {name: found.to_json() for name, found in per_class(report.direct, report.labels).items()},
            "labels": list(report.labels),
            "confusion": report.direct.confusion.tolist(),
            "temperature": report.temperature,
            "calibration_error": {"before": before, "after": after},
            "degraded": {name: found.to_json() for name, found in report.degraded.items()},
        }
    if report.float_:
        figures["float"] = report.float_.accuracy.to_json()
    return figures | {path: found.to_json() for path, found in report.camera.items()}


def to_html(report: Report) -> str:
    """Return one self-contained page with plots and the worst mistakes. Needs matplotlib."""
    if report.direct is None:
        return _page(report, "<p>Only the camera path was measured.</p>")
    sections = [
        ("By class", _plot_bars(per_class(report.direct, report.labels))),
        ("Confusion matrix: true labels down, predicted labels across", _plot_confusion(report.direct, report.labels)),
        ("Calibration: confidence against accuracy", _plot_reliability(report)),
    ]
    if report.degraded:
        pictures = {"as it is": report.direct.accuracy, **report.degraded, **report.camera}
        sections.append(("With a bad camera", _plot_bars(pictures)))
    sections.append((f"The {MISTAKES} worst mistakes: highest confidence first", _sheet(report)))
    return _page(report, "".join(f"<h2>{html.escape(title)}</h2>{content}" for title, content in sections))


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin-top:2.5rem}svg{max-width:100%;height:auto}
pre{background:#f4f4f4;padding:1rem;overflow-x:auto;font-size:.85rem}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(7rem,1fr));gap:1rem}
.sheet figure{margin:0;font-size:.8rem;line-height:1.3}.sheet img{width:100%;image-rendering:pixelated}
footer{margin:3rem 0 1rem;color:#666;font-size:.8rem}
"""


def _page(report: Report, content: str) -> str:
    title = html.escape(f"{report.model}: evaluation")
    lines = html.escape("\n".join(to_text(report)))
    made = html.escape(f"edge-app {__version__}, {report.runtime}; made by: {report.command}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><pre>{lines}</pre>{content}<footer>{made}</footer></html>\n"
    )


def check_plots() -> None:
    """Check that plots can be made.

    Raises:
        DependencyMissing: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise DependencyMissing(
            "the page's plots need matplotlib",
            "install it with \"pip install 'edge-app[train]'\", or omit --html",
        )


def _figure(width: float, height: float) -> Any:
    """Make a figure without pyplot, which would look for a display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Any) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _plot_bars(figures: Mapping[str, Accuracy]) -> str:
    figure = _figure(8, 0.35 * len(figures) + 0.8)
    axes = figure.subplots()
    shares = np.array([found.share for found in figures.values()]) * 100
    ends = np.array([found.interval for found in figures.values()]).T * 100
    axes.barh(list(figures), shares, xerr=np.abs(ends - shares), color="#4a7ab5", ecolor="#333", capsize=2)
    for place, share in enumerate(shares):
        axes.text(1, place, f"{share:.1f} %", va="center", color="white", fontsize=8)
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="labelled correctly, % (with 95 % interval)")
    return _svg(figure)


def _plot_confusion(scored: Scored, labels: tuple[str, ...]) -> str:
    table = scored.confusion
    figure = _figure(8, 7)
    axes = figure.subplots()
    # A label without pictures has a row of zeros, whose division by its sum would give NaN.
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)  # the square root makes rare confusions visible
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= 20:
        for (row, column), count in np.ndenumerate(table):
            color = "white" if shares[row, column] > 0.4 else "#333"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=8)
    return _svg(figure)


def _plot_reliability(report: Report) -> str:
    assert report.direct is not None  # noqa: S101  # narrows the type; `to_html` has checked
    figure = _figure(8, 3.8)
    for axes, (title, temperature) in zip(
        figure.subplots(1, 2),
        (("as it is", 1.0), (f"temperature {report.temperature:.3f}", report.temperature)),
        strict=True,
    ):
        found = calibration.reliability(calibration.softmax(report.direct.logits, temperature), report.direct.labels)
        filled = found.count > 0
        axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
        axes.bar(
            (np.arange(len(found.count)) + 0.5) / len(found.count),
            found.accuracy,
            0.9 / len(found.count),
            color="#a9c4e0",
        )
        axes.plot(found.confidence[filled], found.accuracy[filled], "o", color="#1f4e8c", markersize=4)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
        axes.set_title(f"{title}: error {found.error:.2%}", fontsize=10)
    return _svg(figure)


def _sheet(report: Report) -> str:
    assert report.direct is not None  # noqa: S101  # narrows the type; `to_html` has checked
    scored = report.direct
    worst = scored.worst(report.temperature, MISTAKES)
    probabilities = calibration.softmax(scored.logits[worst], report.temperature)
    tiles = []
    for place, row in zip(worst, probabilities, strict=True):
        given = int(row.argmax())
        caption = f"{report.labels[scored.labels[place]]}, taken for {report.labels[given]} ({row[given]:.0%})"
        tiles.append(
            f'<figure><img alt="picture {place}" src="{_data_url(report.data.pictures[place])}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return f'<div class="sheet">{"".join(tiles)}</div>' if tiles else "<p>None.</p>"


def _data_url(pixels: Pixels) -> str:
    png: npt.NDArray[np.uint8] = cv2.imencode(".png", pixels[..., ::-1])[1]
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()
