"""However a command is started: streams closed or full, an odd environment, Ctrl-C in its first moment.

Each command is a process of its own. It answers, or says in one line why not; never a traceback.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest
from cli_harness import FIXTURES, ROOT, call, command, default_interrupt, environment, process
from warm import ADVISOR, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

EXAMPLE = str(FIXTURES / "melange" / "example.json")
COMMANDS = {
    "recommend": ("recommend", "--region", "us-east-1", "--accelerator", "L4"),
    "offers": ("offers", "--limit", "3"),
    "workload list": ("workload", "list"),
    "solve": ("solve", EXAMPLE),
    "--help": ("--help",),
}
every_command = pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)


@cache
def warm_server() -> Server:
    server = Server(
        *(f"advisor.cli.{name}" for name in ("app", "recommend", "offers", "workload", "solve", "verify")),
        *(
            "advisor.api",
            "advisor.cli.plan_view",
            "advisor.optimize.melange",
            "advisor.recommendation.recommend",
        ),
        *("duckdb", "rich.table", "typer.rich_utils"),
    )
    atexit.register(server.close)
    return server


def started(
    words: Sequence[str],
    environ: Mapping[str, str],
    *,
    closed: Sequence[int] = (),
    to: Mapping[int, str] | None = None,
) -> tuple[int, str, str]:
    """Exit status, standard output and error of a whole run."""
    with warm_server().start(ADVISOR, *words, environ=environ, folder=ROOT, closed=closed, to=to) as running:
        out, err = running.communicate()
    return running.wait(), out, err


# Streams


@every_command
@pytest.mark.parametrize("closed", [(1,), (0, 1)], ids=["stdout", "stdin and stdout"])
def test_results_that_go_nowhere_are_told_in_one_line(
    home: Path, words: tuple[str, ...], closed: tuple[int, ...]
) -> None:
    said = "advisor: cannot write standard output: Bad file descriptor\n"
    assert started(words, environment(home), closed=closed) == (2, "", said)


@every_command
def test_a_full_disk_behind_standard_output_is_told_in_one_line(home: Path, words: tuple[str, ...]) -> None:
    said = "advisor: cannot write standard output: No space left on device\n"
    assert started(words, environment(home), to={1: "/dev/full"}) == (2, "", said)


@every_command
def test_with_no_input_nothing_is_missed(home: Path, words: tuple[str, ...]) -> None:
    code, out, err = started(words, environment(home), closed=(0,))
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("how", [{"closed": (2,)}, {"to": {2: "/dev/full"}}], ids=["closed", "full"])
def test_notes_that_cannot_be_written_cost_no_answer(home: Path, how: dict[str, object]) -> None:
    plan = call(*COMMANDS["recommend"], "--format", "json").out
    (home / "plan.json").write_text(plan)
    words = ("verify", str(home / "plan.json"))
    assert "Not checked: " in call(*words).err  # there are notes
    code, out, _ = started(words, environment(home), **how)
    assert code == 0
    assert " holds against snapshot " in out


def test_a_bad_word_ends_with_its_code_though_nobody_can_be_told(home: Path) -> None:
    assert started(("recommend", "--region", "mars"), environment(home), closed=(1, 2)) == (2, "", "")


def test_a_file_is_written_whole_where_every_stream_is_closed(home: Path) -> None:
    """Its number must not be that of a stream, or what goes to the stream would end in the file."""
    target = home / "solved.json"
    words = (*COMMANDS["solve"], "-o", str(target))
    assert started(words, environment(home), closed=(0, 1, 2)) == (0, "", "")
    assert json.loads(target.read_text())["counts"] == {"A10G": 2, "A100-80GB": 1}


def test_a_plan_awaited_on_a_closed_input_is_refused(home: Path) -> None:
    said = "advisor: standard input: Bad file descriptor; a readable file is needed\n"
    assert started(("verify", "-"), environment(home), closed=(0,)) == (2, "", said)


# Environment


ODD = {
    "no home": {"HOME": None, "ADVISOR_HOME": None},
    "a home that is no folder": {"HOME": "/dev/null", "ADVISOR_HOME": "/nowhere/at/all"},
    "an unheard-of terminal": {"TERM": "weird-9"},
    "one column": {"COLUMNS": "1"},
    "no column": {"COLUMNS": "0"},
    "columns in words": {"COLUMNS": "wide"},
}


@every_command
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_environment_costs_no_answer(
    home: Path, words: tuple[str, ...], odd: dict[str, str | None]
) -> None:
    code, out, err = started(words, environment(home, **odd))
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("words", [COMMANDS["offers"], COMMANDS["--help"]], ids=["offers", "--help"])
def test_a_locale_without_signs_costs_no_answer(home: Path, words: tuple[str, ...]) -> None:
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = process(words, home, **plain)
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.isascii()


# Ctrl-C


@pytest.mark.parametrize("module", ["advisor.cli.app", "typer", "advisor.cli.recommend", "advisor.api"])
def test_ctrl_c_while_the_command_loads_ends_in_one_line(home: Path, module: str) -> None:
    """The signal comes when a module is about to load, from the first of ours on."""
    script = (
        "import os, signal, sys\n"
        "class Interrupter:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupter())\n"
        "sys.argv = ['advisor', 'recommend', '--region', 'us-east-1']\n"
        "from advisor.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=ROOT,
        env=environment(home),
        check=False,
        preexec_fn=default_interrupt,
    )
    said = b"advisor: interrupted, nothing was written\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", said)


def test_where_ctrl_c_is_ignored_as_nohup_has_it_the_answer_comes(home: Path) -> None:
    with subprocess.Popen(
        command("verify", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(home),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as running:
        for _ in range(20):
            os.kill(running.pid, signal.SIGINT)
        plan = call(*COMMANDS["recommend"], "--format", "json").out
        os.kill(running.pid, signal.SIGINT)
        out, err = running.communicate(plan.encode(), timeout=60)
    assert running.returncode == 0, err
    assert b" holds against snapshot " in out
