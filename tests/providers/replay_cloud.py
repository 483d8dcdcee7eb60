"""A loopback server that plays one fixture scenario: the vendor's side of the contract suite."""

from __future__ import annotations

import json
import threading
import time
import tomllib
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "providers"

SCENARIOS = (
    "typical",
    "two-pages",
    "empty",
    "access-denied",
    "throttled-then-ok",
    "server-error",
    "time-out",
    "truncated-json",
    "unknown-accelerator",
    "price-missing",
    "clock-skew",
    "region-not-enabled",
)


def providers_with_fixtures() -> list[str]:
    return sorted(path.name for path in FIXTURES.iterdir() if path.is_dir())


def origin_of(provider: str, scenario: str) -> dict[str, Any]:
    return tomllib.loads((FIXTURES / provider / scenario / "origin.toml").read_text())


def payload_of(provider: str, scenario: str, file: str) -> Any:
    """A fixture's payload as the HTTP layer would hand it over."""
    from providers._http import decoded

    return decoded(provider, (FIXTURES / provider / scenario / file).read_bytes())


def question_of(path: str, headers: Any, raw: bytes) -> Any:
    """What a request asks: its JSON or form fields; of AWS also path, target and the signature's region."""
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = dict(parse_qsl(raw.decode("latin-1")))
    signed = headers.get("Authorization") or ""
    if "/aws4_request" not in signed and isinstance(body, dict):
        return body
    about = {"@path": path.partition("?")[0], "@target": headers.get("X-Amz-Target")}
    scope = signed.partition("Credential=")[2].split("/")
    return {**(body if isinstance(body, dict) else {}), **about, "@region": scope[2] if scope[2:] else None}


class Replay:
    """What the server answers: the first unused answer that matches, else the last one used that does."""

    def __init__(self, folder: Path, answers: list[dict[str, Any]], clock_s: float | None = None) -> None:
        self.folder = folder
        self.answers = answers
        self.clock_s = clock_s
        self.requests: list[dict[str, Any]] = []
        self._used: list[int] = []
        self._lock = threading.Lock()

    def choose(self, body: object) -> dict[str, Any] | None:
        with self._lock:
            matching = [n for n, answer in enumerate(self.answers) if _matches(answer.get("body", {}), body)]
            unused = [n for n in matching if n not in self._used]
            # an answer tied to a body serves every request with that body; the others are a sequence
            chosen = unused[0] if unused else (matching[-1] if matching else None)
            if chosen is None:
                return None
            if "body" in self.answers[matching[0]]:
                chosen = next((n for n in matching if not self._spent(n)), matching[-1])
            self._used.append(chosen)
            return self.answers[chosen]

    def _spent(self, number: int) -> bool:
        """Whether an answer that serves a number of ``times`` has served them."""
        return self._used.count(number) >= self.answers[number].get("times", 10**9)


def _matches(wanted: dict[str, object], body: object) -> bool:
    return all(_at(body, path) == value for path, value in wanted.items())


def _at(body: object, path: str) -> object:
    for step in path.split("."):
        if isinstance(body, list):
            body = body[int(step)] if int(step) < len(body) else None
            continue
        body = body.get(step) if isinstance(body, dict) else None
    return body


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], ssl_context: Any = None) -> Any:
    """A server on 127.0.0.1 and a free port, in a thread, stopped on the way out."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if ssl_context is not None:
        server.socket = ssl_context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        scheme = "http" if ssl_context is None else "https"
        yield f"{scheme}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class QuietHandler(BaseHTTPRequestHandler):
    """Closes each connection, logs nothing."""

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        sent = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
        }
        for name, value in {**sent, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that gave up waiting is a scenario
            self.wfile.write(content)


@contextmanager
def replaying(provider: str, scenario: str, clock_s: float) -> Any:
    """The scenario's server: its base URL and what it was asked."""
    folder = FIXTURES / provider / scenario
    replay = Replay(folder, origin_of(provider, scenario)["answers"], clock_s)

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self._play(b"")

        def do_POST(self) -> None:
            self._play(self.body())

        def _play(self, raw: bytes) -> None:
            body = question_of(self.path, self.headers, raw)
            replay.requests.append({"path": self.path, "body": body, "headers": dict(self.headers)})
            answer = replay.choose(body)
            if answer is None:
                self.send(404, b"{}")
                return
            time.sleep(answer.get("delay_s", 0))
            date = formatdate((replay.clock_s or 0) + answer.get("clock_offset_s", 0), usegmt=True)
            content = (folder / answer["file"]).read_bytes()
            extra = {"Set-Cookie": "session=tasty-cookie", **answer.get("headers", {})}
            self.send(answer.get("status", 200), content, {"Date": date, **extra})

    with serving(Handler) as url:
        yield url, replay
