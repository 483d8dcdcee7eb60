"""Ctrl-C ends a command in one line, whatever it meets: the first import, a compiled module, a library.

Where the signal is ignored from outside, as by ``nohup``, it stays ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

CODE: Final = 130  # 128 + SIGINT, as shells report it
WORDS: Final = "advisor: interrupted, nothing was written\n"
_PUT_OFF_S: Final = 0.05
_IMPORT_SYSTEM: Final = "<frozen importlib._bootstrap>"


def leave_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """End a process that has only begun to load: there is nothing to undo yet."""
    with contextlib.suppress(OSError):
        os.write(2, WORDS.encode())
    os._exit(CODE)


class Interrupt:
    """Ctrl-C: whether it came. It is put off while a module loads."""

    def __init__(self) -> None:
        self.came = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Handle it here, where Python or the start of the process would; after that, it just ends us."""
        usual = signal.getsignal(signal.SIGINT)
        mine = threading.current_thread() is threading.main_thread() and usual in (
            signal.default_int_handler,
            leave_at_once,
        )
        if mine:
            signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            if mine:
                signal.signal(signal.SIGINT, signal.SIG_DFL if usual is leave_at_once else usual)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if not _loads_a_module(frame):
            raise KeyboardInterrupt
        # A compiled module that is interrupted while it loads may print a traceback of its own and abort.
        later = threading.Timer(_PUT_OFF_S, _to_main_thread, (number,))
        later.daemon = True
        later.start()


def _to_main_thread(number: int) -> None:
    """A signal sent to another thread would leave the main thread asleep."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)


def _loads_a_module(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != _IMPORT_SYSTEM:
        frame = frame.f_back
    return frame is not None


def is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is this exception, or what caused it, or what Typer made of it."""
    if isinstance(error, SystemExit) and error.code == CODE:
        return True
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None
