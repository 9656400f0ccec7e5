"""A process that is given a password, with ears at everything that leaves it; and servers that repeat the password."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

from tests.results import command, environment
from tests.servers import PICTURES

PASSWORD = "C4n@ry/7h'1ng#x é"
WRITTEN = quote(PASSWORD, safe="")
LOGIN = f"me:{WRITTEN}@"
LIMIT_S = 60.0
SPELLINGS = {
    "as it is": PASSWORD,
    "percent-encoded": WRITTEN,
    "encoded twice": quote(WRITTEN, safe=""),
    "with its slash": quote(PASSWORD),
    "as a login in base64": base64.b64encode(f"me:{PASSWORD}".encode()).decode().rstrip("="),
    "in a repr": repr(PASSWORD)[1:-1],
    "in ASCII": ascii(PASSWORD)[1:-1],
    "in JSON": json.dumps(PASSWORD)[1:-1],
    "its beginning": "C4n",
    "its middle": "7h'1ng",
    "its middle, encoded": "7h%271ng",
}
ECHO = " ".join(SPELLINGS.values()).encode("ascii", "replace").decode()
FORMS = [
    f"rtsp://{LOGIN}127.0.0.1:1/x",
    f"me:{PASSWORD}@127.0.0.1:1/x",
    f"rtsp:/me:{WRITTEN}@127.0.0.1/x",
    f"rtspu://me:{PASSWORD}@[::1]/x",
    quote(f"rtsp://me:{PASSWORD}@127.0.0.1/x", safe=""),
    f"http://127.0.0.1:1/v?usr=me&pwd={WRITTEN}&channel=1",
    f"rtsp://127.0.0.1:1/user=me_password={WRITTEN}_channel=1",
    f"srt://127.0.0.1:1?streamid=r:me:{WRITTEN}",
    f"rtsp://{WRITTEN}@127.0.0.1:1/x",
    f"rtsp://me:{WRITTEN}",
]


@dataclass(frozen=True)
class Route:
    """One way of a password into the program.

    Attributes:
        words: the command line; {port}, {out} and {given} stand for the server and two folders.
        says: a regular expression that must match something said.
        settings: the settings file.
        variables: of the environment.
        script: Python code to run instead of `edge-app`.
        drive: what to do while the process runs; None waits for its end.
        inputs: files to write first, by name.
    """

    words: tuple[str, ...]
    says: str
    settings: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    script: str = ""
    drive: Callable[[Running], None] | None = None
    inputs: Mapping[str, str | bytes] = field(default_factory=dict)


class Running:
    """A process, with ears at everything that leaves it."""

    def __init__(self, route: Route, folder: Path, port: int) -> None:
        self.given, self.out = folder / "given", folder / "out"
        for each in (self.given, self.out):
            each.mkdir(parents=True)
        self._fields = {"port": str(port), "out": str(self.out), "given": str(self.given)}
        for name, content in ({"c.toml": route.settings} | dict(route.inputs)).items():
            path = self.given / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.filled(content).encode() if isinstance(content, str) else content)
        self.notified: list[bytes] = []
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(folder / "n"))
        self.children: set[bytes] = set()
        self.process = self._start(route, folder)
        for ear in (self._hear_systemd, self._watch_children):
            threading.Thread(target=ear, daemon=True).start()

    def filled(self, text: str) -> str:
        """Return a text with the names in braces filled in."""
        for name, value in self._fields.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _start(self, route: Route, folder: Path) -> subprocess.Popen[bytes]:
        words = [self.filled(word) for word in route.words]
        whole = [sys.executable, "-c", route.script, *words] if route.script else command(*words)
        variables = {"EDGE_APP_CONFIG": str(self.given / "c.toml"), "NOTIFY_SOCKET": str(folder / "n")}
        variables |= {name: self.filled(text) for name, text in route.variables.items()}
        self._said = (folder / "stdout", folder / "stderr")
        with self._said[0].open("wb") as out, self._said[1].open("wb") as err:
            return subprocess.Popen(
                whole, cwd=self.out, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=environment(self.out, **variables), start_new_session=True,
            )  # fmt: skip

    def _hear_systemd(self) -> None:
        while True:
            try:
                self.notified.append(self._systemd.recv(1 << 16))
            except OSError:
                return

    def _watch_children(self) -> None:
        # Looked at often, because a child may be short; `poll` ends it.
        while self.process.poll() is None:
            for pid in descendants(self.process.pid):
                try:
                    self.children.add(Path(f"/proc/{pid}/cmdline").read_bytes())
                except OSError:  # it has ended
                    continue
            time.sleep(0.02)

    def until(self, pattern: str) -> None:
        """Wait until something matches in what was said."""
        deadline_s = time.monotonic() + LIMIT_S
        while not re.search(pattern, self.text()):
            assert time.monotonic() < deadline_s, f"no {pattern!r}: {self.text()[-2000:]}"
            assert self.process.poll() is None, f"ended before {pattern!r}: {self.text()[-2000:]}"
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        self.process.wait(LIMIT_S)

    def everything(self) -> dict[str, str]:
        """Return all that has left the process, by where."""
        found = {path.name: path.read_text(errors="replace") for path in self._said}
        found["systemd"] = b"\n".join(self.notified).decode(errors="replace")
        # A child that has not begun its program yet still has its parent's, which the user has typed.
        children = self.children - {b"".join(word.encode() + b"\0" for word in map(str, self.process.args))}
        found["command lines of children"] = b"\n".join(children).decode(errors="replace")
        for path in self.out.rglob("*"):
            if path.is_file():
                found[str(path.relative_to(self.out))] = path.read_text(errors="replace")
        return found

    def text(self) -> str:
        """Return everything as one text."""
        return "\n".join(self.everything().values())


def descendants(pid: int) -> Iterator[int]:
    """Yield the children of a process, and theirs."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from descendants(child)


def leaks(places: Mapping[str, str]) -> list[str]:
    """Return each place where the password is, with its spelling and the text around it."""
    found = []
    for place, text in places.items():
        for spelling, secret in SPELLINGS.items():
            at = text.find(secret)
            if at >= 0:
                found.append(f"{place}, {spelling}: {text[max(at - 100, 0) : at + 60]!r}")
    return found


class Server(ThreadingHTTPServer):
    """A camera behind a login, and servers that repeat the password in everything they can send."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up."""


class Answer(BaseHTTPRequestHandler):
    """What each path answers."""

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer as the path says; the password must have arrived."""
        login = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        if self.path.startswith("/v?"):
            assert f"pwd={WRITTEN}" in self.path
        elif self.headers.get("Authorization") != f"Basic {login}":
            self.answer("401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
            return
        getattr(self, self.path[1:].partition("?")[0], self.missing)()

    def answer(self, status: str, *headers: str) -> None:
        """Send a response without a body."""
        lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1", "replace"))
        self.close_connection = True

    def missing(self) -> None:
        self.answer(f"404 no {self.path} for {ECHO}")

    def phrase(self) -> None:
        self.answer(f"500 no {ECHO}")

    def kind(self) -> None:
        self.answer("200 OK", f"Content-Type: image/{ECHO}")

    def away(self) -> None:
        self.answer("302 Found", f"Location: http://{LOGIN}127.0.0.1:1/{WRITTEN}")

    def elsewhere(self) -> None:
        self.answer("302 Found", f"Location: gopher://{LOGIN}camera/")

    def digest(self) -> None:
        self.answer(f"401 {ECHO}", f'WWW-Authenticate: Strange realm="{ECHO}"')

    def garbage(self) -> None:
        self.wfile.write(f"{ECHO}\r\n\r\n".encode())

    def v(self) -> None:
        self.live()

    def live(self) -> None:
        """Pictures without end."""
        self.begin()
        while self.part():
            time.sleep(0.02)

    def short(self) -> None:
        """Twelve pictures, then a broken one for ever; every further request is refused."""
        if getattr(self.server, "is_worn", False):
            self.phrase()
            return
        self.server.is_worn = True  # type: ignore[attr-defined]
        self.begin()
        for _ in range(12):
            self.part()
            time.sleep(0.02)

    def begin(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n")

    def part(self) -> bool:
        try:
            self.wfile.write(b"--x\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(PICTURES[3]), PICTURES[3]))
        except OSError:
            return False
        return True


def rtsp_answers(server: socket.socket) -> None:
    """Refuse every RTSP request, repeating the password."""
    while True:
        try:
            link, _ = server.accept()
        except OSError:
            return
        with link:
            link.recv(4096)
            link.sendall(f"RTSP/1.0 454 no {ECHO}\r\nCSeq: 1\r\nLocation: rtsp://{LOGIN}x/\r\n\r\n".encode())
