"""At the edges of what is allowed, the answer still holds against its own verifier, or is a plain no."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_harness import call, process

if TYPE_CHECKING:
    from pathlib import Path

REGION = ("--region", "aws:us-east-1")


@pytest.mark.parametrize(
    "words",
    [
        ("--rate", "1e7"),
        ("--rate", "0.001"),
        ("--rate", "1e-8"),
        ("--rate", "1e-300"),
        ("--tpot-ms", "1e6"),
        ("--coverage", "0.0001"),
        ("--headroom", "0.99"),
        ("--max-usd-per-hour", "1e14"),
        ("--max-usd-per-hour", "1e300"),
        ("--max-usd-per-hour", "1e-30"),
    ],
    ids=" ".join,
)
def test_what_is_answered_holds(words: tuple[str, ...]) -> None:
    said = call("recommend", *REGION, *words, "--format", "json")
    assert "Traceback" not in said.err
    if said.code == 2:  # refusing an absurd figure by name is as good
        assert said.err.startswith("advisor: --")
        return
    assert said.code in (0, 3), said.err
    assert json.loads(said.out)["kind"] == "plan"
    checked = call("verify", "-", piped=said.out)
    assert checked.code == 0, (checked.out[:600], checked.err)


def test_words_that_are_no_text_do_not_crash(home: Path, tmp_path: Path) -> None:
    """A file name may hold any byte; the plan quotes the command it was made with."""
    target = bytes(tmp_path) + b"/\xff.json"
    words = ("recommend", *REGION, "--format", "json", "-o", target)
    said = process(words, home)  # type: ignore[arg-type]
    assert b"Traceback" not in said.stderr
    assert said.returncode in (0, 2)


def test_a_limit_too_short_is_said_in_seconds_that_exist() -> None:
    said = call("recommend", *REGION, "--time-limit-s", "0.000001")
    assert said.code in (0, 7)
    assert " -" not in said.err.partition("--time-limit-s")[0], said.err
