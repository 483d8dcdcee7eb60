"""Processes of their own that start warm: forked from a server that has loaded the libraries once.

What runs is Python source, as for ``python -W error -c SOURCE WORDS``, in a process with its own environment,
folder, standard streams, signals and exit status; only loading what everybody loads is not done again, which
for the clouds' SDKs takes seconds.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType, TracebackType

ADVISOR: Final = "from advisor.cli.app import main; main()"
_MOST: Final = 1 << 20  # bytes of a request


class Server:
    """The process that others are forked from. ``modules`` are loaded before the first of them."""

    def __init__(self, *modules: str) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-W", "error", __file__, str(theirs.fileno()), *modules]
        path = os.pathsep.join(place for place in sys.path if place)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path}
        self._process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
        theirs.close()
        self._socket = ours

    def close(self) -> None:
        """End it; what was forked goes on."""
        self._socket.close()
        self._process.wait(timeout=30)

    def start(
        self,
        source: str,
        *words: str,
        environ: Mapping[str, str],
        folder: Path | None = None,
        closed: Sequence[int] = (),
        to: Mapping[int, str] | None = None,
    ) -> Process:
        """Run the source in a fork.

        Args:
            environ: all of its environment.
            folder: where it runs; by default here.
            closed: standard streams, by number, that are closed when it starts.
            to: files that standard output (1) or error (2) goes to instead of a pipe.
        """
        told = [source, words, dict(environ), str(folder or Path.cwd()), list(closed), to or {}]
        request = json.dumps(told).encode()
        assert len(request) < _MOST
        pipes = [os.pipe() for _ in range(4)]  # standard input, output and error; and how it goes
        (in_r, in_w), (out_r, out_w), (err_r, err_w), (told_r, told_w) = pipes
        length = len(request).to_bytes(4, "big")
        socket.send_fds(self._socket, [length], [in_r, out_w, err_w, told_w])
        self._socket.sendall(request)
        for end in (in_r, out_w, err_w, told_w):
            os.close(end)
        return Process(in_w, out_r, err_r, told_r)


class Process:
    """What tests use of ``subprocess.Popen``, in text."""

    def __init__(self, standard_in: int, out: int, err: int, told: int) -> None:
        self.stdin = os.fdopen(standard_in, "w")
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._line())
        self.returncode: int | None = None

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.close()
        self.wait()

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            part = self._told.read(1)
            assert part, "the server of warm processes is gone"
            line += part
        return line

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._ended()
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """The exit status, once there is one."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                self.kill()
                raise TimeoutError(f"process {self.pid} runs longer than {timeout} s")
            self._ended()
        assert self.returncode is not None
        return self.returncode

    def _ended(self) -> None:
        self.returncode = int(self._line())
        self._told.close()

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """All it says on standard output and error."""
        self.stdin.close()
        said = {self.stdout: b"", self.stderr: b""}
        open_, until = list(said), time.monotonic() + timeout
        while open_:
            ready, _, _ = select.select(open_, [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.kill()
                raise TimeoutError(f"process {self.pid} runs longer than {timeout} s")
            for stream in ready:
                part = os.read(stream.fileno(), 1 << 16)
                said[stream] += part
                if not part:
                    open_.remove(stream)
        self.wait()
        return said[self.stdout].decode(), said[self.stderr].decode()

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without asking."""
        self.send_signal(signal.SIGKILL)


def _reap(number: int, frame: FrameType | None) -> None:
    """Let those in between rest."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve(channel: socket.socket) -> list[object] | None:
    """Fork for every request; in the fork, the request. None once nobody asks any more."""
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        length, ends, _, _ = socket.recv_fds(channel, 4, 4)
        if not length:
            return None
        request = b""
        while len(request) < int.from_bytes(length, "big"):
            request += channel.recv(_MOST)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            return _forked(ends, json.loads(request))
        for end in ends:
            os.close(end)


def _forked(ends: list[int], request: list[object]) -> list[object]:
    """Fork once more: the one in between tells who the other is and how it ended."""
    *streams, told = ends
    child = os.fork()
    if child == 0:
        os.close(told)
        for number, end in enumerate(streams):
            os.dup2(end, number)
            os.close(end)
        return request
    for end in streams:
        os.close(end)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _main() -> None:
    for module in sys.argv[2:]:
        __import__(module)
    gc.freeze()  # no fork looks through what it shares with the others
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    source, words, environ, folder, closed, to = request
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.argv = ["-c", *words]
    sys.path[:0] = [place for place in environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    for number, path in to.items():
        os.dup2(os.open(path, os.O_WRONLY), int(number))
    for number, (name, opened) in enumerate(_STREAMS):
        stream = None if number in closed else opened()
        if stream is None:
            os.close(number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os._exit(_run(source))


_STREAMS: Final = (
    ("stdin", partial(open, 0, encoding="utf-8", closefd=False)),
    ("stdout", partial(open, 1, "w", encoding="utf-8", closefd=False)),
    ("stderr", partial(open, 2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)),
)
"""As the interpreter opens them."""


def _run(source: str) -> int:
    """The exit status of the source. The end of an interpreter, but for taking every library apart again."""
    try:
        exec(source, {"__name__": "__main__"})  # noqa: S102  that is what it is for
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return status


if __name__ == "__main__":
    _main()
