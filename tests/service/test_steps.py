"""Programs that install starts: what they see of the caller, and how a failure is told."""

from __future__ import annotations

import os
import threading

import pytest

from edge_app.errors import Interrupted, RunError
from edge_app.service import steps
from edge_app.service.steps import Step
from edge_app.system import trust


def test_nothing_of_the_callers_environment_reaches_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set is listed; whatever else the caller has set, known today or not, is left out."""
    for name in (
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "PATH",
        "GCONV_PATH",
        "BASH_ENV",
        "EDGE_APP_MODEL",
        "NEW",
    ):
        monkeypatch.setenv(name, "/tmp")
    printed = steps.run(Step("looking", ["/usr/bin/env"], {"COLOUR": "blue"}), threading.Event()).splitlines()
    assert sorted(line.partition("=")[0] for line in printed) == ["COLOUR", "HOME", "LANG", "PATH", "PYTHONNOUSERSITE"]
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin" in printed and "COLOUR=blue" in printed


def test_a_step_that_fails_is_told_by_its_name_and_its_last_words() -> None:
    """The error does not show the step's command line, which may contain an index's password."""
    script = "for n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; done; exit 4"
    failing = Step("installing edge-app", ["/bin/sh", "-c", script, "https://user:secret@index"])
    with pytest.raises(RunError) as caught:
        steps.run(failing, threading.Event())
    first, *said, remedy = caught.value.lines
    assert first == "installing edge-app failed (exit code 4):"
    assert said == [f"line {n}" for n in range(2, 10)]
    assert remedy == caught.value.remedy == "fix that, then run the same command again"


def test_what_a_step_says_cannot_steer_the_terminal() -> None:
    """A package's own words may be those of a stranger."""
    script = r"printf '\\033]0;owned\\007 bad \\302\\233m\\n' >&2; exit 1"
    with pytest.raises(RunError) as caught:
        steps.run(Step("trying", ["/bin/sh", "-c", script]), threading.Event())
    assert caught.value.lines[1].isprintable() and "bad" in caught.value.lines[1]


def test_a_step_ends_at_its_limit_or_when_asked_to() -> None:
    """A trial that hangs does not hang the installer."""
    with pytest.raises(RunError, match="trying did not end within 0 s"):
        steps.run(Step("trying", ["/bin/sleep", "60"], limit_s=0.3), threading.Event())
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Interrupted):
        steps.run(Step("trying", ["/bin/sleep", "60"]), stop)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_step_of_nobody_has_no_rights_and_cannot_regain_them() -> None:
    """No user, no group, no capability that writes, nothing through set-user-ID programs."""
    script = "id -u; id -G; touch /etc/edge-app-was-here 2>&1; grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status"
    said = steps.run(Step("looking", ["/bin/sh", "-c", script], user=trust.nobody("no-such-group")), threading.Event())
    uid, groups, denied, *rights = said.splitlines()
    assert (uid, groups) == ("65534", "65534") and "denied" in denied
    reading = 1 << 2  # CAP_DAC_READ_SEARCH, kept only where this Python lies where just root may look
    assert all(int(line.split()[1], 16) & ~reading == 0 for line in rights if line.startswith("Cap"))
    assert "NoNewPrivs:\t1" in rights
