"""The table, the JSON, and an older measurement beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge_app.bench import report
from edge_app.bench.machine import Machine, Moment
from edge_app.bench.measure import Measurement, Percentiles
from edge_app.bench.report import Report
from edge_app.errors import UsageError
from edge_app.metering import STAGES, TOTAL
from tests.results import edge_app

PI = Machine("Raspberry Pi 4", "Cortex-A72", 4, "performance", "Linux", {"edge-app": "0.1.0"})
CALM = Moment(50.0, (), 0.0)


def measured(name: str, p50: float, stages: tuple[str, ...] = (*STAGES, TOTAL), spread: float = 0.01) -> Measurement:
    """Make a measurement."""
    one = Percentiles(p50, p50 * 1.1, p50 * 1.5, p50 * 2, p50)
    return Measurement(name, 100, dict.fromkeys(stages, one), p50, 1e3 / p50, spread, (p50,) * 101)


REPORT = Report(
    "frames", PI, CALM, CALM, {"nano": "ab"}, [measured("nano", 2.0), measured("classic loop", 5.0, (TOTAL,))], 99.0
)


def test_the_table_has_figures_stages_and_ratios() -> None:
    """Each configuration has a line, staged ones another, and processor times stand beside the yardsticks'."""
    text = "\n".join(report.to_text(REPORT))
    assert "Raspberry Pi 4, Cortex-A72, 4 cores, governor performance" in text
    assert "nano: CPU time of a frame is 0.40 x the classic loop" in text
    assert text.count("nano   ") == 2 and text.count("classic loop ") == 1
    assert "doubtful" not in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"after": Moment(80.0, ("throttled",), 0.0)}, "the board was slowed down (throttled): invalid"),
        ({"before": Moment(50.0, (), 2.0)}, "something else was running: load 2.0"),
        ({"machine": replace(PI, governor="ondemand")}, "governor 'ondemand' changes the clock"),
    ],
)
def test_what_makes_it_doubtful_is_said(changed: dict[str, object], said: str) -> None:
    """Throttling, other load and a governor that scales stand in the table and in the JSON."""
    found = replace(REPORT, **changed)  # type: ignore[arg-type]
    assert said in "\n".join(report.to_text(found))
    assert any(said in doubt for doubt in report.to_json(found)["doubts"])
    assert report.to_json(found)["valid"] == ("slowed" not in said)


@pytest.mark.parametrize(
    ("now_ms", "meaning"), [(2.02, "within the noise"), (2.3, "slower"), (1.7, "faster"), (2.05, "within the noise")]
)
def test_a_slower_build_is_caught(now_ms: float, meaning: str, tmp_path: Path) -> None:
    """Beside an older file of the same frames: what is more than the noise is told apart from what is not."""
    (tmp_path / "old.json").write_text(json.dumps(report.to_json(REPORT)))
    now = replace(REPORT, measurements=[measured("nano", now_ms)])
    *_, line = report.compare(now, report.read(tmp_path / "old.json"))
    assert line.startswith(f"nano: p50 {now_ms / 2:.3f}") and line.endswith(meaning)


def test_another_model_of_the_name_is_told(tmp_path: Path) -> None:
    """When the file behind a name has changed, the comparison says so."""
    (tmp_path / "old.json").write_text(json.dumps(report.to_json(REPORT)))
    now = replace(REPORT, models={"nano": "cd"})
    assert any(
        "(another file of that model)" in line for line in report.compare(now, report.read(tmp_path / "old.json"))
    )


@pytest.mark.parametrize("change", [{"title": "other frames"}, {"measurements": [measured("base", 1.0)]}])
def test_what_cannot_be_compared_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    """Other frames and other configurations say nothing about each other."""
    (tmp_path / "old.json").write_text(json.dumps(report.to_json(replace(REPORT, **change))))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="older file"):
        list(report.compare(REPORT, report.read(tmp_path / "old.json")))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 9}', '{"schema_version": 1}'])
def test_a_damaged_file_is_refused(content: str, tmp_path: Path) -> None:
    """What bench did not write is named in a line."""
    (tmp_path / "old.json").write_text(content)
    with pytest.raises(UsageError, match=r"old\.json"):
        report.read(tmp_path / "old.json")


def test_the_command_measures_and_compares(tmp_path: Path) -> None:
    """A short benchmark writes its JSON, and a second one stands beside it; raw frames have no entropy code."""
    words = ("bench", "--model", "cifar10-nano", "--frames", "20", "--repetitions", "1", "--size", "320x240")
    done = edge_app(tmp_path, *words, "--json", "a.json", "--against-classic")
    assert done.returncode == 0, done.stderr
    assert "x the classic loop" in done.stdout and "x the entropy decoding" in done.stdout
    again = edge_app(tmp_path, *words, "--compare", "a.json")
    assert again.returncode == 0 and "cifar10-nano: p50 " in again.stdout
    raw = edge_app(tmp_path, *words, "--kind", "yuyv", "--against-classic")
    assert "x the classic loop" in raw.stdout and "entropy" not in raw.stdout
    assert edge_app(tmp_path, *words, "--compare", "nowhere.json").returncode == 2
