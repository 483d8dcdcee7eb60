"""Running the command line: in this process through its real entry point, or as a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from advisor.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
NOW = "1793000000"  # 2026-10-26, so that ages do not move


@dataclass(frozen=True)
class Said:
    """What a run left behind."""

    code: int
    out: str
    err: str


class _Stream(io.TextIOWrapper):
    """A text stream over memory, with a buffer as real ones have."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


def call(*words: str, piped: str = "", **environment: str) -> Said:
    """Run ``advisor WORDS`` in this process, as the console script does."""
    out, err, into = _Stream(), _Stream(), _Stream(piped.encode())
    with (
        mock.patch.object(sys, "argv", ["advisor", *words]),
        mock.patch.object(sys, "stdin", into),
        mock.patch.dict(os.environ, {"COLUMNS": "120", "SOURCE_DATE_EPOCH": NOW, **environment}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        return Said(code, out.text(), err.text())


def environment(home: Path | str, **more: str | None) -> dict[str, str]:
    """A user's environment with a home of its own; None takes a variable away."""
    base: dict[str, str | None] = {**os.environ, "ADVISOR_HOME": str(home), "SOURCE_DATE_EPOCH": NOW}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM"):
        base.pop(name, None)
    return {name: value for name, value in (base | more).items() if value is not None}


def command(*words: str) -> list[str]:
    """The command line as a list for a process."""
    return [sys.executable, "-m", "advisor", *words]


def default_interrupt() -> None:
    """For ``preexec_fn``: the child dies of Ctrl-C even where these tests run under nohup or cron."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def process(
    words: Sequence[str],
    home: Path | str,
    *,
    piped: bytes | None = None,
    options: Any = None,
    **more: str | None,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``advisor WORDS`` as a process of its own."""
    return subprocess.run(
        command(*words),
        input=piped,
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=60,
        env=environment(home, **more),
        **{"preexec_fn": default_interrupt, **(options or {})},
    )
