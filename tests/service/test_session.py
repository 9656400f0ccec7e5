"""A service as a process: it waits, reads its settings again, refuses bad ones, and ends cleanly in every state."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_app.model import classifier
from edge_app.service import session
from edge_app.service.notify import Notifier
from edge_app.settings.flags.run import Run
from edge_app.settings.sections import ModelOptions
from tests.conftest import ROOT
from tests.results import command, environment

END_S = 2.0  # What is promised for SIGTERM.
SLACK_S = 1.0  # What a busy machine may add.


class Service:
    """An edge-app that a test plays systemd for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, folder / "stderr"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.setblocking(False)
        self.told: list[str] = []

    def start(self, *arguments: str, **variables: str) -> None:
        """Start it with its settings file, the log where systemd would have it."""
        told = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "500000"}
        variables = environment(self.folder, LOGS_DIRECTORY=str(self.folder), **told) | variables
        with self.said.open("wb") as stderr:
            self.process = subprocess.Popen(
                command("run", "--service", "--config", "config.toml", *arguments),
                cwd=self.folder,
                env=variables,
                stderr=stderr,
            )

    def settings(self, text: str) -> None:
        """Write the settings file."""
        (self.folder / "config.toml").write_text(text)

    def lines(self) -> list[dict[str, Any]]:
        """Read the log so far."""
        log = self.folder / "results.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def hear(self) -> list[str]:
        """Return all that systemd has been told."""
        while True:
            try:
                self.told.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.told

    def until(self, is_true: Callable[[], Any], limit_s: float = 60.0) -> None:
        """Wait for a condition while the process lives."""
        deadline_s = time.monotonic() + limit_s
        while not is_true():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline_s, self.said.read_text()
            time.sleep(0.01)

    def until_said(self, text: str) -> None:
        """Wait for a message on stderr."""
        self.until(lambda: text in self.said.read_text())

    def end(self) -> int:
        """Send SIGTERM and return the exit code, which is due in time."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(END_S + SLACK_S)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Make the folder of a service, and kill what a failed test leaves."""
    made = Service(tmp_path)
    yield made
    made.socket.close()
    made.process.kill()
    made.process.wait()


def test_the_example_configuration_serves(service: Service) -> None:
    """The file that is installed is valid, waits for a camera, and the state is told: READY, degraded."""
    shutil.copy(ROOT / "systemd" / "config.toml", service.folder)
    service.start()
    service.until(lambda: any("no camera found" in text for text in service.hear()))
    assert service.told[0].startswith(("READY=1", "WATCHDOG=1"))
    assert any(text.startswith("READY=1\nSTATUS=degraded, no picture from auto") for text in service.told)
    assert service.end() == 0
    assert service.hear()[-1] == "STOPPING=1"
    assert {line["state"] for line in service.lines()} == {"outage"}


def test_the_watchdog_is_fed_while_there_is_no_camera(service: Service) -> None:
    """Waiting is progress: the watchdog hears of it, here twice a second."""
    service.settings("[camera]\nsource = '/dev/video-that-is-not-there'\n")
    service.start()
    service.until(lambda: service.hear().count("WATCHDOG=1") >= 3)
    assert service.end() == 0


def test_sighup_brings_new_settings_and_another_model(service: Service) -> None:
    """The same process goes on with what the file says now; the log stays one file, every line whole."""
    service.settings("[camera]\nsource = 'synthetic'\n[output]\nlog_when = 'every'\n")
    service.start()
    service.until(lambda: len(service.lines()) > 3)
    service.settings(
        "[camera]\nsource = 'synthetic:free'\n[model]\nmodel = 'cifar10-nano'\n[output]\nlog_when = 'every'\n"
    )
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: service.lines()[-1]["source"] == "synthetic:free")
    assert "STOPPING=1" not in service.hear()
    assert service.end() == 0
    assert "refused" not in service.said.read_text()
    sources = [line["source"] for line in service.lines()]
    assert sources == sorted(sources) and set(sources) == {"synthetic", "synthetic:free"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("[camera]\nsorce = 'synthetic'\n", "did you mean [camera] source?"),
        ("[model]\nmodel = 'broken.tflite'\n", "broken.tflite"),
        ("[camera]\nsource = 'webcm'\n", "did you mean 'webcam'?"),
        ("[output]\nlog = '/nonexistent/x.jsonl'\n", "cannot write the log /nonexistent/x.jsonl"),
        ("[camera]\ncrop = 'everything'\n", "crop"),
    ],
    ids=["key", "model", "source", "log", "value"],
)
def test_bad_settings_are_refused_and_the_service_goes_on(settings: str, named: str, service: Service) -> None:
    """Whatever is wrong is named in a line, and classification goes on with the settings of before."""
    (service.folder / "broken.tflite").write_bytes(b"TFL3" * 1000)
    service.settings("[camera]\nsource = 'synthetic'\n[output]\nlog_when = 'every'\n")
    service.start()
    service.until(lambda: len(service.lines()) > 3)
    service.settings(settings)
    service.process.send_signal(signal.SIGHUP)
    service.until_said("reload refused; going on as before")
    assert named in service.said.read_text()
    count = len(service.lines())
    service.until(lambda: len(service.lines()) > count + 3)
    assert service.lines()[-1]["source"] == "synthetic"
    assert service.end() == 0


def test_a_refused_reload_keeps_the_settings_of_the_last_good_one(service: Service) -> None:
    """After one good reload and one that cannot be opened, the service goes on as after the good one."""
    service.settings("[camera]\nsource = 'synthetic'\n[output]\nlog_when = 'every'\n")
    service.start()
    service.until(lambda: len(service.lines()) > 3)
    service.settings("[camera]\nsource = 'synthetic:seed=7'\n[output]\nlog_when = 'every'\n")
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: service.lines()[-1]["source"] == "synthetic:seed=7")
    service.settings("[output]\nlog = '/nonexistent/x.jsonl'\n")
    service.process.send_signal(signal.SIGHUP)
    service.until_said("reload refused; going on as before")
    count = len(service.lines())
    service.until(lambda: len(service.lines()) > count + 3)
    assert {line["source"] for line in service.lines()[count:]} == {"synthetic:seed=7"}
    assert service.end() == 0


def test_a_service_that_cannot_begin_ends(service: Service) -> None:
    """A service goes on after a bad reload, but ends if its first settings are bad."""
    service.settings("[camera]\nsource = 'webcm'\n")
    service.start()
    assert service.process.wait(60) == 2
    assert "reload" not in service.said.read_text()


def test_the_status_tells_of_the_stages_and_of_a_sink_that_fails(service: Service) -> None:
    """systemd hears how long a frame takes, and that a disk is full while classification goes on."""
    service.settings("[camera]\nsource = 'synthetic'\n[output]\nsink = ['log:/dev/full']\n")
    service.start()
    service.until(lambda: any("No space left on device" in text for text in service.hear()))
    service.until(lambda: any("a frame takes p50" in text for text in service.hear()))
    assert service.end() == 0


def test_a_service_refuses_a_model_that_nothing_vouches_for(service: Service) -> None:
    """A file without a card exits 78, which systemd does not restart; `trusted = true` lets it run."""
    shutil.copy(ROOT / "tests" / "fixtures" / "mean_int8_unit.tflite", service.folder)
    shutil.copy(ROOT / "tests" / "fixtures" / "rgb.txt", service.folder)
    foreign = "[camera]\nsource = 'synthetic'\n[model]\nmodel = 'mean_int8_unit.tflite'\nlabels = 'rgb.txt'\n"
    service.settings(foreign)
    service.start()
    assert service.process.wait(60) == 78
    assert "has no card" in service.said.read_text() and "trusted = true" in service.said.read_text()
    service.settings(f"{foreign}trusted = true\n")
    service.start()
    service.until(service.lines)
    assert service.end() == 0


def test_memory_above_the_cap_ends_the_process_for_a_new_start(service: Service) -> None:
    """Exit 1, which systemd restarts, with the reason in a line."""
    service.settings("[camera]\nsource = 'synthetic'\n[service]\nmemory_max = 10\n")
    service.start()
    assert service.process.wait(60) == 1
    assert "10 are allowed (memory_max)" in service.said.read_text()


def test_changes_are_logged_not_frames(service: Service) -> None:
    """By default a service logs when label or state change: some hundred frames are a few lines."""
    service.settings("[camera]\nsource = 'synthetic:free'\n")
    service.start("--frames", "300")
    assert service.process.wait(60) == 0
    seen = [(line["state"], line["label"]) for line in service.lines()]
    assert 1 < len(seen) < 100
    assert all(before != after for before, after in itertools.pairwise(seen))


ALIVE = "[camera]\nsource = 'synthetic'\nrate = 20\n[output]\nlog_when = 'every'\n"


def test_a_reload_is_told_from_its_begin_to_its_end(service: Service) -> None:
    """RELOADING with the monotonic time, then READY, whether the settings are taken over or refused."""
    service.settings(ALIVE)
    service.start()
    service.until(lambda: any("READY=1" in told for told in service.hear()))
    for text in (ALIVE, "rubbish = 1\n"):
        service.told.clear()
        begun_us = time.monotonic_ns() // 1000
        service.settings(text)
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: any("READY=1" in told for told in service.hear()))
        (reloading,) = (told for told in service.told if "RELOADING=1" in told)
        assert begun_us <= int(reloading.split("MONOTONIC_USEC=")[1]) <= time.monotonic_ns() // 1000
        ready = [number for number, told in enumerate(service.told) if "READY=1" in told.splitlines()]
        assert ready and ready[0] > service.told.index(reloading)
    assert service.end() == 0


def test_a_hundred_hangups_are_a_few_reloads(service: Service) -> None:
    """However often it is asked, the settings are read once at a time, and once more after the last asking."""
    service.settings(ALIVE)
    service.start("--verbose")
    service.until(lambda: len(service.lines()) > 3)
    for _ in range(100):
        service.process.send_signal(signal.SIGHUP)
    service.settings(ALIVE.replace("synthetic", "synthetic:seed=7"))
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: service.lines()[-1]["source"] == "synthetic:seed=7")
    assert 1 <= service.said.read_text().count("reading settings and model again") < 20
    assert service.end() == 0


def test_a_hangup_during_the_start_does_no_harm(service: Service) -> None:
    """From the first imports on: it neither kills the process nor keeps it from becoming ready, and is a reload."""
    service.settings(ALIVE)
    service.start("--verbose")
    # Its handler, as the kernel shows it: before that Python itself starts, and no program can help it.
    caught = lambda: int(  # noqa: E731
        next(
            line.split()[1]
            for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
            if line.startswith("SigCgt")
        ),
        16,
    )
    service.until(lambda: caught() & 1 << signal.SIGHUP - 1)
    service.process.send_signal(signal.SIGHUP)
    service.until(lambda: any("READY=1" in told for told in service.hear()))
    service.until_said("reading settings and model again")
    assert service.end() == 0


def test_a_service_starts_without_its_log(service: Service) -> None:
    """It classifies, says so in status and journal, and tells of the gap once the log can be opened."""
    service.settings(ALIVE + "log = 'away/log.jsonl'\n")
    service.start()
    service.until(lambda: any("READY=1" in told for told in service.hear()))
    service.until(
        lambda: any("cannot write away/log.jsonl: No such file or directory" in told for told in service.hear())
    )
    assert service.said.read_text().count("No such file or directory") == 1
    (service.folder / "away").mkdir()
    service.until((service.folder / "away" / "log.jsonl").exists)
    log = service.folder / "away" / "log.jsonl"
    service.until(lambda: log.read_text().count("\n") > 2)
    assert json.loads(log.read_text().splitlines()[0])["gap"]["lines"] > 0
    assert service.end() == 0


MISSING = {
    "log": lambda folder: shutil.rmtree(folder / "logs"),
    "model": lambda folder: (folder / "m.tflite").unlink(),
    "settings": lambda folder: (folder / "config.toml").unlink(),
}


@pytest.mark.parametrize("missing", list(MISSING))
def test_a_reload_while_something_is_missing_changes_nothing(missing: str, service: Service) -> None:
    """Good settings, and bad ones: the same process goes on classifying with the model that it has in memory."""
    for ending in ("tflite", "json"):
        shutil.copy(ROOT / "models" / f"cifar10-nano.{ending}", service.folder / f"m.{ending}")
    card = json.loads((service.folder / "m.json").read_text())
    (service.folder / "m.json").write_text(json.dumps(card))
    (service.folder / "logs").mkdir()
    good = ALIVE + "log = 'logs/log.jsonl'\n[model]\nmodel = 'm.tflite'\n"
    service.settings(good)
    service.start()
    service.until(lambda: any("READY=1" in told for told in service.hear()))
    MISSING[missing](service.folder)
    for text in (None, "rubbish = 1\n"):
        if text is not None:
            service.settings(good + text)
        service.told.clear()
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: any("READY=1" in told.splitlines() for told in service.hear()))
        service.until(lambda: any("classifications/s" in told for told in service.hear()))
    refused = service.said.read_text().count("reload refused; going on as before")
    assert refused == (1 if missing == "log" else 2)
    assert service.end() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_while_reading_does_not_end_all_reloads() -> None:
    """The thread ends with its traceback; the next reload begins another, and is taken over."""
    prepared = session.Prepared(Run.model_construct(), classifier.load(ModelOptions(model="cifar10-nano")))
    outcomes = [ValueError("a bug"), prepared]

    def prepare() -> session.Prepared:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    reloading = session.Reloading(prepare, Notifier({}))
    for left in (1, 0):
        reloading.begin()
        for thread in threading.enumerate():
            if thread.name == "reload":
                thread.join(10)
        assert len(outcomes) == left
    assert reloading.is_due.is_set()
    assert reloading.take() is prepared
