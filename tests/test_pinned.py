"""Nothing is installed that is not pinned: the lists with hashes, what uses them, the licences of what they name."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

SERVICE = [ROOT / "constraints.txt", ROOT / "constraints-apt.txt"]
LISTS = [*SERVICE, *sorted((ROOT / "requirements").glob("*.txt"))]
SCRIPTS = [ROOT / ".ci" / "run", ROOT / "Makefile", *sorted((ROOT / "tools").glob("*.sh"))]
# PyTorch has a build for CPUs and one for GPUs under one version; docs/decisions/2026-11-27-pinned-requirements.md.
WITHOUT_HASH = {"torch==2.13.0"}


def entries(text: str) -> list[tuple[Requirement, list[str]]]:
    """Return a list's requirements, each with its hashes."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [line.split(" --hash=") for line in lines if line.strip() and not line.startswith("#")]
    return [(Requirement(requirement), [found.strip() for found in hashes]) for requirement, *hashes in parts]


def versions(*lists: Path) -> dict[str, set[str]]:
    """Return the pinned versions by the package's name."""
    found: dict[str, set[str]] = {}
    for path in lists:
        for requirement, _ in entries(path.read_text()):
            found.setdefault(requirement.name, set()).add(str(requirement.specifier).removeprefix("=="))
    return found


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_pins_bytes_and_names_no_registry(path: Path) -> None:
    """Each requirement has one version and the SHA-256 of its files; where these come from is up to the user's pip."""
    text = path.read_text()
    assert "://" not in text and "\n-" not in text
    assert entries(text)
    for requirement, hashes in entries(text):
        assert re.fullmatch(r"==[^*]+", str(requirement.specifier)) and requirement.url is None, requirement
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", found) for found in hashes), requirement


@pytest.mark.parametrize(("path", "extra"), [(SERVICE[0], "headless"), (SERVICE[1], ""), (LISTS[-1], "train")])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_list_holds_what_edge_app_needs(path: Path, extra: str, python: str, machine: str) -> None:
    """On each Python and processor of the README, the list has one version for each of edge-app's requirements."""
    where = {"python_version": python, "python_full_version": f"{python}.1", "platform_machine": machine}
    where |= {"sys_platform": "linux", "extra": extra}
    pinned: dict[str, list[Requirement]] = {}
    for requirement, _ in entries(path.read_text()):
        if requirement.marker is None or requirement.marker.evaluate(where):
            pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    needed = [Requirement(text) for text in metadata.requires("edge-app") or []]
    from_apt = {"numpy"} if path == SERVICE[1] else set()
    for need in needed:
        name = canonicalize_name(need.name)
        if (need.marker and not need.marker.evaluate(where)) or name in from_apt | {"torch"}:
            continue
        (pin,) = pinned[name]
        assert need.specifier.contains(str(pin.specifier).removeprefix("==")), (need, pin)


def test_the_service_gets_no_installer() -> None:
    """What runs as the service has no pip and no setuptools, and no window."""
    assert not versions(*SERVICE).keys() & {"pip", "setuptools", "wheel", "opencv-python", "torch"}


def test_every_environment_gets_the_same_service() -> None:
    """What tests and checks run on has the versions that the service has: a green CI speaks for the service."""
    service, dev = versions(SERVICE[0]), versions(ROOT / "requirements" / "dev.txt")
    assert {name: dev[name] for name in service} == service


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_install_only_what_is_pinned(path: Path) -> None:
    """Each `pip install` of CI and tools checks hashes, or is of this checkout alone, or of PyTorch by version."""
    text = path.read_text().replace("\\\n", " ")
    assert not re.search(r"\b(uvx|pipx|npx|npm|easy_install|curl|wget)\b", text)
    for line in (line.strip() for line in text.splitlines()):
        # The function that the scripts define to abbreviate `pip install`, and words to the user, install nothing.
        if not re.search(r"\bpip\b.* install\b|^(if .*then )?install\b", line) or re.match(
            r"install\(\)|.*refuse ", line
        ):
            continue
        is_checked = "--require-hashes" in line and "--only-binary :all:" in line and " -r " in line
        is_own = line.endswith("--no-deps --no-build-isolation -e .")
        assert is_checked or is_own or WITHOUT_HASH & set(re.split(r"[\s;]+", line)), line


def test_an_unpinned_installation_is_found(tmp_path: Path) -> None:
    """The rule has teeth."""
    script = tmp_path / "script.sh"
    for line in ("pip install requests", "install 'numpy<2'", "python -m pip install -r requirements.txt", "uvx ruff"):
        script.write_text(line)
        with pytest.raises(AssertionError):
            test_scripts_install_only_what_is_pinned(script)


def test_a_wheel_has_its_own_lists(tmp_path: Path) -> None:
    """`service install --from WHEEL` finds the pinned requirements of the version that it installs."""
    build = [sys.executable, "-I", "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    checkout = tmp_path / "checkout"
    copy = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(copy, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(checkout)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for path in SERVICE:
            assert archive.read(f"edge_app/{path.name}") == path.read_bytes()


def test_every_package_of_the_service_has_its_licence_named() -> None:
    """THIRD_PARTY.md has a row for each pinned package, with its versions; a renewal makes somebody look again."""
    rows = re.findall(r"^\| ([\w.-]+)(?: \([^|]*\))? \| ([^|]+) \| ([^|]+) \|$", licences(), re.MULTILINE)[1:]
    named = {name: set(found.split(", ")) for name, found, _ in rows}
    assert named == versions(*SERVICE)


@pytest.mark.parametrize("name", [name for name in versions(*SERVICE) if name != "colorama"])
def test_a_licence_is_what_the_package_says(name: str) -> None:
    """The first licence of each row is the one in the package's own metadata."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        found = metadata.metadata("opencv-python")  # the other build of the same, in an environment with a window
    classifiers = [text.rpartition(":: ")[2] for text in found.get_all("Classifier") or [] if "License ::" in text]
    said = " ".join([found.get("License-Expression") or "", found.get("License") or "", *classifiers])
    (licence,) = re.findall(rf"^\| {re.escape(name)} \| [^|]+ \| ([\w.-]+)", licences(), re.MULTILINE)
    family = re.split(r"[-\d]", licence)[0]
    said = said.replace("Python Software Foundation", "PSF")  # as classifiers spell it
    assert family in said, (licence, said)


def licences() -> str:
    """Return the text of THIRD_PARTY.md."""
    return (ROOT / "THIRD_PARTY.md").read_text("utf-8")
