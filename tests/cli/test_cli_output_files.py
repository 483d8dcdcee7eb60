"""``-o FILE``: the whole file or what was there before."""

from __future__ import annotations

import json
import os
import resource
import stat
from pathlib import Path

import pytest
from cli_harness import ROOT, call, process

REGION = ("--region", "aws:us-east-1")
CHEAP = ("workload", "list", "--format", "json")


@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_file_holds_what_stdout_would(tmp_path: Path, form: str) -> None:
    words = ("workload", "list", "--format", form)
    target = tmp_path / "result"
    said = call(*words, "-o", str(target))
    assert (said.code, said.out) == (0, "")
    assert target.read_text() == call(*words).out


def test_the_plan_in_a_file_is_the_plan(tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    assert call("recommend", *REGION, "--format", "json", "-o", str(target)).code == 0
    assert json.loads(target.read_text())["status"] == "optimal"
    assert call("verify", str(target)).code == 0
    assert os.listdir(tmp_path) == ["plan.json"]  # noqa: PTH208 the names alone


def test_an_infeasible_answer_is_written_too(tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    said = call("recommend", *REGION, "--tpot-ms", "0.5", "--format", "json", "-o", str(target))
    assert said.code == 3
    assert json.loads(target.read_text())["status"] == "infeasible"


def test_a_new_file_has_the_rights_the_umask_gives(tmp_path: Path) -> None:
    target = tmp_path / "result"
    before = os.umask(0o027)
    try:
        call(*CHEAP, "-o", str(target))
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.parametrize("where", ["missing/result", ".", "file/result"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("in the way")
    said = call(*CHEAP, "-o", str(tmp_path / where))
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "cannot write" in said.err
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_without_leave_to_write_is_refused(tmp_path: Path) -> None:
    """/proc takes no files from anybody, root included."""
    said = call(*CHEAP, "-o", "/proc/result.json")
    assert said.code == 2
    assert "cannot write /proc/result.json" in said.err


def no_larger_than_a_page() -> None:
    """What a full disk looks like to a process."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, home: Path) -> None:
    target = tmp_path / "profiles.csv"
    target.write_text("the old one")
    words = ("profile", "list", "--format", "csv", "-o", str(target))
    said = process(words, home, options={"preexec_fn": no_larger_than_a_page})
    assert said.returncode == 2, said.stderr
    assert said.stderr.count(b"\n") == 1
    assert target.read_text() == "the old one"
    assert os.listdir(tmp_path) == ["profiles.csv"]  # noqa: PTH208 no half of it under another name


def test_a_full_disk_under_stdout_is_one_line(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        import subprocess

        from cli_harness import command, environment

        said = subprocess.run(
            command(*CHEAP), stdout=full, stderr=subprocess.PIPE, check=False, cwd=ROOT, env=environment(home)
        )
    assert said.returncode not in (0, 1), said.stderr.decode()[-300:]
    assert b"Traceback" not in said.stderr
    assert said.stderr.count(b"\n") == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert call(*CHEAP, "-o", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text() == call(*CHEAP).out


def test_a_pipe_is_written_to_not_replaced(tmp_path: Path, home: Path) -> None:
    """As a shell's process substitution hands over; a device such as /dev/null likewise."""
    import subprocess

    from cli_harness import command, environment

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep_open = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        said = subprocess.run(
            command(*CHEAP, "-o", str(pipe)),
            capture_output=True, check=False, cwd=ROOT, env=environment(home), timeout=30,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert json.loads(os.read(keep_open, 1 << 20))
    finally:
        os.close(keep_open)
