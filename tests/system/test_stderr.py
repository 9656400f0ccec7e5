"""What a block of native code writes to descriptor 2, in a real process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PREAMBLE = """
import os, re, threading
from edge_app.system import stderr
quiet = stderr.without_lines(re.compile(rb"INFO: .*delegate"))
"""


def said(body: str) -> str:
    """Run a program that has `quiet` at hand; return what arrives on its standard error."""
    program = PREAMBLE + textwrap.dedent(body)
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=True).stderr


def test_only_chatter_is_dropped() -> None:
    """Lines that match are gone; all others arrive whole and in order, an unfinished last one too."""
    told = r"b'ERROR: no room\nINFO: a delegate\nINFO: a camera\nWARNING: delegate\nhalf'"
    assert said(f"with quiet: os.write(2, {told})") == "ERROR: no room\nINFO: a camera\nWARNING: delegate\nhalf"


def test_what_follows_is_not_touched() -> None:
    """After the block standard error is what it was, for the same words too."""
    assert said("with quiet: pass\nos.write(2, b'INFO: a delegate\\n')") == "INFO: a delegate\n"


def test_an_error_in_the_block_does_not_swallow_the_reason() -> None:
    """What was written before an exception arrives, and the exception goes on."""
    body = """
    try:
        with quiet:
            os.write(2, b"ERROR: no room\\n")
            raise ValueError
    except ValueError:
        os.write(2, b"caught\\n")
    """
    assert said(body) == "ERROR: no room\ncaught\n"


def test_no_line_of_another_thread_is_lost() -> None:
    """A thread that writes all the time, and a second one that redirects too, lose nothing."""
    body = """
    done = threading.Event()
    def write():
        for number in range(20_000):
            os.write(2, b"line %d\\n" % number)
        done.set()
    def redirect():
        while not done.is_set():
            with stderr.without_lines(re.compile(rb"INFO: .*delegate")):
                os.write(2, b"INFO: a delegate\\n")
    threads = [threading.Thread(target=write), threading.Thread(target=redirect), threading.Thread(target=redirect)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """
    lines = said(body).splitlines()
    assert sorted(lines) == sorted(f"line {number}" for number in range(20_000))


def test_more_than_a_pipe_holds_is_kept() -> None:
    """A megabyte in one block neither blocks nor is cut off."""
    assert len(said("with quiet: os.write(2, b'x' * 1_000_000)")) == 1_000_000


def test_a_closed_standard_error_is_no_obstacle() -> None:
    """Where there is no standard error the block runs all the same, and leaves the descriptor closed."""
    body = """
    os.close(2)
    ran = False
    with quiet: ran = True
    try: os.fstat(2)
    except OSError: os._exit(0 if ran else 1)
    os._exit(2)
    """
    assert said(body) == ""


def test_a_child_started_in_the_block_keeps_its_standard_error() -> None:
    """What a child that outlives the block writes after it arrives, too."""
    body = """
    import subprocess
    with quiet: child = subprocess.Popen(["sh", "-c", "read go; echo late >&2"], stdin=subprocess.PIPE)
    child.communicate(b"go\\n")
    for thread in threading.enumerate():
        if thread is not threading.main_thread(): thread.join()
    """
    assert said(body) == "late\n"


def test_a_child_forked_meanwhile_has_its_own() -> None:
    """A fork while another thread is in the block neither hangs at the next block nor writes into the pipe."""
    body = """
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with quiet:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        with stderr.without_lines(re.compile(b"never")):
            os.write(2, b"child\\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    leave.set()
    thread.join()
    """
    assert said(body) == "child\n"


def test_an_exception_between_any_two_steps_leaves_standard_error() -> None:
    """A signal handler may raise anywhere; what is written afterwards arrives."""
    body = """
    import sys
    real, steps = stderr._redirect, []

    def traced(frame, event, argument):
        if event == "line" and frame.f_code is real.__code__:
            steps.append(frame.f_lineno)
            if len(steps) == at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return traced

    for at in range(1, 12):
        steps.clear()
        sys.settrace(traced)
        try:
            with stderr.without_lines(re.compile(b"x")):
                pass
        except KeyboardInterrupt:
            pass
        sys.settrace(None)
        os.write(2, b"%d " % at)
    """
    assert said(body) == " ".join(map(str, range(1, 12))) + " "
