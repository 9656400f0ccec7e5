"""The fields of a line, each defined once: its value, schema and meaning.

The line itself, docs/results.schema.json and the table in docs/results.md are made from this list (`make docs`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

from edge_app.metering import RANKS, STAGES, TOTAL
from edge_app.records import Result, State

ALWAYS = "always"
SCHEMA_URL = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a line.

    Attributes:
        name: its key.
        unit: its type and unit, for the table; "" lists the properties of an object.
        meaning: for schema and table, in Markdown.
        schema: JSON Schema of its value, without the description.
        value: reads it from a result; None for fields that the log adds (see `Ledger.owed`).
        present: when the line has it, for the table. If it begins with `ALWAYS`, every line has the field; otherwise
            the line leaves the field out where `value` returns None.
    """

    name: str
    unit: str
    meaning: str
    schema: Mapping[str, Any]
    value: Callable[[Result], Any] | None = None
    present: str = ALWAYS

    @property
    def is_required(self) -> bool:
        """Whether every line has it."""
        return self.present.startswith(ALWAYS)


def _rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def boot_id() -> str | None:
    """Return the kernel's id of this boot, None without one. Monotonic times of different boots do not compare."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _confidence(result: Result) -> float | None:
    confidence = result.verdict.confidence
    return None if confidence is None else round(confidence, 4)


def _object(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, **more, "properties": properties}


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 1}
_PERCENTILES = {"type": "array", "items": _NUMBER, "minItems": len(RANKS), "maxItems": len(RANKS)}
_SINCE_LAST = {"classified": _COUNT, **{f"latency_p{rank}_ms": _NUMBER for rank in RANKS}}
_GAP = {
    "lines": {"description": "lines that were due and could not be written", **_COUNT},
    "seconds": {"description": "from the first of them to this line", "type": "number", "minimum": 0},
    "torn_bytes": {"description": "bytes of an incomplete line at the end of the file, cut off", **_COUNT},
    "file": {
        "description": "what another program did to the file; `lines` then counts those written into it in its last "
        "second, unless it was moved",
        "enum": ["removed", "moved", "truncated"],
    },
}
_MS = "milliseconds, µs resolution"
_UNLESS_OK = f"{ALWAYS}; null unless `state` is `ok`"
_SELECTIVE = "with `--log-when change` or `periodic`"

FIELDS = (
    Field(
        "time",
        "RFC 3339, UTC, ms",
        "capture, on the wall clock; may jump when the clock is set",
        {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"},
        lambda result: _rfc3339(result.captured_unix_s),
    ),
    Field(
        "mono_s",
        "seconds, µs resolution",
        "capture, on the monotonic clock; compare only lines of one `boot_id`",
        _NUMBER,
        lambda result: round(result.captured_s, 6),
    ),
    Field(
        "boot_id",
        "text or null",
        "the boot that `mono_s` counts from; null where the system has no such id (macOS)",
        {"type": ["string", "null"]},
        lambda result: boot_id(),
    ),
    Field(
        "source",
        "text",
        "string that selects the source, with passwords masked",
        _TEXT,
        lambda result: result.source,
    ),
    Field(
        "frame",
        "whole number",
        "index of the frame in the source; a gap means dropped or damaged frames. In an outage, the index of the last "
        "frame, -1 before the first",
        {"type": "integer", "minimum": -1},
        lambda result: result.frame,
    ),
    Field(
        "state",
        ", ".join(f"`{state}`" for state in get_args(State)),
        "a label is named; no label is confident enough; there is no picture",
        {"enum": list(get_args(State))},
        lambda result: result.verdict.state,
    ),
    Field(
        "label",
        "text or null",
        "the decision over time (smoothing, thresholds)",
        {"type": ["string", "null"]},
        lambda result: result.verdict.label,
        _UNLESS_OK,
    ),
    Field(
        "confidence",
        "0 to 1, or null",
        "smoothed, calibrated probability of `label`, 4 decimals",
        {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        _confidence,
        _UNLESS_OK,
    ),
    Field(
        "top",
        "list of [label, 0 to 1]",
        "up to three most probable labels of this frame alone: calibrated, not smoothed, best first",
        {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "array", "prefixItems": [_TEXT, _PROBABILITY], "items": False, "minItems": 2},
        },
        lambda result: [[label, round(probability, 4)] for label, probability in result.verdict.top],
        f"{ALWAYS}; empty in an outage",
    ),
    Field(
        "latency_ms",
        _MS,
        "from capture to result; in an outage, from noticing it",
        _NUMBER,
        lambda result: round(result.latency_ms, 3),
    ),
    Field(
        "age_ms",
        _MS,
        "from capture to the writing of this line",
        _NUMBER,
        lambda result: round((time.monotonic() - result.captured_s) * 1e3, 3),
    ),
    Field(
        "fps",
        "per second",
        "classifications over the last two seconds; 0 at first, in an outage, and on the first frame after one",
        {"type": "number", "minimum": 0},
        lambda result: round(result.fps, 2),
    ),
    Field(
        "dropped",
        "whole number",
        "frames the source lost since it was opened, without those skipped by `--rate`",
        {"type": "integer", "minimum": 0},
        lambda result: result.dropped,
    ),
    Field(
        "name",
        "text",
        "file the frame came from, relative to the folder; JSON's `\\udcNN` stands for a byte that is not UTF-8",
        _TEXT,
        lambda result: result.name,
        "frames of files",
    ),
    Field(
        "truth",
        "text",
        "label the frame is known to show",
        _TEXT,
        lambda result: result.truth,
        "the synthetic camera",
    ),
    Field(
        "reason",
        "text",
        "what is wrong, in one line",
        _TEXT,
        lambda result: result.reason,
        "in an outage",
    ),
    Field(
        "since_last",
        "",
        "number of pictures classified since the previous line, including this one, and percentiles of their "
        "latencies (of the last 1800)",
        _object(_SINCE_LAST, required=list(_SINCE_LAST)),
        present=f"{_SELECTIVE}, if any were classified",
    ),
    Field(
        "last_minute",
        f"stage to [50th, 90th, 99th percentile, slowest], {_MS}",
        f"times of {', '.join(f'`{stage}`' for stage in STAGES)} and `{TOTAL}` over the frames of the last minute",
        {"type": "object", "required": [*STAGES, TOTAL], "additionalProperties": _PERCENTILES},
        present=f"once a `--log-period` {_SELECTIVE}",
    ),
    Field(
        "gap",
        "",
        "what is missing before this line: lines that could not be written, and for how long; bytes of an incomplete "
        "line that was cut off; what another program did to the file",
        _object(_GAP, minProperties=1),
        present="after a full or failing disk, a power cut, or another program's hand on the file",
    ),
    Field(
        "clock_jump_s",
        "seconds, ms resolution",
        "how far the wall clock was set, or how long the machine slept, since the previous line (`time` jumps, "
        "`mono_s` does not)",
        _NUMBER,
        present="when more than a second",
    ),
)

_REQUIRED = tuple((field.name, field.value) for field in FIELDS if field.is_required and field.value)
_OPTIONAL = tuple((field.name, field.value) for field in FIELDS if not field.is_required and field.value)


def to_json(result: Result) -> dict[str, Any]:
    """Return a result as the documented object, probabilities with 4 decimals and milliseconds with 3."""
    line = {name: value(result) for name, value in _REQUIRED}
    for name, value in _OPTIONAL:
        if (found := value(result)) is not None:
            line[name] = found
    return line


# Which values the fields have together in each state.
_NAMED = {"label": {"type": "string"}, "confidence": {"type": "number"}, "top": {"minItems": 1}}
_NOT_NAMED = {"label": {"type": "null"}, "confidence": {"type": "null"}}
_OF_A_FRAME = {"frame": {"minimum": 0}, "reason": False}
_STATES: tuple[dict[str, Any], ...] = (
    {"properties": {"state": {"const": "ok"}, **_NAMED, **_OF_A_FRAME}},
    {"properties": {"state": {"const": "unknown"}, **_NOT_NAMED, "top": {"minItems": 1}, **_OF_A_FRAME}},
    {"required": ["reason"], "properties": {"state": {"const": "outage"}, **_NOT_NAMED, "top": {"maxItems": 0}}},
)


def json_schema() -> str:
    """Return the schema of a line, the text of docs/results.schema.json."""
    schema = {
        "$schema": SCHEMA_URL,
        "title": "One line of edge-app's results",
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in FIELDS if field.is_required],
        "properties": {field.name: {"description": field.meaning, **field.schema} for field in FIELDS},
        "oneOf": _STATES,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def table() -> str:
    """Return the Markdown table in docs/results.md."""
    rows = [
        f"| `{field.name}` | {field.unit or ', '.join(f'`{name}`' for name in field.schema['properties'])} "
        f"| {field.meaning} | {field.present} |"
        for field in FIELDS
    ]
    return "\n".join(["| field | type, unit | meaning | present |", "|---|---|---|---|", *rows]) + "\n"
