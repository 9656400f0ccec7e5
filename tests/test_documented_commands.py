"""The commands that README and docs/*.md show: one table of how each is run here, and the runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_app import commands
from edge_app.settings import command_line
from tests import results, shapes
from tests.conftest import DATA, ROOT
from tests.sources.test_video import write_video


@dataclass(frozen=True, slots=True)
class Run:
    """The command is run to its end, which has to be a success.

    Attributes:
        also: words added here: limits for what takes long, small data for large.
        needs: what it cannot do without, of `MISSING`.
    """

    also: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """The command's words are accepted, and no more.

    Attributes:
        because: what running it would take.
    """

    because: str


CAMERA = Parsed("it needs a camera")
ROOT_RIGHTS = Parsed("it needs root and systemd; tests/vm does it")
NETWORK = Parsed("it fetches packages; that is how CI made this environment")
LONG = Parsed("it takes minutes; run by hand")
KERNELS = ".venv/bin/python tools/kernels_agree.py --data ../shared/cifar10 --other .venv-tflite-runtime/bin/python"
SMALL = "--epochs 1 --data pictures/fruit"
TRAIN = ("train",)
EVALUATE = ("cifar10", "plot")

# Document -> command, as it stands there, in its order -> how it is run here.
TABLE: dict[str, dict[str, Run | Parsed]] = {
    "README.md": {
        "make run": Parsed("it runs until somebody ends it"),
        "make test": Parsed("it is what runs this"),
        "pip install '.[desktop]'": NETWORK,
        "pip install '.[headless]'": NETWORK,
        "edge-app sources": Run(),
        "edge-app run --source webcam --rate 5": CAMERA,
        "edge-app run --source synthetic --frames 200 --log out.jsonl": Run("--frames 20"),
        "edge-app run --source rtsp://192.0.2.7/stream --log-when change --log labels.jsonl": CAMERA,
        "edge-app run --source holiday.mp4 --log -": Run(),
        "edge-app run --source pictures/ --model my.tflite --labels my-labels.txt --log -": Run("--frames 20"),
        "edge-app classify pictures/ cat.jpg": Run(),
        "edge-app models list": Run(),
        "edge-app models show cifar10-base": Run(),
        "edge-app models verify my.tflite --labels my-labels.txt": Run(),
        "edge-app evaluate --model cifar10-base --data ../shared/cifar10 --html report.html": Run(
            "--limit 100", EVALUATE
        ),
        "edge-app train --recipe nano --data ../shared/cifar10": Run(SMALL, TRAIN),
        "edge-app train --data pictures/fruit --from cifar10-base": Run("--epochs 1", TRAIN),
        "sudo .venv/bin/edge-app service install": ROOT_RIGHTS,
        "edge-app bench --against-classic": Run("--frames 50 --repetitions 1"),
        "edge-app bench --source webcam --sink log": CAMERA,
        "edge-app doctor": Run(),
        "edge-app config": Run(),
    },
    "CONTRIBUTING.md": {
        "edge-app train --recipe NAME --data ../shared/cifar10 --out models --reference REFERENCE.tflite": Parsed(
            "NAME and REFERENCE.tflite stand for others"
        ),
        "CONTRACT=write .venv/bin/python -m pytest tests/contract": Parsed("it writes into the checkout"),
        "git diff tests/fixtures/contract": Parsed("it is about a checkout with changes"),
    },
    "docs/training.md": {
        "pip install torch==2.13.0": NETWORK,
        "pip install '.[headless,train]'": NETWORK,
        "edge-app train --recipe nano": Run(f"{SMALL} --name cifar10-nano", TRAIN),
        "edge-app evaluate --model trained/cifar10-nano.tflite --html report.html": Run(
            "--data pictures/fruit", ("train", "plot")
        ),
        "edge-app train --data pictures/fruit --from cifar10-base": Run("--epochs 1", TRAIN),
        "edge-app train --data pictures/fruit --size 96": LONG,
        "edge-app evaluate --model trained/fruit-base.tflite --data pictures/fruit": Run("", TRAIN),
        "edge-app run --model trained/fruit-base.tflite": Run("--frames 5", TRAIN),
    },
    "docs/performance.md": {
        "edge-app bench": Run("--frames 50 --repetitions 1"),
        "edge-app bench --against-classic --pictures photographs/": Run("--frames 50 --repetitions 1"),
        "edge-app bench --source webcam:0 --sink log preview": CAMERA,
        "make bench-figures": LONG,
        "make bench-peers": LONG,
        "tools/tflite_runtime_environment.sh .venv-tflite-runtime": NETWORK,
        KERNELS: LONG,
    },
    "docs/service.md": {
        "sudo .venv/bin/edge-app service install": ROOT_RIGHTS,
        "edge-app service status": ROOT_RIGHTS,
        "sudo edge-app service uninstall": ROOT_RIGHTS,
        "sudo edge-app service doors": ROOT_RIGHTS,
    },
}


def shown(document: Path) -> list[str]:
    """Return the commands of a document's `sh` blocks, in order, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [shlex.join(words) for words in lines if words]


def as_shown(commands_: dict[str, Run | Parsed]) -> list[str]:
    """Return a document's commands of the table, quoted as `shown` quotes."""
    return [shlex.join(shlex.split(command)) for command in commands_]


def of_edge_app(command: str) -> list[str] | None:
    """Return the words after `edge-app`, whoever is to run it and wherever it lies; None for another program."""
    program, *words = shlex.split(command.removeprefix("sudo "))
    return words if Path(program).name == "edge-app" else None


DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_table_is_the_documents() -> None:
    """Every command that a document shows is in the table, in its order, and the table holds nothing else."""
    found = {str(document.relative_to(ROOT)): shown(document) for document in DOCUMENTS}
    assert {name: commands_ for name, commands_ in found.items() if commands_} == {
        name: as_shown(ways) for name, ways in TABLE.items()
    }


@pytest.mark.parametrize("command", sorted({command for ways in TABLE.values() for command in ways}))
def test_every_command_is_accepted(command: str) -> None:
    """Command, flags and values of edge-app are right as they stand; other programs' targets and files exist."""
    words = of_edge_app(command)
    if words is None:
        assert exists(shlex.split(command)), command
        return
    command_line.settle(command_line.parse(words, commands.TABLE))


def exists(words: list[str]) -> bool:
    """Say whether a target of make, extras, or a file in tools/ or tests/ is there."""
    if words[0] == "make":
        return f"\n{words[1]}: " in (ROOT / "Makefile").read_text("utf-8")
    if words[:2] == ["pip", "install"]:
        extras = re.findall(r"^\.\[(.*)\]$", words[2])
        known = metadata.metadata("edge-app").get_all("Provides-Extra") or []
        return set(extras[0].split(",")) <= set(known) if extras else "==" in words[2]
    return any((ROOT / word).exists() for word in words if word.startswith(("tools/", "tests/")))


MISSING = {
    "cifar10": lambda: None if cifar10().exists() else f"no CIFAR-10 in {cifar10()}",
    "train": lambda: None if importlib.util.find_spec("litert_torch") else "no [train] extra",
    "plot": lambda: None if importlib.util.find_spec("matplotlib") else "no matplotlib",
}


def cifar10() -> Path:
    """Return where CIFAR-10 should be, as `cifar10_folder` does."""
    return Path(os.environ.get("EDGE_APP_CIFAR10") or ROOT.parent / "shared" / "cifar10")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder to run commands in.

    Attributes:
        folder: has what the documents speak of.
        done: what was run in it; documents repeat each other, and some commands take ten seconds.
    """

    folder: Path
    done: set[str] = field(default_factory=set)

    def run(self, command: str, way: Run) -> None:
        """Run a command that has to succeed."""
        words = [*(of_edge_app(command) or []), *shlex.split(way.also)]
        if shlex.join(words) in self.done:
            return
        self.done.add(shlex.join(words))
        ended = results.edge_app(self.folder, *words, CUDA_VISIBLE_DEVICES="")
        assert ended.returncode == 0, f"{command} {way.also}\n{ended.stdout}{ended.stderr}"
        assert "Traceback" not in ended.stderr, f"{command}\n{ended.stderr}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Make a folder with pictures, a video, a model and settings, and CIFAR-10 beside it."""
    top = tmp_path_factory.mktemp("documents")
    folder = top / "checkout"
    shapes.write(folder / "pictures" / "fruit", 24, side_px=64)
    (folder / "photographs").mkdir()
    generator = np.random.default_rng(0)
    for number in range(3):
        photograph = cv2.resize(generator.integers(0, 256, (30, 40, 3), np.uint8), (1280, 960))
        cv2.imwrite(str(folder / "photographs" / f"{number}.jpg"), photograph)
    shutil.copy(folder / "photographs" / "0.jpg", folder / "cat.jpg")
    write_video(folder / "clip.mp4", 20).rename(folder / "holiday.mp4")
    shutil.copy(DATA / "mean_int8_pixels.tflite", folder / "my.tflite")
    shutil.copy(DATA / "rgb.txt", folder / "my-labels.txt")
    (top / "shared").mkdir()
    (top / "shared" / "cifar10").symlink_to(cifar10().resolve())
    # Nobody's camera is to be opened by "the first camera found".
    (folder / ".config" / "edge-app").mkdir(parents=True)
    (folder / ".config" / "edge-app" / "config.toml").write_text('[camera]\nsource = "synthetic"\n')
    return Checkout(folder)


TO_RUN = {name: {c: way for c, way in ways.items() if isinstance(way, Run)} for name, ways in TABLE.items()}


@pytest.mark.parametrize("document", [name for name, ways in TO_RUN.items() if ways])
def test_the_commands_run(document: str, checkout: Checkout) -> None:
    """A document's commands, one after the other in one folder as a reader would type them, all succeed."""
    left_out = set()
    for command, way in TO_RUN[document].items():
        missing = {reason for need in way.needs if (reason := MISSING[need]())}
        left_out |= missing
        if not missing:
            checkout.run(command, way)
    if left_out:
        pytest.skip(f"all run but those for which there is {', '.join(sorted(left_out))}")
