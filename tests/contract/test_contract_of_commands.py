"""What users and their scripts rely on stays as it is: exit codes, flags, settings, JSON, cards.

Real processes run a fixed list of commands, and the answers are compared with tests/fixtures/contract. The wording of
messages is not compared, nor is anything that depends on the machine, on versions or on time. `stored` says how to
accept an intended change.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.contract import pages, stored
from tests.contract.commands import CALM, DRAWN, ENDED, LOGGED, REFUSED, SETTINGS
from tests.contract.scratch import MODELS, each, end, make, out

SCHEMAS = MODELS.parent / "docs"
DETERMINED = ("source", "frame", "state", "label", "dropped", "name", "truth")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder that the commands run in."""
    return make(tmp_path_factory.mktemp("contract"))


def test_commands_and_their_flags(scratch: Path) -> None:
    """Every command takes the flags it took, with the same kind of value, the same choices and the same default."""
    found, waiting = {}, ["edge-app"]
    while waiting:
        ended = each(scratch, [f"{words} --help" for words in waiting])
        shown = dict(zip(waiting, ended.values(), strict=True))
        for words, page in shown.items():
            assert (page.code, page.said) == (0, []), words
            found[words] = pages.flags(page.out)
        waiting = [f"{words} {name}" for words, page in shown.items() for name in pages.commands(page.out)]
    stored.check("flags", found)


def test_refusals(scratch: Path) -> None:
    """What cannot be done ends with the same code, in as many lines, and what was wrong is still named."""
    found, expected = {}, stored.kept("refusals")
    for line, ended in each(scratch, REFUSED).items():
        assert (ended.code != 0, ended.out) == (True, ""), f"{line}\n{ended.said}"
        told = "\n".join(ended.said)
        names = [word for word in _may_be_named(line) if word in told]
        if not stored.WRITING:  # more may be named than was: only what is no longer named is told
            names = [word for word in expected.get(line, {}).get("names", names) if word in told]
        lines = sum(text.startswith("edge-app") for text in ended.said)
        found[line] = {"exit": ended.code, "lines": lines, "names": names}
    stored.check("refusals", found)


def _may_be_named(line: str) -> list[str]:
    words = [
        part for word in shlex.split(line) for part in (word.split("=") if word.startswith("EDGE_APP_") else [word])
    ]
    commands = {"edge-app", "run", "models", "show", "verify", "bench", "evaluate", "train", "config", "doctor"}
    quiet = commands | set(CALM.split()) | {""}
    return [*dict.fromkeys([*(word for word in words if len(word) > 1 and word not in quiet), *REFUSED[line].split()])]


def test_exit_codes_and_files(scratch: Path) -> None:
    """What ends well goes on doing so, and leaves the files it left."""
    found: dict[str, Any] = {line: ended.code for line, ended in each(scratch, ENDED).items()}
    left = {path.name: len(path.read_text().splitlines()) for path in sorted(scratch.glob("*.jsonl*"))}
    found["lines of files"] = {
        name: "some" if name.startswith(("rotated", "duration")) else lines
        for name, lines in left.items()
        if name != "torn.jsonl"
    }
    stored.check("exit_codes", found)


def test_a_reader_that_left_is_no_error(scratch: Path) -> None:
    """Whoever closes the other end of stdout before the first byte is told nothing, and the exit code is 0."""
    for line in ("models schema", f"{DRAWN} --log -"):
        reader, writer = os.pipe()
        os.close(reader)
        ended = end(scratch, f"edge-app {line}", stdout=writer)
        os.close(writer)
        assert ended.code == 0, f"{line}\n{ended.said}"
        assert "roken" not in "".join(ended.said)


def test_settings(scratch: Path) -> None:
    """Names, sections, defaults, forms of a value, and which of default, file, variable and service wins."""
    effective = {line: _settings(ended.out) for line, ended in each(scratch, SETTINGS).items()}
    plain = effective[SETTINGS[0]]
    found = {SETTINGS[0]: plain}
    for line in SETTINGS[1:]:
        assert _names(effective[line]) == _names(plain)
        found[line] = {
            name: said
            for section, settings in effective[line].items()
            for name, said in settings.items()
            if said != plain[section][name]
        }
    stored.check("settings", found)


def _settings(printed: str) -> dict[str, dict[str, Any]]:
    """Read what `config` prints: section to name to value and origin."""
    values, found = tomllib.loads(printed), {}
    section = ""
    for line in filter(None, printed.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
            found[section] = {}
        else:
            said, _, origin = line.rpartition("  # ")
            name = said.split()[1] if said.startswith("# ") else said.split()[0]
            found[section][name] = [values[section].get(name), origin]
    return found


def _names(settings: dict[str, dict[str, Any]]) -> list[str]:
    return [f"[{section}] {name}" for section, names in settings.items() for name in names]


def test_what_config_prints_is_a_settings_file(scratch: Path) -> None:
    """Read again, it gives the same values."""
    printed = out(scratch, "edge-app config --config every.toml")
    (scratch / "again.toml").write_text(printed)
    assert out(scratch, "edge-app config --config again.toml").replace("again.toml", "every.toml") == printed


def test_flags_go_over_variables_over_the_file(scratch: Path) -> None:
    """Of three that differ the flag wins, without it the variable, without both the file."""
    (scratch / "won").mkdir()
    (scratch / "plain.toml").write_text('[model]\ndelegate = "none"\n[output]\nlog = "won/file.jsonl"\n')
    show = "edge-app models show cifar10-nano --json - --config plain.toml"
    lines = [show, f"EDGE_APP_DELEGATE=xnnpack {show}", f"EDGE_APP_DELEGATE=xnnpack {show} --delegate none"]
    shown = [json.loads(ended.out)["here"]["delegate"] for ended in each(scratch, lines).values()]
    assert shown == ["none", "xnnpack", "none"]
    out(
        scratch, f"EDGE_APP_LOG=won/variable.jsonl edge-app {DRAWN} --frames 1 --config plain.toml --log won/flag.jsonl"
    )
    assert [path.name for path in (scratch / "won").iterdir()] == ["flag.jsonl"]


def test_results(scratch: Path) -> None:
    """Results have the fields they had, in their order, and the values that are determined; the schema allows them."""
    schema = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "results.schema.json").read_text("utf-8")))
    found: dict[str, Any] = {"types": {}}
    for line, ended in each(scratch, LOGGED).items():
        results = [json.loads(text) for text in ended.out.splitlines()]
        for result in results:
            schema.validate(result)
            for name, shape in pages.shape(_usual(result)).items():
                assert found["types"].setdefault(name, shape) == shape, f"{line}\n{result}"
        found[line] = {
            "exit": ended.code,
            "fields": list(dict.fromkeys(" ".join(result) for result in results)),
            "results": [_determined(result) for result in results],
        }
    stored.check("results", found)


def _usual(result: dict[str, Any]) -> dict[str, Any]:
    """Put a text, number or list where there may be none: that depends on the state, or on the machine."""
    top = [[label, 0.0] for label, _ in result["top"]] or [["", 0.0]]
    return result | {"boot_id": "", "label": "", "confidence": 0.0, "top": top}


def _determined(result: dict[str, Any]) -> list[Any]:
    values = [result.get(name) for name in DETERMINED]
    reason = result.get("reason", "").partition(":")[0]
    return [*values, [label for label, _ in result["top"]], *([reason] if reason == "damaged picture" else [])]


def test_figures(scratch: Path) -> None:
    """The JSON of `models show`, `evaluate`, `bench` and `doctor` has the keys it had; counts are the same."""
    calm = "--model cifar10-nano --json -"
    lines = {
        "show": "edge-app models show cifar10-nano --json -",
        "show a model without a card": "edge-app models show bare.tflite --labels three.txt --json -",
        "evaluate": f"edge-app evaluate --data labelled --limit 3 {calm}",
        "bench": f"edge-app bench --frames 4 --repetitions 2 --size 64x48 --against-classic --sink log {calm}",
        "single stream": f"edge-app bench --single-stream --data labelled {calm}",
        "doctor": "EDGE_APP_SOURCE=synthetic edge-app doctor --json -",
    }
    answers = {}
    for name, ended in zip(lines, each(scratch, lines.values()).values(), strict=True):
        assert ended.code == 0 or name == "doctor", f"{name}\n{ended.said}"  # a board may have a problem of its own
        answers[name] = json.loads(ended.out)
    jsonschema.validate(answers["bench"], json.loads((SCHEMAS / "bench.schema.json").read_text("utf-8")))
    found = {name: _figures(answer) for name, answer in answers.items()}
    evaluated, streamed = answers["evaluate"], answers["single stream"]["single_stream"][0]
    checks = [finding["check"] for finding in answers["doctor"]["findings"]]
    found["values"] = {
        "evaluate": [evaluated[part][count] for part in ("direct", "camera") for count in ("correct", "total")],
        "labels": evaluated["labels"],
        "confusion": [sum(row) for row in evaluated["confusion"]],
        "single stream": [streamed["right"], streamed["total"]],
        "doctor": [check for check in checks if check not in ("board", "picamera2", "log")],
        "schema_version": [answers[name]["schema_version"] for name in ("bench", "single stream")],
    }
    stored.check("figures", found)


def _figures(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of an answer; only the names of what depends on the machine, nothing of what a card vouches."""
    found: dict[str, Any] = pages.shape(answer)
    for part in {"machine", "before", "after"} & found.keys():
        found[part] = [*answer[part]]
    if "doubts" in found:
        found["doubts"] = ["text"]
    if "findings" in found:
        found["findings"] = [*answer["findings"][0]]
    if answer.get("card"):
        found["card"]["golden"] = {}
    found.pop("float", None)  # only where PyTorch is installed
    return found


def test_what_scripts_read_from_text(scratch: Path) -> None:
    """`--version`, `models list` and `sources` keep the form of their lines."""
    numbers = {
        line: [re.sub(r"(?<![\w.-])\d[\d.,]*(?=[ ,%]|$)", "0", text) for text in ended.out.splitlines()]
        for line, ended in each(scratch, ["edge-app --version", "edge-app models list"]).items()
    }
    numbers["edge-app --version"] = [re.sub("runtime [a-z-]+", "runtime", numbers["edge-app --version"][0])]
    numbers["edge-app sources"] = out(scratch, "edge-app sources").splitlines()[-1].split()[:1]
    stored.check("text", numbers)


def test_cards(scratch: Path) -> None:
    """Every shipped card is shown as it is stored; a card with the fields of the contract is read and given back."""
    cards = sorted(MODELS.glob("*.json"))
    assert cards
    for path in cards:
        kept = json.loads(path.read_text("utf-8"))
        shown = json.loads(out(scratch, f"edge-app models show {path.stem} --json -"))["card"]
        assert not list(stored.differences(kept, _as_stored(shown, kept), path.name))
    fields = stored.kept("figures")["show"]["card"]
    card = {key: value for key, value in shown.items() if key in fields}
    shutil.copy(path.with_suffix(".tflite"), scratch / "mine.tflite")
    (scratch / "mine.json").write_text(json.dumps(card))
    again = json.loads(out(scratch, "edge-app models show mine.tflite --json -"))["card"]
    assert not list(stored.differences(card, again, "mine.json"))


def _as_stored(shown: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """Leave out the nulls that a card shows for what its file does not mention."""
    return {
        key: _as_stored(value, stored[key]) if isinstance(value, dict) and isinstance(stored.get(key), dict) else value
        for key, value in shown.items()
        if value is not None or key in stored
    }


def test_schemas(scratch: Path) -> None:
    """The schemas of cards, results and figures name the same properties, and require the same."""
    card = json.loads(out(scratch, "edge-app models schema"))
    del card["$defs"]["Golden"]
    card["properties"]["golden"] = {}
    found = {"models schema": pages.fields(card)}
    for name in ("results", "bench"):
        found[name] = pages.fields(json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8")))
    stored.check("schemas", found)
