"""A tiny OpenAI-compatible endpoint on loopback that streams tokens at a known pace.

``TTFT = prefill_ms × requests in flight``, ``TPOT = token_ms + crowd_ms × (requests in flight − 1)``,
decided when a request arrives. So in a closed loop of n requests with O output tokens each, everything is
known beforehand:

    TPOT(n) = token_ms + crowd_ms (n − 1)
    E2E(n) = prefill_ms n + (O − 1) TPOT(n)
    rate = n / E2E(n)

A character of the prompt is a token, and so is a chunk of the answer. Pauses are kept against the clock,
not added up.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "tiny-llama"
MAX_TOKENS = 2048
MAX_BODY = 4 * 2**20


@dataclass(frozen=True)
class Pace:
    """How fast the endpoint is."""

    prefill_ms: float = 20.0
    token_ms: float = 10.0
    crowd_ms: float = 1.0

    def ttft_ms(self, in_flight: int) -> float:
        return self.prefill_ms * in_flight

    def tpot_ms(self, in_flight: int) -> float:
        return self.token_ms + self.crowd_ms * (in_flight - 1)

    def requests_per_s(self, in_flight: int, output_tokens: int) -> float:
        e2e_ms = self.ttft_ms(in_flight) + (output_tokens - 1) * self.tpot_ms(in_flight)
        return in_flight * 1e3 / e2e_ms


@dataclass
class Seen:
    """What the endpoint was asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    in_flight: int = 0
    served: int = 0
    refuse_after: int | None = None


class Server(ThreadingHTTPServer):
    """Serves until its context ends."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, pace: Pace, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.pace, self.seen = pace, Seen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the first token waits for the headers to be acknowledged
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        if self.path.rstrip("/").endswith("models"):
            self._json({"object": "list", "data": [{"id": MODEL, "object": "model", "max_model_len": 32768}]})
        else:
            self._json({"status": "ok"})

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY))
        asked: dict[str, Any] = json.loads(body)
        chat = "chat" in self.path
        seen = self.server.seen
        with seen.lock:
            if seen.refuse_after is not None and seen.served >= seen.refuse_after:
                self.send_error(503)
                return
            seen.in_flight += 1
            crowd = seen.in_flight
        try:
            self._answer(asked, chat, crowd)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with seen.lock:
                seen.in_flight -= 1
                seen.served += 1

    def _answer(self, asked: dict[str, Any], chat: bool, crowd: int) -> None:
        pace = self.server.pace
        limit = asked.get("max_completion_tokens") or asked.get("max_tokens") or 16
        tokens = min(int(limit), MAX_TOKENS)
        usage = {"prompt_tokens": _characters(asked), "completion_tokens": tokens}
        usage["total_tokens"] = sum(usage.values())
        started = time.perf_counter()
        due = [started + (pace.ttft_ms(crowd) + i * pace.tpot_ms(crowd)) / 1e3 for i in range(tokens)]
        if not asked.get("stream"):
            _until(due[-1])
            self._json(_whole(chat, tokens, usage))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i, moment in enumerate(due):
            _until(moment)
            self._chunk(_piece(chat, "length" if i == tokens - 1 else None))
        if (asked.get("stream_options") or {}).get("include_usage"):
            self._chunk(
                {"id": "1", "object": "usage", "created": 0, "model": MODEL, "choices": [], "usage": usage}
            )
        self._send(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, document: dict[str, Any]) -> None:
        self._send(b"data: " + json.dumps(document).encode() + b"\n\n")

    def _send(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _json(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _until(moment: float) -> None:
    time.sleep(max(moment - time.perf_counter(), 0.0))


def _characters(asked: dict[str, Any]) -> int:
    prompt = asked.get("prompt")
    if prompt is None:
        parts = [message.get("content", "") for message in asked.get("messages", [])]
        prompt = "".join(part if isinstance(part, str) else json.dumps(part) for part in parts)
    return len(prompt)


def _piece(chat: bool, finish: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {"delta": {"role": "assistant", "content": "w"}} if chat else {"text": "w"}
    choice = {"index": 0, "finish_reason": finish, **said}
    kind = "chat.completion.chunk" if chat else "text_completion"
    return {"id": "1", "object": kind, "created": 0, "model": MODEL, "choices": [choice]}


def _whole(chat: bool, tokens: int, usage: dict[str, int]) -> dict[str, Any]:
    text = "w" * tokens
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, "finish_reason": "length", **said}
    return {
        "id": "1",
        "object": "completion",
        "created": 0,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
    }


@contextmanager
def serving(pace: Pace | None = None) -> Iterator[Server]:
    """The endpoint, for the length of a ``with`` block."""
    server = Server(pace or Pace())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Serve until interrupted, for recording what real tools write."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=900.0)
    given = parser.parse_args()
    recording = Server(Pace(), given.port)
    threading.Timer(given.seconds, recording.shutdown).start()
    recording.serve_forever()
