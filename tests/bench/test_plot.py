"""The plot of a benchmark."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app.bench import plot
from edge_app.errors import DependencyMissing, UsageError
from edge_app.metering import STAGES
from tests.bench.test_report import REPORT

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib: [train] extra"
)


@needs_matplotlib
def test_a_picture_and_a_page() -> None:
    """The PNG can be read; the HTML page contains its plot and names every configuration."""
    picture = cv2.imdecode(np.frombuffer(plot.render(REPORT, ".png"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[1] > 1000 and picture.std() > 10
    page = plot.render(replace(REPORT, title="a<b & c"), ".html").decode()
    assert page.startswith("<!doctype html>") and page.count("<svg") == 1 and "http-equiv" not in page
    assert "<title>a&lt;b &amp; c</title>" in page
    for name in ("nano", "classic loop", *STAGES):
        assert f">{name}</text>" in page


@needs_matplotlib
def test_every_stage_and_configuration_is_drawn() -> None:
    """Curves for all measurements, stacked bars for those that have stages."""
    curves, stacks = plot.draw(REPORT).axes
    assert [text.get_text() for text in curves.get_legend().get_texts()] == ["nano", "classic loop"]
    assert len(stacks.patches) == len(STAGES)


def test_mistakes_are_found_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown kind of file, and a missing library together with the extra that installs it, are reported."""
    with pytest.raises(UsageError, match=r"choose a name that ends in \.png"):
        plot.require(tmp_path / "a.gif")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyMissing, match=r"edge-app\[train\]"):
        plot.require(tmp_path / "a.png")
