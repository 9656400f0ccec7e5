"""The list of fields, and what is made from it."""

from __future__ import annotations

import json

import pytest

from edge_app.metering import STAGES, TOTAL, Stages
from edge_app.records import Result, Verdict
from edge_app.sinks import log
from edge_app.sinks.log import fields
from edge_app.sinks.log._ledger import Ledger
from tests.results import result
from tools import results_reference

TOP = (("deer", 0.635123), ("horse", 0.34911), ("airplane", 0.0055))


def of(verdict: Verdict, name: str | None = None, truth: str | None = None) -> Result:
    """Make a result whose numbers have too many decimals."""
    return Result(verdict, "webcam:0", 18, 5288.1159231, 1790000000.4196, 5288.12, 29.9744, 2, name, truth)


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (
            of(Verdict("ok", "deer", 0.675312, TOP)),
            '{"time":"2026-09-21T14:13:20.419Z","mono_s":5288.115923,"boot_id":"x","source":"webcam:0","frame":18,'
            '"state":"ok","label":"deer","confidence":0.6753,'
            '"top":[["deer",0.6351],["horse",0.3491],["airplane",0.0055]],'
            '"latency_ms":4.077,"age_ms":134.077,"fps":29.97,"dropped":2}',
        ),
        (
            of(Verdict("unknown", None, None, TOP[:1]), name="a.jpg", truth="cat"),
            '{"time":"2026-09-21T14:13:20.419Z","mono_s":5288.115923,"boot_id":"x","source":"webcam:0","frame":18,'
            '"state":"unknown","label":null,"confidence":null,"top":[["deer",0.6351]],'
            '"latency_ms":4.077,"age_ms":134.077,"fps":29.97,"dropped":2,"name":"a.jpg","truth":"cat"}',
        ),
        (
            of(Verdict("outage", None, None, reason="unplugged")),
            '{"time":"2026-09-21T14:13:20.419Z","mono_s":5288.115923,"boot_id":"x","source":"webcam:0","frame":18,'
            '"state":"outage","label":null,"confidence":null,"top":[],'
            '"latency_ms":4.077,"age_ms":134.077,"fps":29.97,"dropped":2,"reason":"unplugged"}',
        ),
    ],
    ids=["ok", "unknown", "outage"],
)
def test_a_line_to_the_byte(shown: Result, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order, names and decimals are what programs that read the log have seen so far."""
    monkeypatch.setattr(fields, "boot_id", lambda: "x")
    monkeypatch.setattr(fields.time, "monotonic", lambda: 5288.25)
    assert log.encode(shown).decode() == line + "\n"


def test_the_documents_are_made_from_the_list() -> None:
    """Schema and table are what `make docs` would write, with every field in the order of the line."""
    page = (results_reference.DOCS / "results.md").read_text("utf-8")
    assert results_reference.with_table(page) == page
    assert (results_reference.DOCS / "results.schema.json").read_text("utf-8") == fields.json_schema()
    names = [field.name for field in fields.FIELDS]
    assert list(json.loads(fields.json_schema())["properties"]) == names
    assert [row.split("`")[1] for row in fields.table().splitlines()[2:]] == names


def test_a_page_without_the_table_is_refused() -> None:
    """A changed heading is an error, not ignored."""
    for page in ("# Results\n", 2 * f"{fields.table()}\n"):
        with pytest.raises(ValueError, match="instead of one"):
            results_reference.with_table(page)


def test_the_ledger_owes_what_the_list_says() -> None:
    """Each field that is not read off a result comes from the ledger, with the parts its schema names."""
    stages = Stages(clock=lambda: 0.0)
    stages.begin(0.0)
    stages.end()
    ledger = Ledger(stages, period_s=0)
    before, shown = result(captured_unix_s=0.0), result()
    ledger.written(before)
    ledger.torn(5)
    ledger.taken("moved")
    for seen in (before, shown):
        ledger.saw(seen)
    ledger.lost(before)
    owed = ledger.owed(shown)
    told = {field.name: field.schema for field in fields.FIELDS if field.value is None}
    assert list(owed) == list(told)
    assert list(owed["since_last"]) == list(told["since_last"]["properties"])
    assert list(owed["last_minute"]) == list(told["last_minute"]["required"]) == [*STAGES, TOTAL]
    assert list(owed["gap"]) == list(told["gap"]["properties"])
