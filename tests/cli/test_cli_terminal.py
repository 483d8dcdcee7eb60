"""At 80 and at 160 columns, on a terminal and piped, with and without colour, interrupted and cut short."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cli_harness import FIXTURES, ROOT, call, command, default_interrupt, environment, process
from rich.cells import cell_len

WHERE = ("--region", "us-east-1")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
TABLES: dict[str, tuple[str, ...]] = {
    "recommend": ("recommend", *WHERE),
    "recommend everywhere": ("recommend", "--market", "on-demand", "--rate", "200"),
    "infeasible": ("recommend", *WHERE, "--tpot-ms", "0.5"),
    "offers": ("offers", *WHERE, "--limit", "25"),
    "offers --all": ("offers", "--region", "gcp:*", "--all", "--limit", "25"),
    "offers grouped": ("offers", "--group-by", "instance_type", "--limit", "25"),
    "catalog status": ("catalog", "status"),
    "profile list": ("profile", "list", "--model", "Llama-3.1-8B", "--limit", "20"),
    "workload list": ("workload", "list"),
    "workload show": ("workload", "show", "sharegpt"),
    "solve": ("solve", str(FIXTURES / "melange" / "example.json"), "--format", "table"),
}


def on_a_terminal(words: tuple[str, ...], home: Path, columns: int, **more: str | None) -> str:
    """What a terminal of that width receives."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    running = subprocess.Popen(
        command(*words), stdin=slave, stdout=slave, stderr=slave, cwd=ROOT,
        env=environment(home, **({"TERM": "xterm-256color"} | more)),
    )  # fmt: skip
    os.close(slave)
    received = b""
    while True:
        try:
            part = os.read(master, 1 << 16)
        except OSError:  # the last one to hold the terminal left
            break
        if not part:
            break
        received += part
    os.close(master)
    running.wait(timeout=30)
    return received.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", TABLES)
def test_no_line_is_wider_than_the_place_nor_padded(name: str, columns: int) -> None:
    text = call(*TABLES[name], COLUMNS=str(columns)).out
    for line in text.splitlines():
        assert cell_len(line) <= columns, line
        assert line == line.rstrip(), line
    assert "\x1b" not in text


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("words", [WHERE, ("--market", "on-demand", "--rate", "200")], ids=["one", "all"])
def test_no_identifier_is_cut(words: tuple[str, ...], columns: int) -> None:
    plan: dict[str, Any] = json.loads(call("recommend", *words, "--format", "json").out)
    tokens = set(
        call("recommend", *words, COLUMNS=str(columns)).out.replace("(", " ").replace(")", " ").split()
    )
    for line in plan["purchase"]:
        for key in ("provider", "region", "zone", "instance_type", "market", "accelerator"):
            assert line[key] is None or line[key] in tokens, (key, line[key])
    for state in plan["catalog"]:
        assert {state["provider"], state["market"]} <= tokens
    for baseline in plan["baselines"]:
        if baseline["kind"] == "single_accelerator" and baseline["usd_per_hour"]:
            assert baseline["name"] in tokens


@pytest.mark.parametrize("columns", [80, 160])
def test_headers_are_whole(columns: int) -> None:
    text = call("recommend", *WHERE, COLUMNS=str(columns)).out
    for header in ("Count", "Used", "$/h each", "$/month", "Plan saves", "Throughput is", "Left out because"):
        assert header in text, header


@pytest.mark.parametrize(
    "section",
    [
        "Cheapest fleet",
        "Proved optimal",
        "Against the cheapest fleet of one accelerator type",
        "How old the prices are",
        "Where the throughput comes from",
        "Left out: ",
        "Assumptions",
    ],
)
def test_the_table_holds_what_was_promised(section: str) -> None:
    assert section in call("recommend", *WHERE).out


@pytest.mark.parametrize("columns", [80, 160])
def test_a_real_terminal_gets_its_own_width(home: Path, columns: int) -> None:
    text = on_a_terminal(("recommend", *WHERE), home, columns)
    assert "\x1b[1m" in text  # bold headings
    lines = ESCAPE.sub("", text).splitlines()
    widths = [cell_len(line.rstrip()) for line in lines]
    assert max(widths) <= columns
    assert max(widths) > columns * 0.8
    assert any("Proved optimal" in line for line in lines)


def test_columns_wins_over_the_terminal(home: Path) -> None:
    text = ESCAPE.sub("", on_a_terminal(("workload", "list"), home, 200, COLUMNS="80"))
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("catalog", "status"), {"NO_COLOR": "1"}),
        (("catalog", "status", "--no-color"), {}),
        (("--no-color", "catalog", "status"), {}),
        (("catalog", "--no-color", "status"), {}),
        (("catalog", "status"), {"TERM": "dumb"}),
    ],
    ids=["NO_COLOR", "last", "first", "amid", "dumb"],
)
def test_no_colour_where_none_is_wanted(home: Path, words: tuple[str, ...], more: dict[str, str]) -> None:
    text = on_a_terminal(words, home, 100, **more)
    assert "Provider" in text
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])m", text)
    if more.get("TERM") == "dumb":
        assert "\x1b" not in text


def test_a_pipe_gets_neither_colour_nor_blanks(home: Path) -> None:
    text = process(("recommend", *WHERE), home).stdout.decode()
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_signs_does_not_crash(home: Path, encoding: str) -> None:
    said = process(("recommend", *WHERE), home, PYTHONIOENCODING=encoding)
    assert said.returncode == 0, said.stderr[-300:]
    assert b"Cheapest fleet" in said.stdout


def test_help_in_ascii_does_not_crash(home: Path) -> None:
    assert process(("recommend", "--help"), home, PYTHONIOENCODING="ascii").returncode == 0


# Cut short


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_that_leaves_is_no_error(home: Path, form: str) -> None:
    words = " ".join(command("offers", "--format", form))
    said = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | head -1"],
        capture_output=True, check=False, cwd=ROOT, env=environment(home),
    )  # fmt: skip
    assert said.stdout.count(b"\n") == 1
    assert said.stderr == b"" or b"Traceback" not in said.stderr
    assert b"BrokenPipe" not in said.stderr
    assert said.returncode in (0, 141)


def test_an_interrupted_wait_ends_in_one_line(home: Path) -> None:
    """Ctrl-C while a plan is awaited on standard input."""
    running = subprocess.Popen(
        command("verify", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=ROOT, env=environment(home), preexec_fn=default_interrupt,
    )  # fmt: skip
    time.sleep(1.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    assert len(err.strip().splitlines()) == 1, err


def wait_until_it_maps(process_id: int, library: str) -> None:
    """Until a process has loaded a library: past its start, in the midst of its work."""
    maps = Path(f"/proc/{process_id}/maps")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and library not in maps.read_text():
        time.sleep(0.005)


@pytest.mark.parametrize("library", ["duckdb", "highspy"])
def test_an_interrupted_recommendation_ends_in_one_line(home: Path, library: str) -> None:
    """Ctrl-C while prices are read, and while the solver comes up."""
    running = subprocess.Popen(
        command("recommend"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment(home),
        preexec_fn=default_interrupt,
    )
    wait_until_it_maps(running.pid, library)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)
    assert b"Traceback" not in err, err[-600:]
    assert (running.returncode, out) == (130, b"")
    assert len(err.strip().splitlines()) == 1, err


def test_an_interrupt_waits_until_the_module_that_loads_is_there(tmp_path: Path, home: Path) -> None:
    """A compiled module that is interrupted while it loads may print a traceback of its own and abort."""
    lines = ("import os, signal, time", "os.kill(os.getpid(), signal.SIGINT)", "time.sleep(0.3)")
    module = "\n".join((*lines, "print('loaded', flush=True)"))
    (tmp_path / "loads_slowly.py").write_text(module)
    script = (
        "import sys, time; from advisor.cli import app as command\n"
        f"sys.path.append({str(tmp_path)!r})\n"
        "def work():\n    import loads_slowly\n    time.sleep(20)\n    print('never')\n"
        "command.app = work\ncommand.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=ROOT,
        env=environment(home),
        timeout=15,
        check=False,
        preexec_fn=default_interrupt,
    )
    assert (done.returncode, done.stdout) == (130, b"loaded\n")
    assert done.stderr == b"advisor: interrupted, nothing was written\n"


def test_what_a_library_makes_of_an_interrupt_is_still_an_interrupt(home: Path) -> None:
    """DuckDB ends its query with an error of its own, which names no cause."""
    script = (
        "import os, signal; from advisor.cli import app as command\n"
        "def work():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n        pass\n"
        "    raise RuntimeError('Query interrupted')\n"
        "command.app = work\ncommand.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        cwd=ROOT,
        env=environment(home),
        timeout=15,
        check=False,
        preexec_fn=default_interrupt,
    )
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr == b"advisor: interrupted, nothing was written\n"


def test_two_at_once_give_the_same_answer(home: Path) -> None:
    words = ("recommend", *WHERE, "--format", "json")
    with ThreadPoolExecutor(2) as both:
        one, other = both.map(lambda _: json.loads(process(words, home).stdout), range(2))
    assert one["plan_id"] == other["plan_id"]
    assert (one["usd_per_hour"], one["purchase"]) == (other["usd_per_hour"], other["purchase"])


def test_recommend_pipes_into_verify(home: Path) -> None:
    plan = process(("recommend", *WHERE, "--format", "json"), home)
    assert (plan.returncode, plan.stderr) == (0, b"")
    said = process(("verify", "-"), home, piped=plan.stdout)
    assert said.returncode == 0, said.stdout


def test_an_interrupt_that_surfaces_as_a_failed_import_is_still_an_interrupt(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compiled modules do this when Ctrl-C meets their loading."""
    from advisor.cli import app as command

    def interrupted_while_loading() -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr(command, "app", interrupted_while_loading)
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == command.INTERRUPTED
    assert capsys.readouterr().err == "advisor: interrupted, nothing was written\n"


def test_a_failed_import_is_a_bug_and_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.cli import app as command

    def broken() -> None:
        raise ImportError("no such module")

    monkeypatch.setattr(command, "app", broken)
    with pytest.raises(ImportError, match="no such module"):
        command.main()
