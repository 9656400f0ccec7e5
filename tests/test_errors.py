"""Every error says what to try, in a field of its own, and nobody takes a message apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app import errors
from edge_app.errors import ConfigError, EdgeAppError, RunError, SourceError, one_line
from tests.conftest import ROOT

CLASSES = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.EdgeAppError)
}
# What may be raised without a remedy, and why.
EXEMPT_CLASSES = {
    "CameraLost": "a live source answers it by opening the camera again",
    "PictureError": "of one picture among many, from a camera or a file; who ends over it says what to try",
}
EXEMPT_CALLS = {
    ("system/children.py", "EdgeAppError"): "the words of a library or of another program; the caller adds a remedy",
}
# Ways to take a text apart.
APART = {"partition", "rpartition", "split", "rsplit", "splitlines"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that makes an error of ours, with the name of its class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CLASSES:
                yield name, node


def texts(node: ast.AST) -> str:
    """Return the text written in an expression; what is put into it at run time is left out."""
    return "".join(
        part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
    )


def without_remedy(package: Path) -> list[str]:
    """Return every call below `package` that makes an error with nothing to try, unless it is exempt."""
    found = []
    for path in sorted(package.rglob("*.py")):
        where = path.relative_to(package).as_posix()
        for name, call in calls(ast.parse(path.read_text("utf-8"))):
            is_exempt = name in EXEMPT_CLASSES or (where, name) in EXEMPT_CALLS
            arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
            is_empty = len(arguments) < 2 or (isinstance(arguments[1], ast.Constant) and not arguments[1].value)
            if is_empty and not is_exempt:
                found.append(f"{where}:{call.lineno}: {name}")
    return found


def unsplit(package: Path) -> list[str]:
    """Return every call below `package` with a semicolon in a text: two fields' worth in one."""
    found = []
    for path in sorted(package.rglob("*.py")):
        for name, call in calls(ast.parse(path.read_text("utf-8"))):
            arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
            if any("; " in texts(argument) for argument in arguments):
                found.append(f"{path.relative_to(package)}:{call.lineno}: {name}")
    return found


def taken_apart(package: Path) -> list[str]:
    """Return every place below `package` that takes the text of an error apart."""
    found = []
    for path in sorted(package.rglob("*.py")):
        if path == package / "errors.py":
            continue  # the class itself, which knows how its text is made
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in APART:
                names = {part.id for part in ast.walk(node.func.value) if isinstance(part, ast.Name)}
                fields = {part.attr for part in ast.walk(node.func.value) if isinstance(part, ast.Attribute)}
                separators = {texts(argument).strip() for argument in node.args}
                if names & {"error", "one", "refusal"} or fields & {"what", "remedy"} or ";" in separators:
                    found.append(f"{path.relative_to(package)}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_every_error_says_what_to_try() -> None:
    """The few that do not are listed above, each with its reason."""
    assert without_remedy(ROOT / "edge_app") == []


def test_what_and_remedy_are_two_texts() -> None:
    """None is hidden in the other, behind a semicolon."""
    assert unsplit(ROOT / "edge_app") == []


def test_no_message_is_taken_apart() -> None:
    """Whoever needs one of the texts asks for it by name."""
    assert taken_apart(ROOT / "edge_app") == []


def test_exemptions_are_needed() -> None:
    """An exemption that nothing needs any more is removed from the list."""
    raised = {
        (path.relative_to(ROOT / "edge_app").as_posix(), name)
        for path in (ROOT / "edge_app").rglob("*.py")
        for name, call in calls(ast.parse(path.read_text("utf-8")))
        if len(call.args) < 2
    }
    assert {name for _, name in raised} >= EXEMPT_CLASSES.keys()
    assert raised >= EXEMPT_CALLS.keys()


@pytest.mark.parametrize(
    ("code", "check"),
    [
        ("raise SourceError('x is gone')", without_remedy),
        ("found = [errors.UsageError(line) for line in lines]", without_remedy),
        ("raise RunError('x failed', '')", without_remedy),
        ("raise SourceError(f'{x} is gone; look for it', 'somewhere')", unsplit),
        ("raise RunError('x', f'try this; or {that}')", unsplit),
        ("what, _, remedy = str(error).partition('; ')", taken_apart),
        ("last = str(error).splitlines()[-1]", taken_apart),
        ("half = said.split('; ')[0]", taken_apart),
        ("first = finding.what.split(': ')", taken_apart),
    ],
)
def test_these_checks_bite(code: str, check: object, tmp_path: Path) -> None:
    """Each finds what it is for."""
    assert callable(check)
    (tmp_path / "room.py").write_text(f"{code}\n")
    assert len(check(tmp_path)) == 1


def test_an_error_is_told_in_lines() -> None:
    """One for most; one for each that is reported together, and for each line that another program has said."""
    assert SourceError("x is gone", "look for it").lines == ("x is gone; look for it",)
    both = ConfigError.together([ConfigError("a", "b"), ConfigError("c", "d")], "see e")
    assert both.lines == ("a; b", "c; d", "see e")
    assert ConfigError.together([ConfigError("a", "b")]).lines == ("a; b",)
    assert RunError("pip failed:\nno space", "make room").lines == ("pip failed:", "no space", "make room")


def test_somebody_elses_error_becomes_one_line() -> None:
    """The first that says something; the type where none does."""
    assert one_line(ValueError("\n\n  numpy clash\nread this")) == "numpy clash"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(KeyError(" ")) == "' '"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_class_keeps_its_two_texts(name: str) -> None:
    """Those with a built-in parent too: OSError would take two arguments for its number and text."""
    error = getattr(errors, name)("what", "remedy")
    assert (error.what, error.remedy, str(error)) == ("what", "remedy", "what; remedy")
    assert isinstance(error, EdgeAppError) and error.each == (error,)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every class stands in it, with its built-in parents and its exit code or that of the class above."""
    drawn = [line for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    for name in CLASSES:
        (line,) = (line for line in drawn if line.strip("│├└─ ").split(" ")[0] == name)
        kind = getattr(errors, name)
        for parent in kind.__bases__:
            assert issubclass(parent, EdgeAppError) or parent is Exception or parent.__name__ in line, line
        inherits = kind.exit_code == kind.__bases__[0].exit_code if name != "EdgeAppError" else True
        assert inherits or f"({kind.exit_code})" in line, line
