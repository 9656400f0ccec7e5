"""What was measured, as a table, as JSON, and beside an older measurement."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_app.bench.machine import Machine, Moment, doubts
from edge_app.bench.measure import Measurement
from edge_app.errors import UsageError
from edge_app.metering import STAGES, TOTAL

SCHEMA_VERSION = 1
NOISE = 0.03  # Two runs on a quiet machine differ by so much, whatever their own spread.


@dataclass(frozen=True, slots=True)
class Report:
    """One `edge-app bench`.

    Attributes:
        title: of the frames.
        machine: that was measured on.
        before: its state.
        after: its state.
        models: SHA-256 of each model file by name.
        measurements: what came out.
        peak_mb: most memory the process ever had, MiB.
    """

    title: str
    machine: Machine
    before: Moment
    after: Moment
    models: Mapping[str, str]
    measurements: Sequence[Measurement]
    peak_mb: float


def to_json(report: Report) -> dict[str, Any]:
    """Return the documented object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": not (report.before.throttled or report.after.throttled),
        "doubts": doubts(report.machine, report.before, report.after),
        **asdict(report),
    }


def to_text(report: Report) -> Iterator[str]:
    """Yield the lines of the table."""
    machine = report.machine
    yield f"{report.title}"
    yield f"{machine.board}, {machine.processor}, {machine.cores} cores, governor {machine.governor or 'unknown'}"
    yield ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    for doubt in doubts(machine, report.before, report.after):
        yield f"doubtful: {doubt}"
    yield ""
    width = max(len(each.name) for each in report.measurements)
    heads = " ".join(f"{head:>8}" for head in ("p50", "p90", "p99", "max", "cpu"))
    yield f"{'milliseconds':<{width}}  {heads} {'frames/s':>9} {'spread':>7}"
    for each in report.measurements:
        total = each.stages[TOTAL]
        figures = f"{total.p50:8.3f} {total.p90:8.3f} {total.p99:8.3f} {total.max:8.3f} {each.cpu_ms:8.3f}"
        yield f"{each.name:<{width}}  {figures} {each.frames_per_s:9.1f} {each.spread:7.1%}"
    yield from _stages(report.measurements, width)
    yield from _ratios(report.measurements)


def _stages(measurements: Sequence[Measurement], width: int) -> Iterator[str]:
    staged = [each for each in measurements if len(each.stages) > 1]
    if staged:
        yield ""
        yield f"{'p50 of each stage':<{width}}  " + " ".join(f"{stage:>8}" for stage in STAGES)
    for each in staged:
        yield f"{each.name:<{width}}  " + " ".join(f"{each.stages[stage].p50:8.3f}" for stage in STAGES)


def _ratios(measurements: Sequence[Measurement]) -> Iterator[str]:
    yardsticks = [each for each in measurements if len(each.stages) == 1]
    if yardsticks:
        yield ""
    for each in measurements:
        if each not in yardsticks:
            ratios = ", ".join(f"{each.cpu_ms / other.cpu_ms:.2f} x the {other.name}" for other in yardsticks)
            if ratios:
                yield f"{each.name}: CPU time of a frame is {ratios}"


def compare(report: Report, old: Mapping[str, Any]) -> Iterator[str]:
    """Yield how each configuration stands beside the same one of an older report.

    Args:
        report: of now.
        old: from `read`.

    Raises:
        UsageError: nothing can be compared.
    """
    before = {each["name"]: each for each in old["measurements"]}
    both = [each for each in report.measurements if each.name in before]
    if not both:
        raise UsageError(f"nothing to compare: the older file has {', '.join(before)}")
    if old["title"] != report.title:
        raise UsageError(f"the older file was measured on other frames: {old['title']}")
    yield ""
    yield "beside the older measurement (now / then):"
    for each in both:
        other = before[each.name]
        ratio = each.stages[TOTAL].p50 / other["stages"][TOTAL]["p50"]
        noise = max(NOISE, each.spread + other["spread"])
        meaning = "within the noise" if abs(ratio - 1) <= noise else "slower" if ratio > 1 else "faster"
        cpu = each.cpu_ms / other["cpu_ms"]
        changed = _changed(each.name, report.models, old["models"])
        yield f"{each.name}: p50 {ratio:.3f}, cpu {cpu:.3f}, noise +-{noise:.1%}: {meaning}{changed}"


def _changed(name: str, models: Mapping[str, str], older: Mapping[str, str]) -> str:
    model = name.partition(",")[0]
    return "" if models.get(model) == older.get(model) else " (another file of that model)"


def read(path: Path) -> dict[str, Any]:
    """Read a report that was written with --json.

    Raises:
        UsageError: it is none.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        if found["schema_version"] != SCHEMA_VERSION:
            raise UsageError(f"{path} is of version {found['schema_version']}, this edge-app reads {SCHEMA_VERSION}")
        for each in found["measurements"]:
            _ = each["name"], each["stages"][TOTAL]["p50"], each["cpu_ms"], each["spread"]
        _ = found["title"], found["models"]
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} was not written by edge-app bench --json, or is damaged ({error!r})") from error
    return found
