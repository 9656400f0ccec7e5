"""A benchmark as a plot: how slow the slow frames are, and how long each stage takes."""

from __future__ import annotations

import html
import importlib.util
import io
from pathlib import Path
from typing import Any

from edge_app.bench.report import Report
from edge_app.errors import DependencyMissing, UsageError
from edge_app.metering import STAGES

SUFFIXES = (".png", ".svg", ".pdf", ".html")


def require(path: Path) -> None:
    """Check before measuring that a plot can be made.

    Raises:
        DependencyMissing: matplotlib is not installed.
        UsageError: the file's suffix is not one of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"--plot {path}: unknown kind of picture",
            f"choose a name that ends in {', '.join(SUFFIXES)}",
        )
    # find_spec imports nothing: matplotlib in memory must not weigh on the measurement that follows.
    if importlib.util.find_spec("matplotlib") is None:
        raise DependencyMissing(
            "--plot needs matplotlib", "'pip install matplotlib', or \"pip install 'edge-app[train]'\" which brings it"
        )


def render(report: Report, suffix: str) -> bytes:
    """Return the plot as the content of a file.

    Args:
        report: benchmark to plot.
        suffix: one of `SUFFIXES`.
    """
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):  # keep text as text, so that it can be searched
        draw(report).savefig(file, format="svg" if suffix == ".html" else suffix[1:], dpi=120)
    if suffix != ".html":
        return file.getvalue()
    svg = file.getvalue().decode()
    title = html.escape(report.title)
    return f"<!doctype html><meta charset=utf-8><title>{title}</title>{svg[svg.index('<svg') :]}".encode()


def draw(report: Report) -> Any:
    """Return a figure: percentile curves on the left, mean times of the stages stacked on the right."""
    from matplotlib.figure import Figure

    # Not pyplot, which would look for a display and keep the figure alive.
    figure = Figure(figsize=(12, 5), layout="constrained")
    curves, stacks = figure.subplots(1, 2)
    for each in report.measurements:
        curves.plot(range(101), each.curve_ms, label=each.name)
    curves.set(xlabel="percentile of frames", ylabel="milliseconds", yscale="log", title=report.title)
    for formatter in (curves.yaxis.set_major_formatter, curves.yaxis.set_minor_formatter):
        formatter("{x:.3g}")
    curves.grid(visible=True, which="both", alpha=0.3)
    curves.legend()
    staged = [each for each in report.measurements if not each.is_yardstick]
    left = [0.0] * len(staged)
    for stage in STAGES:
        widths = [each.stages[stage].mean for each in staged]
        stacks.barh([each.name for each in staged], widths, left=left, label=stage)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    machine = report.machine
    stacks.set(xlabel="milliseconds a frame, on average", title=f"{machine.board}, {machine.processor}")
    stacks.invert_yaxis()
    stacks.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)  # below the axes, where it hides no bars
    return figure
