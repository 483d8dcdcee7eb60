"""The README tells the truth: its commands print what it shows, and its Python runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_harness import call

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


sys.path.append(str(ROOT / "docs"))
from readme_examples import BLOCK, PINNED, masked, run  # noqa: E402

EXAMPLES = {found["command"]: found["output"] for found in BLOCK.finditer(README)}


def piped(command, home):
    """What a command of the README prints, each part of its pipe run in this process."""
    text = ""
    for part in command.split(" | "):
        program, *words = shlex.split(part)
        if program == "head":
            text = "".join(text.splitlines(keepends=True)[: int(words[-1])])
            continue
        assert program == "advisor", part
        said = call(*words, piped=text, ADVISOR_HOME=str(home), **PINNED)
        assert said.code in (0, 3), said.err
        text = said.out
    return text


@pytest.mark.parametrize("command", EXAMPLES)
def test_a_console_example_prints_what_the_readme_shows(command, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert masked(piped(command, tmp_path)) == EXAMPLES[command]


def test_the_first_example_prints_that_in_a_readers_shell_too(tmp_path):
    command, output = next(iter(EXAMPLES.items()))
    assert masked(run(command, tmp_path)) == output


def test_the_python_example_runs_and_finds_a_proved_fleet(tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "ADVISOR_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert lines, "no line was bought"
    status, _, gap = last.split()
    assert (status, float(gap)) == ("optimal", 0.0)


def test_every_command_is_in_the_readme():
    from advisor.cli.app import COMMANDS

    assert [name for name in COMMANDS if f"`advisor {name}" not in README] == []


def test_every_link_to_a_file_of_the_repository_exists():
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []
