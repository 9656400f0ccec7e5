"""A canary: a password goes in by every door, and must come out of none.

Each route below starts a real process with the password somewhere: in an address that works, one that fails, one that
is malformed, in the wrong place, in a file. Then everything that left the process is searched for the password, in
every spelling: stdout, stderr, every file it wrote, what it told systemd, the command lines of its children. A route
also has a word that it must have said, so that none passes by ending early.

Routes: `COMMANDS` (each command of the table once), `flags()` (each flag of each command), and `CASES`. A new command
without a route fails `test_every_command_has_a_route`.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edge_app.commands import TABLE
from edge_app.settings._parser import flag
from edge_app.settings.flags import Positional
from tests.canary import (
    FORMS,
    LIMIT_S,
    LOGIN,
    PASSWORD,
    SPELLINGS,
    WRITTEN,
    Answer,
    Route,
    Running,
    Server,
    leaks,
    rtsp_answers,
)
from tests.servers import PICTURES


def http(path: str) -> str:
    """Return an address of the server, with the password."""
    return f"http://{LOGIN}127.0.0.1:{{port}}/{path}"


RUN = ("run", "--preview", "none")
SHOWN = r"(me:|//)\*\*\*"

COMMANDS: dict[str, Route] = {
    "": Route(("--version",), "edge-app", variables={"EDGE_APP_SOURCE": FORMS[0]}),
    "run": Route(
        (*RUN, "--source", http("live"), "--frames", "5", "--log", "results.jsonl", "--verbose"),
        r'"source":"http://me:\*\*\*@',
    ),
    "classify": Route(("classify", FORMS[0], FORMS[1], http("live")), SHOWN),
    "sources": Route(("sources",), "synthetic", f'[camera]\nsource = "{FORMS[0]}"\n'),
    "models": Route(("models", FORMS[0]), "no command is called"),
    "models list": Route(("models", "list", FORMS[0]), "unexpected word"),
    "models show": Route(("models", "show", FORMS[0]), SHOWN),
    "models verify": Route(("models", "verify", FORMS[5]), "no model is called"),
    "models schema": Route(("models", "schema", FORMS[3]), "unexpected word"),
    "bench": Route(
        ("bench", "--source", http("live"), "--frames", "4", "--repetitions", "1", "--json", "b.json"),
        r"me:\*\*\*@127",
        variables={"EDGE_APP_SINK": f"log:{FORMS[1]}"},
    ),
    "evaluate": Route(
        (
            "evaluate",
            "--config",
            f"{{given}}/rtsp:/me:{WRITTEN}@h/c.toml",
            "--data",
            "{given}/d",
            "--path",
            "direct",
            "--no-degraded",
            "--json",
            "e.json",
        ),
        r'"command": "edge-app evaluate .*me:\*\*\*@h',
        inputs={f"rtsp:/me:{WRITTEN}@h/c.toml": "", "d/test/cat/1.jpg": PICTURES[3], "d/test/dog/1.jpg": PICTURES[9]},
    ),
    "train": Route(("train", "--data", "nowhere", "--from", FORMS[0], "--name", FORMS[1]), "edge-app: "),
    "doctor": Route(("doctor", "--json", "d.json"), r"me:\*\*\*@127", f'[camera]\nsource = "{http("phrase")}"\n'),
    "service": Route(("service", FORMS[1]), "no command is called"),
    "service install": Route(("service", "install", FORMS[0], "--from", FORMS[1]), "unexpected word"),
    "service uninstall": Route(("service", "uninstall", FORMS[4]), "unexpected word"),
    "service doors": Route(("service", "doors", FORMS[2]), "unexpected word"),
    "service status": Route(("service", "status"), ".", variables={"EDGE_APP_SOURCE": FORMS[0]}),
    "config": Route(
        ("config",),
        SHOWN,
        f'[camera]\nsource = "{FORMS[0]}"\n[output]\nsink = ["log:{FORMS[2]}"]\nlog = "{FORMS[1]}"\n',
    ),
}

# Words that a command needs, and words that keep it short if a wrong flag is not what ends it.
FILLING = {
    "run": ("--source", "nowhere.jpg"),
    "classify": ("nowhere.jpg",),
    "models show": ("nowhere",),
    "models verify": ("nowhere",),
    "bench": ("--model", "nowhere"),
    "evaluate": ("--data", "nowhere"),
    "train": ("--data", "nowhere"),
    "doctor": ("--bogus",),
    "service install": ("--bogus",),
}


def flags() -> Iterator[tuple[str, Route]]:
    """Yield, for each flag of each command that takes a value, the password as that value, in ever another form."""
    number = 0
    for words, entry in TABLE.items():
        for name, info in entry.load().model_fields.items():
            if info.annotation is bool or any(isinstance(mark, Positional) for mark in info.metadata):
                continue
            typed = flag(info.alias or name)
            filling = FILLING.get(words, ())
            route = Route(
                (*words.split(), *(() if typed in filling else filling), typed, FORMS[number % len(FORMS)]), "."
            )
            yield f"{words} {typed}", route
            number += 1


def settings_of(text: str, says: str = SHOWN, **more: str) -> Route:
    """Return the route of a settings file."""
    return Route(RUN, says, text, **({"variables": more} if more else {}))


BUG = """
import sys
from edge_app.{module} import {owner}

def explode(*arguments, **named):
    raise ValueError(f"no {{arguments!r}} {{named!r}} {{sys.argv!r}}")

{owner}.{name} = explode
from edge_app import __main__
__main__.main()
"""
LOST = """
import sys
from edge_app.commands import run

class Lost:
    def __del__(self):
        raise ValueError(f"no {sys.argv!r}")

old = run.run
run.run = lambda *arguments: (Lost(), old(*arguments))[1]
from edge_app import __main__
__main__.main()
"""
SCRIPT = "import os, edge_app\nfor result in edge_app.watch(os.environ['ADDRESS'], frames=2):\n    print(result)\n"


def serve_and_reload(running: Running) -> None:
    """Let a service work, refuse two reloads, accept one, and end."""
    running.until("READY=1")
    for broken in ('[camera]\nsuorce = "{}"\n', '[camera]\nsource = ["{}"]\n', "[camera]\nsource = '{}\n"):
        (running.given / "c.toml").write_text(broken.format(FORMS[0]))
        count = running.text().count("reload refused")
        running.process.send_signal(signal.SIGHUP)
        running.until(rf"(?s)(reload refused.*){{{count + 1}}}")
    (running.given / "c.toml").write_text(f'[camera]\nsource = "{running.filled(http("phrase"))}"\n')
    running.process.send_signal(signal.SIGHUP)
    running.until(r"STATUS=.*the server refuses")
    running.end()


def abort(running: Running) -> None:
    """Make the process dump its threads, as a crash in native code does."""
    running.until(r'"frame":')
    running.end(signal.SIGABRT)


CASES: dict[str, Route] = {
    # Servers that repeat what they were given.
    **{
        f"server: {path}": Route(
            (*RUN, "--source", http(path), "--log", "r.jsonl", "--duration", "3"), r"me:\*\*\*@127"
        )
        for path in ("missing", "phrase", "kind", "away", "elsewhere", "digest", "garbage")
    },
    "server: rtsp": Route((*RUN, "--source", f"rtsp://{LOGIN}127.0.0.1:{{rtsp}}/x"), r"me:\*\*\*@127.*454"),
    "server: a wrong login": Route((*RUN, "--source", f"http://me:x{LOGIN[3:]}127.0.0.1:{{port}}/live"), "refused"),
    "server: refuses after pictures": Route(
        (*RUN, "--source", http("short"), "--log", "r.jsonl", "--log-when", "change", "--duration", "6"),
        r'"reason":"http://me:\*\*\*@.*refuses',
    ),
    "server: login in the query": Route(
        (*RUN, "--source", f"http://127.0.0.1:{{port}}/v?usr=me&pwd={WRITTEN}", "--frames", "2", "--log", "-"),
        r"pwd=\*\*\*",
    ),
    # Addresses that are none, or of nobody.
    **{
        f"source: {number}": Route((*RUN, "--source", form, "--log", "r.jsonl", "--duration", "3"), "edge-app: ")
        for number, form in enumerate(
            [
                *FORMS,
                *(
                    f"{name}:{FORMS[number]}"
                    for number, name in enumerate(
                        ("auto", "webcam", "folder", "video", "picamera", "synthetic", "stream", "thermal")
                    )
                ),
            ]
        )
    },
    **{
        f"source: {scheme}": Route((*RUN, "--source", f"{scheme}://{LOGIN}127.0.0.1:1/x"), "edge-app: ")
        for scheme in ("http", "https", "rtsps", "RTSP", "mmsh", "rtmp", "ftp")
    },
    # The wrong place.
    **{f"stray: {number}": Route((*RUN, form), "unexpected word") for number, form in enumerate(FORMS)},
    "stray: as a command": Route((FORMS[1],), "no command"),
    "stray: cut in two by a space": Route(
        (*RUN, "--source", "rtsp://me:C4n", f"ary{PASSWORD}@cam/x"), "unexpected word"
    ),
    "stray: glued to a letter": Route((*RUN, f"-p{PASSWORD}"), "there is no flag -p;"),
    "stray: as a flag": Route((*RUN, f"--{FORMS[0]}", f"--pasword={WRITTEN}"), "there is no flag"),
    "stray: for a switch": Route((*RUN, f"--service={FORMS[1]}"), "ignored explicit argument"),
    "variable: unknown": Route(
        RUN, "unknown variable", variables={f"EDGE_APP_{FORMS[0]}": "x", "EDGE_APP_X": FORMS[0]}
    ),
    "variable: in each setting": Route(
        RUN, SHOWN, variables={f"EDGE_APP_{name}": FORMS[0] for name in ("SIZE", "RATE", "FLIP", "MODEL", "LOG_KEEP")}
    ),
    "variable: of the settings file": Route(RUN, SHOWN, variables={"EDGE_APP_CONFIG": FORMS[0]}),
    "settings: a list": settings_of(f'[camera]\nsource = ["{FORMS[0]}", ["{FORMS[1]}"]]\n'),
    "settings: a table": settings_of(f'[camera]\nsource = {{ url = "{FORMS[0]}", "{FORMS[1]}" = 1 }}\n'),
    "settings: a table of tables": settings_of(f'[[camera.source]]\nurl = "{FORMS[0]}"\n'),
    "settings: an unknown key": settings_of(f'[camera]\n"{FORMS[0]}" = 1\n'),
    "settings: an unknown section": settings_of(f'["{FORMS[0]}"]\nx = "{FORMS[1]}"\n'),
    "settings: outside a section": settings_of(f'source = "{FORMS[0]}"\n', "outside its section"),
    "settings: a sink": settings_of(
        f'[output]\nsink = ["{FORMS[0]}", "mqtt://{LOGIN}broker", "log:{FORMS[2]}"]\n', "no sink"
    ),
    "settings: a model": settings_of(f'[model]\nmodel = "{FORMS[0]}"\n'),
    "settings: labels": settings_of(f'[model]\nmodel = "x.tflite"\nlabels = "{FORMS[0]}"\n', "edge-app: "),
    "settings: the log": settings_of(f'[output]\nlog = "{FORMS[0]}"\n', "edge-app: "),
    "settings: no TOML": settings_of(f"[camera]\nsource = {FORMS[0]}\n", "not TOML"),
    "settings: no end of the text": settings_of(f'[camera]\nsource = "{FORMS[0]}\n', "not TOML"),
    "settings: a key twice": settings_of(f'["{FORMS[0]}"]\n["{FORMS[0]}"]\n', "not TOML.*twice"),
    # Secrets kept elsewhere.
    "credential: works": Route(
        (*RUN, "--source", "http://me:{credential:cam}@127.0.0.1:{port}/live", "--frames", "2", "--log", "r.jsonl"),
        r'"source":"http://me:\{credential:cam\}@',
        variables={"CREDENTIALS_DIRECTORY": "{given}"},
        inputs={"cam": f"{PASSWORD}\n"},
    ),
    "credential: a whole address": Route(
        (*RUN, "--source", "{file:{given}/cam}", "--verbose"), "refuses", inputs={"cam": http("phrase")}
    ),
    "credential: two lines": Route(
        (*RUN, "--source", "http://me:{file:{given}/cam}@h/"),
        "not one line",
        inputs={"cam": f"{PASSWORD}\n{PASSWORD}\n"},
    ),
    "credential: shown": Route(
        ("config",),
        r"credential:cam",
        '[camera]\nsource = "http://me:{credential:cam}@h/"\n',
        {"CREDENTIALS_DIRECTORY": "{given}"},
        inputs={"cam": PASSWORD},
    ),
    # Bugs and crashes.
    "bug: in the capture thread": Route(
        (*RUN, "--source", http("live"), "--duration", "4"),
        "edge-app: ",
        script=BUG.format(module="sources.stream", owner="_camera", name="Stream.read"),
    ),
    "bug: while connecting": Route(
        (*RUN, "--source", http("live")),
        "Traceback",
        script=BUG.format(module="sources.stream", owner="_address", name="urlsplit"),
    ),
    "bug: in the loop": Route(
        (*RUN, "--source", http("live")),
        "Traceback",
        script=BUG.format(module="pictures", owner="preprocess", name="patch"),
    ),
    "bug: in the settings": Route(
        (*RUN, "--source", FORMS[0]), "Traceback", script=BUG.format(module="settings", owner="layers", name="load")
    ),
    "bug: that nobody can catch": Route((*RUN, "--source", FORMS[0]), "Traceback", script=LOST),
    "crash: threads are dumped": Route(
        (*RUN, "--source", http("live"), "--log", "r.jsonl"),
        "Current thread|most recent call first",
        variables={"PYTHONFAULTHANDLER": "1"},
        drive=abort,
    ),
    "library: an error nobody catches": Route((), "Traceback", variables={"ADDRESS": http("phrase")}, script=SCRIPT),
    "library: an address that is none": Route((), "Traceback", variables={"ADDRESS": FORMS[3]}, script=SCRIPT),
    "library: printed results": Route((), "Result", variables={"ADDRESS": http("live")}, script=SCRIPT),
    # The service.
    "service: works and reloads": Route(
        ("run", "--service", "--log", "r.jsonl", "--log-when", "every"),
        "going on as before",
        f'[camera]\nsource = "{http("live")}"\n',
        drive=serve_and_reload,
    ),
    "service: waits": Route(
        ("run", "--service", "--log", "r.jsonl", "--duration", "5"),
        "STATUS=degraded",
        f'[camera]\nsource = "{FORMS[0]}"\n',
    ),
    "proxy": Route(
        (*RUN, "--source", http("live"), "--duration", "3"),
        "edge-app: ",
        variables={"http_proxy": f"http://{LOGIN}127.0.0.1:1", "no_proxy": ""},
    ),
}

ROUTES = {f"command: {words or 'edge-app'}": route for words, route in COMMANDS.items()}
ROUTES |= {f"flag: {name}": route for name, route in flags()}
ROUTES |= CASES


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Running]]]:
    """Run all routes, a few at once."""
    server = Server(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rtsp = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=rtsp_answers, args=(rtsp,), daemon=True).start()
    folder = tmp_path_factory.mktemp("routes")
    with ThreadPoolExecutor(min(4, (os.cpu_count() or 1) + 1)) as pool:
        yield {
            name: pool.submit(take, route, folder / str(number), server.server_address[1], rtsp.getsockname()[1])
            for number, (name, route) in enumerate(ROUTES.items())
        }
        pool.shutdown(cancel_futures=True)
    server.shutdown()
    server.server_close()
    rtsp.close()


def take(route: Route, folder: Path, port: int, rtsp: int) -> Running:
    """Run one route to its end."""
    words = tuple(word.replace("{rtsp}", str(rtsp)) for word in route.words)
    running = Running(replace(route, words=words), folder, port)
    try:
        if route.drive:
            route.drive(running)
        running.process.wait(LIMIT_S)
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()
    return running


@pytest.mark.parametrize("name", ROUTES)
def test_the_password_comes_out_of_no_route(name: str, ended: Mapping[str, Future[Running]]) -> None:
    """Nothing that left the process has the password, in any spelling; and the route has led where it should."""
    running = ended[name].result()
    assert leaks(running.everything()) == [], shlex.join(ROUTES[name].words)
    assert re.search(ROUTES[name].says, running.text()), running.text()[-2000:]


def test_every_command_has_a_route() -> None:
    """A new command must be given a password here before it is released."""
    assert {*COMMANDS} == {*TABLE}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_search_finds_each_spelling(spelling: str) -> None:
    """The search itself has teeth."""
    assert leaks({"stderr": f"edge-app: no {SPELLINGS[spelling]}: try again"})
