"""The tables, the JSON, and the comparison with an older measurement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_app.bench import report
from edge_app.bench.machine import Machine, Moment
from edge_app.bench.measure import Measurement, Percentiles
from edge_app.bench.report import Report
from edge_app.bench.start import Start
from edge_app.errors import UsageError
from edge_app.metering import STAGES, TOTAL
from tests.conftest import ROOT

PI = Machine("Raspberry Pi 4", "Cortex-A72", 4, "performance", "Linux", {"edge-app": "0.1.0"})
CALM = Moment(50.0, (), (), 0.0)
SCHEMA = json.loads((ROOT / "docs" / "bench.schema.json").read_text())


def measured(
    name: str, p50: float, stages: tuple[str, ...] = (*STAGES, TOTAL), spread: float | None = 0.01
) -> Measurement:
    """Make a measurement."""
    one = Percentiles(p50, p50 * 1.1, p50 * 1.5, p50 * 2, p50 * 1.2)
    found = dict.fromkeys(stages, one)
    return Measurement(name, 100, found, p50, 1e3 / p50, 3, spread, spread, (p50,) * 101)


REPORT = Report(
    "frames",
    "ai-edge-litert 2.3.0",
    PI,
    CALM,
    replace(CALM, temperature_c=61.4),
    {"nano": "ab"},
    {"nano": Start(0.31, 95.0)},
    [measured("nano", 2.0), measured("classic loop", 5.0, (TOTAL,))],
)


def text(found: Report) -> str:
    """Return the tables."""
    return "\n".join(report.to_text(found))


def compared(now: Report, folder: Path, then: Report = REPORT) -> list[str]:
    """Compare with an older report that was written to a file."""
    (folder / "old.json").write_text(json.dumps(report.to_json(then)))
    older = report.read(folder / "old.json")
    names = [each.name for each in now.measurements if not each.is_yardstick]
    report.require_comparable(older, names, now.title)
    return list(report.compare(now, older))


def test_the_tables_have_figures_stages_and_ratios() -> None:
    """Each configuration has a line, a table of its stages, and processor times compared with the yardsticks'."""
    shown = text(REPORT)
    assert "Raspberry Pi 4, Cortex-A72, 4 cores, governor performance" in shown
    assert "ai-edge-litert 2.3.0; 50 C to 61 C, throttling is watched" in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("nano  "))
    assert line.split()[1:] == ["2.000", "2.200", "3.000", "4.000", "2.400", "2.000", "500.0", "3", "1.0%"]
    assert "nano: 'edge-app run' shows its first label after 0.31 s and takes 95 MiB" in shown
    for stage in STAGES:
        assert f"  {stage:<10}   2.000    2.200    3.000    4.000    2.400" in shown
    assert "nano: CPU time of a frame is 0.40 x the classic loop" in shown
    assert "doubtful" not in shown


def test_sizes_stand_beside_their_own_yardsticks() -> None:
    """Each of several sizes is compared only with the classic loop at that size."""
    measurements = [
        *(measured("nano, 320x240", 1.0), measured("nano, 640x480", 2.0)),
        *(measured("classic loop, 320x240", 2.0, (TOTAL,)), measured("classic loop, 640x480", 8.0, (TOTAL,))),
    ]
    shown = text(replace(REPORT, measurements=measurements))
    assert "nano, 320x240: CPU time of a frame is 0.50 x the classic loop\n" in shown
    assert shown.endswith("nano, 640x480: CPU time of a frame is 0.25 x the classic loop")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"after": Moment(80.0, ("throttled",), ("throttled",), 0.0)},
            "the board was slowed down (throttled)",
        ),
        ({"before": Moment(50.0, (), (), 2.0)}, "the machine was busy before the start (load 2.0)"),
        ({"machine": replace(PI, governor="ondemand")}, "governor 'ondemand' changes the clock"),
    ],
)
def test_what_makes_it_doubtful_is_said(changed: dict[str, Any], said: str) -> None:
    """Throttling, other load and a scaling governor are shown in the table and in the JSON."""
    found = replace(REPORT, **changed)
    assert said in text(found)
    assert any(said in doubt for doubt in report.to_json(found)["doubts"])
    assert report.to_json(found)["valid"] is False and report.to_json(REPORT)["valid"] is True


def test_the_json_is_the_documented_one(tmp_path: Path) -> None:
    """It is valid by its schema, is read back unchanged, and has nothing the schema forbids."""
    found = json.loads(json.dumps(report.to_json(REPORT)))
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    (tmp_path / "a.json").write_text(json.dumps(found))
    assert report.to_json(report.read(tmp_path / "a.json")) == report.to_json(REPORT)
    del found["starts"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(found)


@pytest.mark.parametrize(
    ("now_ms", "meaning"), [(2.02, "within the noise"), (2.3, "slower"), (1.7, "faster"), (2.05, "within the noise")]
)
def test_a_slower_build_is_caught(now_ms: float, meaning: str, tmp_path: Path) -> None:
    """Compared with an older file of the same frames, a change beyond the noise is distinguished from noise."""
    *_, line, missing = compared(replace(REPORT, measurements=[measured("nano", now_ms)]), tmp_path)
    assert line.startswith(f"nano: p50 {now_ms / 2:.3f}") and line.endswith(meaning)
    assert line.count(meaning) == 2  # of the processor time too
    assert missing == "only in one of the two: classic loop"


@pytest.mark.parametrize(("now", "then"), [(None, 0.01), (0.01, None)])
def test_without_repetitions_there_is_no_verdict(now: float | None, then: float | None, tmp_path: Path) -> None:
    """If either side has one repetition only, its noise is unknown and there is no verdict."""
    one = replace(REPORT, measurements=[measured("nano", 4.0, spread=now)])
    older = replace(REPORT, measurements=[measured("nano", 2.0, spread=then)])
    *_, line = compared(one, tmp_path, older)
    assert "p50 2.000, noise unknown" in line and "slower" not in line


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"models": {"nano": "cd"}}, "(another file of that model)"),
        ({"machine": replace(PI, board="Raspberry Pi 5")}, "note: board: now Raspberry Pi 5, then Raspberry Pi 4"),
        ({"machine": replace(PI, versions={"edge-app": "9"})}, "note: versions: now {'edge-app': '9'}, then"),
        ({"runtime": "tflite-runtime 2.14.0"}, "note: runtime: now tflite-runtime 2.14.0, then ai-edge-litert 2.3.0"),
    ],
)
def test_what_differs_besides_is_told(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Another board, library, runtime or file of the model explains a ratio."""
    assert any(said in line for line in compared(replace(REPORT, **changed), tmp_path))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"before": Moment(50.0, ("throttled",), (), 0.0)}, "the board was slowed down (throttled)"),
        (
            {"before": Moment(50.0, (), (), 2.0)},
            "the machine was busy before the start (load 2.0)",
        ),
        (
            {"machine": replace(PI, governor="ondemand")},
            "governor 'ondemand' changes the clock; 'performance' does not",
        ),
    ],
)
@pytest.mark.parametrize("is_older", [False, True])
def test_doubtful_figures_have_no_verdict(changed: dict[str, Any], reason: str, is_older: bool, tmp_path: Path) -> None:
    """Eight times as fast, but one of the two was measured on a busy or slowed machine: the ratio stands alone."""
    fast, slow = (replace(REPORT, measurements=[measured("nano", p50)]) for p50 in (0.25, 2.0))
    now, then = (fast, replace(slow, **changed)) if is_older else (replace(fast, **changed), slow)
    lines = compared(now, tmp_path, then)
    which = "the older measurement" if is_older else "this measurement"
    assert f"no verdict: {which} is doubtful: {reason}" in lines
    assert lines[-1] == "nano: p50 0.125, noise +-3.0%; cpu 0.125, noise +-3.0%"


def test_the_title_of_an_older_file_is_masked(tmp_path: Path) -> None:
    """A file written before passwords were masked does not give one away."""
    with pytest.raises(UsageError, match=r"rtsp://eve:\*\*\*@cam") as refused:
        compared(REPORT, tmp_path, replace(REPORT, title="rtsp://eve:hunter2@cam"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "other frames"},
        {"measurements": [measured("base", 1.0)]},
        {"measurements": [measured("base", 1.0), measured("classic loop", 5.0, (TOTAL,))]},
        {"measurements": []},
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """Reports on different frames or models are not compared, even if they share a yardstick."""
    with pytest.raises(UsageError, match="older file"):
        compared(REPORT, tmp_path, replace(REPORT, **change))


def damaged(*path: str | int, value: object) -> str:
    """Return a report's JSON with one thing replaced."""
    found = json.loads(json.dumps(report.to_json(REPORT)))
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(found)


DAMAGED: Sequence[str] = (
    *("", "[]", "{}", '{"schema_version": 9}', '{"schema_version": 2}', "\xff"),
    damaged("measurements", 0, "stages", TOTAL, "p50", value=None),
    damaged("measurements", 0, "stages", TOTAL, "p50", value=0),
    damaged("measurements", 0, "stages", TOTAL, "p50", value=float("nan")),
    damaged("measurements", 0, "stages", value={}),
    damaged("measurements", 0, "cpu_ms", value=0),
    damaged("models", value=[]),
    damaged("machine", value="Pi"),
)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_refused(content: str, tmp_path: Path) -> None:
    """A file that bench did not write, or that was changed, is reported in one line."""
    (tmp_path / "old.json").write_text(content, "latin-1")
    with pytest.raises(UsageError, match=r"old\.json"):
        report.read(tmp_path / "old.json")
