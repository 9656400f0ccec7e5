"""A benchmark as a table, as JSON, and compared with an older one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edge_app.bench.machine import Machine, Moment, doubts
from edge_app.bench.measure import Measurement
from edge_app.bench.start import Start
from edge_app.errors import UsageError, one_line
from edge_app.metering import STAGES, TOTAL
from edge_app.secret import masked
from edge_app.system import files
from edge_app.system.wording import counted

SCHEMA_VERSION = 2
MOST_BYTES = 64 << 20  # of a report; one of a dozen measurements takes 100 kB
NOISE = 0.03  # two runs on a quiet machine differ by this much, even if the spread of each is smaller
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one `edge-app bench`.

    Attributes:
        title: description of the frames.
        runtime: name and version of the runtime.
        machine: machine measured on.
        before: its state before the measurement.
        after: its state after the measurement.
        models: SHA-256 of each model file by name.
        starts: time to first label and peak memory of `edge-app run`, by configuration.
        measurements: measurement of each configuration and yardstick.
    """

    title: str
    runtime: str
    machine: Machine
    before: Moment
    after: Moment
    models: Mapping[str, str]
    starts: Mapping[str, Start]
    measurements: Sequence[Measurement]

    @property
    def doubts(self) -> list[str]:
        """Reasons to doubt the figures; see `machine.doubts`."""
        return doubts(self.machine, self.before, self.after)


def to_json(report: Report) -> dict[str, Any]:
    """Return the benchmark as docs/bench.schema.json describes it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": not report.doubts,
        "doubts": report.doubts,
        **asdict(report),
    }


def json_schema() -> str:
    """Return the text of docs/bench.schema.json, the schema of the JSON."""
    schema = TypeAdapter(Report).json_schema()
    for part in (schema, *schema["$defs"].values()):
        part.pop("description", None)  # a dataclass's docstring, which only some versions of pydantic include
    added = {
        "schema_version": {"const": SCHEMA_VERSION},
        "valid": {
            "type": "boolean",
            "description": "nothing makes the figures doubtful; false where doubts has an entry",
        },
        "doubts": {"type": "array", "items": {"type": "string"}, "description": "what makes the figures doubtful"},
    }
    schema["properties"] = added | schema["properties"]
    schema["required"] = [*added, *schema["required"]]
    return json.dumps({"$schema": SCHEMA_URL, **schema}, indent=2) + "\n"


def to_text(report: Report) -> Iterator[str]:
    """Yield the lines of the tables."""
    machine = report.machine
    yield report.title
    cores = counted(machine.cores, "core")
    yield f"{machine.board}, {machine.processor}, {cores}, governor {machine.governor or 'unknown'}"
    yield ", ".join([f"{name} {version}" for name, version in machine.versions.items()])
    yield f"{report.runtime}; {_states(report.before, report.after)}"
    for doubt in report.doubts:
        yield f"doubtful: {doubt}"
    yield ""
    title = "milliseconds a frame"
    width = max(len(title), *(len(each.name) for each in report.measurements))
    yield f"{title:<{width}}  {_heads()} {'cpu':>8} {'frames/s':>9} {'dropped':>7} {'spread':>7}"
    for each in report.measurements:
        spread = "-" if each.spread is None else f"{each.spread:.1%}"
        figures = f"{_figures(each, TOTAL)} {each.cpu_ms:8.3f} {each.frames_per_s:9.1f} {each.dropped:7d} {spread:>7}"
        yield f"{each.name:<{width}}  {figures}"
    for each in report.measurements:
        if not each.is_yardstick:
            yield ""
            yield f"{each.name}{f': {_start(report.starts[each.name])}' if each.name in report.starts else ''}"
            yield f"  {'stage':<10}{_heads()}"
            yield from (f"  {stage:<10}{_figures(each, stage)}" for stage in STAGES)
    yield from _ratios(report.measurements)


def _states(before: Moment, after: Moment) -> str:
    temperatures = [f"{each.temperature_c:.0f} C" for each in (before, after) if each.temperature_c is not None]
    throttling = "throttling is not reported" if after.throttled is None else "throttling is watched"
    return f"{' to '.join(temperatures) or 'no thermometer'}, {throttling}"


def _heads() -> str:
    return " ".join(f"{head:>8}" for head in ("p50", "p90", "p99", "max", "mean"))


def _figures(measurement: Measurement, stage: str) -> str:
    found = measurement.stages[stage]
    return " ".join(f"{value:8.3f}" for value in (found.p50, found.p90, found.p99, found.max, found.mean))


def _start(start: Start) -> str:
    return f"'edge-app run' shows its first label after {start.first_line_s:.2f} s and takes {start.peak_mb:.0f} MiB"


def _ratios(measurements: Sequence[Measurement]) -> Iterator[str]:
    yardsticks = [each for each in measurements if each.is_yardstick]
    if yardsticks:
        yield ""
    for each in measurements:
        comparable = [other for other in yardsticks if _size(other.name) in ("", _size(each.name))]
        ratios = ", ".join(
            f"{each.cpu_ms / other.cpu_ms:.2f} x the {other.name.partition(',')[0]}" for other in comparable
        )
        if ratios and not each.is_yardstick:
            yield f"{each.name}: CPU time of a frame is {ratios}"


def _size(name: str) -> str:
    """Return the frame size at the end of a configuration's name, empty if it has none."""
    last = name.rpartition(", ")[2]
    return last if last.replace("x", "", 1).isdigit() else ""


def require_comparable(older: Report, names: Sequence[str], title: str) -> None:
    """Check before measuring that the new report can be compared with an older one.

    Args:
        older: older report.
        names: configurations of the new report.
        title: description of its frames.

    Raises:
        UsageError: they share no configuration but yardsticks, or the frames differ.
    """
    there = [each.name for each in older.measurements if not each.is_yardstick]
    if not set(names) & set(there):
        raise UsageError(
            f"nothing to compare: the older file has {', '.join(there) or 'no model'}",
            "measure one of its models again",
        )
    if older.title != title:
        raise UsageError(
            f"the older file was measured on {masked(older.title)}, this measurement is of {title}",
            "choose the same frames, or compare with another file",
        )


def compare(report: Report, older: Report) -> Iterator[str]:
    """Yield the ratio of each configuration to the same one in an older report, and other differences.

    If either report is doubtful, nothing is called slower or faster: the doubts could explain any ratio.

    Args:
        report: new report.
        older: older report that has passed `require_comparable`.
    """
    before = {each.name: each for each in older.measurements}
    yield ""
    yield "compared with the older measurement (now / then):"
    yield from (f"note: {note}" for note in _differences(report, older))
    reasons = list(_reasons(report, older))
    yield from (f"no verdict: {reason}" for reason in reasons)
    for each in report.measurements:
        if each.name in before:
            ratios = "; ".join(_ratios_to(each, before[each.name], has_verdict=not reasons))
            yield f"{each.name}: {ratios}{_changed(each.name, report.models, older.models)}"
    missing = {each.name for each in report.measurements} ^ set(before)
    if missing:
        yield f"only in one of the two: {'; '.join(sorted(missing))}"


def _differences(report: Report, older: Report) -> Iterator[str]:
    for what in ("board", "processor", "cores", "governor", "versions"):
        now, then = getattr(report.machine, what), getattr(older.machine, what)
        if now != then:
            yield f"{what}: now {now}, then {then}"
    if report.runtime != older.runtime:
        yield f"runtime: now {report.runtime}, then {older.runtime}"


def _reasons(report: Report, older: Report) -> Iterator[str]:
    """Yield the reasons why nothing can be called slower or faster."""
    for name, each in (("this measurement", report), ("the older measurement", older)):
        yield from (f"{name} is doubtful: {doubt}" for doubt in each.doubts)


def _ratios_to(now: Measurement, then: Measurement, has_verdict: bool) -> Iterator[str]:
    figures = (
        ("p50", now.stages[TOTAL].p50, then.stages[TOTAL].p50, now.spread, then.spread),
        ("cpu", now.cpu_ms, then.cpu_ms, now.cpu_spread, then.cpu_spread),
    )
    for name, new, old, spread, older_spread in figures:
        ratio = f"{name} {new / old:.3f}"
        if spread is None or older_spread is None:
            yield f"{ratio}, noise unknown (it takes two repetitions)"
            continue
        # The spreads add up, as the two runs may be off in opposite directions.
        noise = max(NOISE, spread + older_spread)
        yield f"{ratio}, noise +-{noise:.1%}" + (f": {_verdict(new / old, noise)}" if has_verdict else "")


def _verdict(ratio: float, noise: float) -> str:
    if abs(ratio - 1) <= noise:
        return "within the noise"
    return "slower" if ratio > 1 else "faster"


def _changed(name: str, models: Mapping[str, str], older: Mapping[str, str]) -> str:
    model = name.partition(",")[0]
    return "" if models.get(model) == older.get(model) else " (another file of that model)"


_MEASURE_AGAIN = "measure the older version again with --json"


def read(path: Path) -> Report:
    """Read a report that was written with --json.

    Raises:
        UsageError: the file cannot be read, or is not such a report.
    """
    try:
        found = json.loads(files.read_small(path, MOST_BYTES).decode(), parse_constant=_refuse_constant)
        version = found["schema_version"]
        report = TypeAdapter(Report).validate_python(found) if version == SCHEMA_VERSION else None
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", "name a file that edge-app bench --json wrote"
        ) from error
    # pydantic's ValidationError is a ValueError, so it must come before that.
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path} is damaged: {where}: {first['msg']}", _MEASURE_AGAIN) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path} was not written by edge-app bench --json, or is damaged ({one_line(error)})", _MEASURE_AGAIN
        ) from error
    if report is None:
        raise UsageError(f"{path} is of version {version}, this edge-app reads {SCHEMA_VERSION}", _MEASURE_AGAIN)
    # `compare` divides by these times.
    if any(TOTAL not in each.stages or min(each.stages[TOTAL].p50, each.cpu_ms) <= 0 for each in report.measurements):
        raise UsageError(f"{path} is damaged: a time is zero, negative or missing", _MEASURE_AGAIN)
    return report


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity: Python's parser accepts them, JSON does not."""
    raise ValueError(f"{name} is not a number")
