"""Run the README's console examples and compare, or rewrite, what they print.

    python docs/readme_examples.py            # exit 1 and a diff where README and reality differ
    python docs/readme_examples.py --write    # put the real output into the README

A fenced ``console`` block holds one command after ``$`` and what it prints. The clock is pinned, so that ages
of prices do not change from day to day; the solver's seconds and the plan's id are masked.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)
PINNED = {"SOURCE_DATE_EPOCH": "1795305600", "COLUMNS": "100", "NO_COLOR": "1"}  # 2026-11-22T00:00:00Z
PLAN_ID = re.compile(r"\bPlan [0-9a-f]{12}\b")
SECONDS = re.compile(r"\d+\.\d+ s\b")


def run(command: str, home: Path) -> str:
    """What a command of the README prints on stdout, run as its reader would from the checkout."""
    environment = {
        **os.environ, **PINNED, "ADVISOR_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(  # noqa: S602 - the README's own commands, pipes included
        command,
        shell=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"$ {command}\nexit {done.returncode}\n{done.stderr}")
    return done.stdout


def masked(text: str) -> str:
    """The text without what no two runs share."""
    return PLAN_ID.sub("Plan …", SECONDS.sub("… s", text))


def main() -> int:
    """Compare every example, or rewrite them with ``--write``."""
    write = "--write" in sys.argv[1:]
    home = ROOT / "build" / "readme-home"
    text = README.read_text(encoding="utf-8")
    failures: list[str] = []

    def fresh(block: re.Match[str]) -> str:
        printed = masked(run(block["command"], home))
        if printed != block["output"]:
            failures.extend(
                difflib.unified_diff(
                    block["output"].splitlines(),
                    printed.splitlines(),
                    "README",
                    block["command"],
                    lineterm="",
                )
            )
        return f"```console\n$ {block['command']}\n{printed}```"

    renewed = BLOCK.sub(fresh, text)
    if write:
        README.write_text(renewed, encoding="utf-8")
        return 0
    sys.stdout.write("\n".join(failures) + ("\n" if failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
