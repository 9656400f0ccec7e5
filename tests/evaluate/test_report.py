"""An evaluation's figures as text, JSON and a page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from edge_app.evaluate import report
from edge_app.evaluate.measure import Accuracy, Scored
from edge_app.records import LabelledPictures

NAMES = ("cat", "dog", "<owl>")


@pytest.fixture
def found() -> report.Report:
    """Make a report of six pictures: 2 of 2 cats, 1 of 2 dogs, 1 of 2 owls right."""
    labels = np.array([0, 0, 1, 1, 2, 2])
    logits = np.zeros((6, 3), np.float32)
    logits[np.arange(6), [0, 0, 1, 0, 2, 1]] = [3, 3, 3, 1, 3, 5]
    pictures = np.arange(6 * 4 * 4 * 3, dtype=np.uint8).reshape(6, 4, 4, 3)
    data = LabelledPictures(pictures, labels, NAMES)
    direct, better = Scored(logits, labels), Scored(np.eye(3, dtype=np.float32)[labels], labels)
    return report.Report(
        "toy", "runtime 1", "edge-app evaluate", data, NAMES, 1.5, direct, better,
        {"camera": Accuracy(3, 6)}, {"blur": Accuracy(2, 6)},
    )  # fmt: skip


def test_figures_by_hand(found: report.Report) -> None:
    """Four of six right; rows of the confusion matrix are true labels; every figure is in the JSON."""
    figures = json.loads(json.dumps(report.to_json(found)))
    assert figures["direct"]["correct"] == 4 and figures["direct"]["total"] == 6
    assert figures["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert {name: each["accuracy"] for name, each in figures["per_class"].items()} == dict(
        zip(NAMES, (1.0, 0.5, 0.5), strict=True)
    )
    assert figures["float"]["correct"] == 6
    assert figures["degraded"]["blur"]["correct"] == 2 and figures["camera"]["correct"] == 3
    assert 0 < figures["calibration_error"]["after"] < 1


def test_text_names_what_is_lost(found: report.Report) -> None:
    """The terminal says what int8, the camera path and each degradation cost, in points."""
    text = "\n".join(report.to_text(found))
    assert "int8 loses 33.33 points" in text
    assert "lost on the camera path: 16.67 points" in text
    assert re.search(r"degraded, blur +33.33%, loses 33.33 points", text)


def test_worst_mistakes_are_wrong_and_sure() -> None:
    """Only misclassified pictures are shown, the most confident first."""
    logits = np.array([[9, 0], [1, 0], [3, 0], [0, 2]], np.float32)
    assert Scored(logits, np.array([0, 1, 1, 1])).worst(1.0, 5).tolist() == [2, 1]


class Page(HTMLParser):
    """What a page loads and shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count elements and collect what they refer to."""
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_page_stands_alone(found: report.Report) -> None:
    """Four plots, a picture for each mistake, nothing loaded from elsewhere, and labels escaped."""
    pytest.importorskip("matplotlib", reason="the [train] extra is not installed")
    text = report.to_html(found)
    page = Page(text)
    assert page.counts["svg"] == 4 and page.counts["img"] == 2
    assert page.sources and all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources)
    assert "script" not in page.counts and "link" not in page.counts
    assert "&lt;owl&gt;, taken for dog" in text and "<owl>" not in text
