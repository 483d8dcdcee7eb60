"""The README tells the truth: its commands print what it shows, and its Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_console_example_prints_what_the_readme_shows():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "readme_examples.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
