"""What was measured, as a table, as JSON, and beside an older measurement."""

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
from edge_app.errors import UsageError
from edge_app.metering import STAGES, TOTAL
from edge_app.system.masking import masked
from edge_app.system.wording import counted

SCHEMA_VERSION = 2
NOISE = 0.03  # Two runs on a quiet machine differ by so much, whatever their own spread.
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Report:
    """One `edge-app bench`.

    Attributes:
        title: of the frames.
        runtime: that ran the models, with its version.
        machine: that was measured on.
        before: its state.
        after: its state.
        models: SHA-256 of each model file by name.
        starts: time to first label and peak memory of `edge-app run`, by configuration.
        measurements: what came out.
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
        """What makes the figures doubtful; see `machine.doubts`."""
        return doubts(self.machine, self.before, self.after)


def to_json(report: Report) -> dict[str, Any]:
    """Return the object that docs/bench.schema.json describes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "valid": not report.doubts,
        "doubts": report.doubts,
        **asdict(report),
    }


def json_schema() -> str:
    """Return the schema of the JSON as text; docs/bench.schema.json is this."""
    schema = TypeAdapter(Report).json_schema()
    for part in (schema, *schema["$defs"].values()):
        part.pop("description", None)  # the docstring of a dataclass, which some versions of pydantic leave out
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
    title = "milliseconds of a frame"
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
    throttling = "nothing tells of throttling" if after.throttled is None else "throttling is watched"
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
        beside = [other for other in yardsticks if _size(other.name) in ("", _size(each.name))]
        ratios = ", ".join(f"{each.cpu_ms / other.cpu_ms:.2f} x the {other.name.partition(',')[0]}" for other in beside)
        if ratios and not each.is_yardstick:
            yield f"{each.name}: CPU time of a frame is {ratios}"


def _size(name: str) -> str:
    """Return the size of frames that a name ends in, where several are measured."""
    last = name.rpartition(", ")[2]
    return last if last.replace("x", "", 1).isdigit() else ""


def require_comparable(older: Report, names: Sequence[str], title: str) -> None:
    """See, before the work, that two reports say something about each other.

    Args:
        older: the one there is.
        names: of the configurations of the one to be made.
        title: of its frames.

    Raises:
        UsageError: they do not; yardsticks alone are no reason to compare.
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
    """Yield the ratio of each configuration to the same one of an older report, and what else differs.

    Doubtful figures, on either side, explain any ratio: then nothing is called slower or faster.

    Args:
        report: of now.
        older: for which `require_comparable` has nothing to say.
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
    """Yield why nothing can be called slower or faster."""
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
            yield f"{ratio}, noise unknown (one repetition tells nothing of it)"
            continue
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
        UsageError: it is none.
    """
    try:
        found = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant)
        version = found["schema_version"]
        report = TypeAdapter(Report).validate_python(found) if version == SCHEMA_VERSION else None
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", "name a file that edge-app bench --json wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path} is damaged: {where}: {first['msg']}", _MEASURE_AGAIN) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} was not written by edge-app bench --json, or is damaged ({error!r})", _MEASURE_AGAIN
        ) from error
    if report is None:
        raise UsageError(f"{path} is of version {version}, this edge-app reads {SCHEMA_VERSION}", _MEASURE_AGAIN)
    if any(TOTAL not in each.stages or min(each.stages[TOTAL].p50, each.cpu_ms) <= 0 for each in report.measurements):
        raise UsageError(f"{path} is damaged: a frame that takes no time", _MEASURE_AGAIN)
    return report


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no figure")
