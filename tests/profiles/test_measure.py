"""Measuring a running endpoint whose pace is known: the profile found is held against the truth."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pacing_server import Pace, serving
from typer.testing import CliRunner

from advisor.cli.profile import app
from advisor.cli.profile_measure import measured
from advisor.errors import Interrupted, UsageError
from advisor.profiles.measure import Campaign, GuideLlm, run_campaign
from advisor.profiles.own_store import own_files

if TYPE_CHECKING:
    from advisor.profiles.importers.reading import ImportedRow

PACE = Pace(prefill_ms=8.0, token_ms=8.0, crowd_ms=4.0)
OUT = 12


def a_campaign(url: str) -> Campaign:
    return Campaign(url, "tiny-llama", "./tokenizer", ((40, OUT),), (1, 2, 4, 8), 14.0, None, 6)


@pytest.fixture
def stand_in(tmp_path: Path) -> GuideLlm:
    """GuideLLM's command line, answered by a small client of our own."""
    script = tmp_path / "guidellm"
    target = shlex.quote(str(Path(__file__).with_name("stand_in_guidellm.py")))
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {target} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return GuideLlm(str(script))


def test_the_profile_found_is_the_pace_of_the_server(tmp_path: Path, stand_in: GuideLlm) -> None:
    def found(attempt: int) -> list[ImportedRow]:
        with serving(PACE) as server:
            state = tmp_path / f"state-{attempt}"
            readings = run_campaign(a_campaign(server.url), state, stand_in, lambda _: None)
        return [reading.rows[0] for reading in readings]

    def is_the_pace(loads: list[ImportedRow]) -> bool:
        told = [load.ms("tpot", "p50") for load in loads]
        rate = pytest.approx(PACE.requests_per_s(1, OUT), rel=0.15)
        return told == [pytest.approx(PACE.tpot_ms(n), rel=0.10) for n in (1, 2, 4)] and (
            loads[0].requests_per_s == rate
        )

    for attempt in range(4):  # tokens come in real time: on a machine busy with something else, once more
        loads = found(attempt)
        if is_the_pace(loads):
            break
    assert [load.concurrency for load in loads] == [1, 2, 4]  # 4 is beyond 14 ms: 8 + 4 × 3 = 20
    assert is_the_pace(loads), loads


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, stand_in: GuideLlm) -> None:
    said: list[str] = []
    with serving(PACE) as server:
        campaign = replace(a_campaign(server.url), concurrencies=(1, 2))
        server.seen.refuse_after = 6  # the first load's requests, none of the second's
        with pytest.raises(UsageError, match="failed for 40x12 at 2"):
            run_campaign(campaign, tmp_path / "state", stand_in, said.append)
        server.seen.refuse_after = None
        served = server.seen.served
        readings = run_campaign(campaign, tmp_path / "state", stand_in, said.append)
        assert server.seen.served == served + 2 * campaign.requests_each
    assert [reading.rows[0].concurrency for reading in readings] == [1, 2]


def test_a_state_folder_of_another_measurement_is_refused(tmp_path: Path, stand_in: GuideLlm) -> None:
    campaign = replace(a_campaign("http://127.0.0.1:9"), sizes=())
    run_campaign(campaign, tmp_path, stand_in, lambda _: None)
    run_campaign(replace(campaign, tpot_ms=99.0), tmp_path, stand_in, lambda _: None)
    with pytest.raises(UsageError, match="another measurement"):
        run_campaign(replace(campaign, model="other"), tmp_path, stand_in, lambda _: None)


def test_a_half_written_result_is_measured_again(tmp_path: Path, stand_in: GuideLlm) -> None:
    with serving(PACE) as server:
        campaign = replace(a_campaign(server.url), concurrencies=(1,))
        state = tmp_path / "state"
        run_campaign(campaign, state, stand_in, lambda _: None)
        result = state / "40x12-c1.json"
        result.write_text(result.read_text(encoding="utf-8")[:100], encoding="utf-8")
        (reading,) = run_campaign(campaign, state, stand_in, lambda _: None)
    assert reading.rows[0].completed == 6


def test_a_missing_generator_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"llm-fleet-advisor\[measure\]"):
        run_campaign(a_campaign("http://127.0.0.1:9"), tmp_path, GuideLlm("no-such-guidellm"), lambda _: None)


def test_guidellm_gets_its_settings_as_json_so_that_names_cannot_break_out(tmp_path: Path) -> None:
    campaign = replace(a_campaign("http://127.0.0.1:9"), model="a,kind=b")
    words = GuideLlm().arguments(campaign, (40, 12), 4, tmp_path / "r.json")
    assert words[:2] == ["guidellm", "run"]
    assert json.loads(words[words.index("--backend") + 1])["model"] == "a,kind=b"
    assert json.loads(words[words.index("--constraint") + 1]) == {"kind": "max_requests", "count": 24}
    assert json.loads(words[words.index("--data") + 1])["prompt_tokens"] == 40


@pytest.mark.parametrize("url", ["ftp://x", "file:///etc/passwd", "x", "http://me:secret@host"])
def test_only_web_addresses_without_a_password_are_measured(url: str) -> None:
    with pytest.raises(UsageError):
        a_campaign(url)


def test_the_command_measures_and_keeps_a_profile(
    tmp_path: Path, stand_in: GuideLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    with serving(PACE) as server:
        arguments = [
            "measure", server.url, "--model", "Llama-3.1-8B", "--accelerator", "h100-sxm-80gb", "--tp", "1",
            "--precision", "bf16", "--engine", "vLLM", "--tokenizer", "./tokenizer",
            "--served-model", "tiny-llama",
            "--tpot-ms", "14", "--sizes", f"40x{OUT}", "--concurrencies", "1,2", "--requests", "6",
            "--state", str(tmp_path / "state"), "--guidellm", stand_in.command,
        ]  # fmt: skip
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exception is None, result.output
    assert len(own_files(tmp_path / "home" / "profiles")) == 1
    assert "kept measured:own-" in result.output


def test_an_interruption_says_where_finished_loads_are(tmp_path: Path) -> None:
    class CtrlC:
        def run(self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path) -> None:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="the same command goes on") as stopped:
        measured(a_campaign("http://127.0.0.1:9"), tmp_path / "state", CtrlC())
    assert f"finished loads stay in {tmp_path / 'state'}" in str(stopped.value)
    assert stopped.value.exit_code == 130


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--accelerator": "h1000"}, "unknown accelerator 'h1000'"),
        ({"--precision": "bf99"}, "unknown precision 'bf99'"),
        ({"--model": "Llama-9"}, "unknown model 'Llama-9'"),
        ({"--model": "Llama-3.1-70B"}, "Llama-3.1-70B in bf16 takes 131 GiB, 1 × h100-sxm-80gb has 75"),
    ],
)
def test_what_the_profile_would_be_refused_for_is_said_before_measuring(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    options = {
        "--model": "Llama-3.1-8B", "--accelerator": "h100-sxm-80gb", "--tp": "1", "--precision": "bf16",
        "--engine": "vLLM", "--tokenizer": "x", "--tpot-ms": "20", "--state": str(tmp_path / "state"),
    }  # fmt: skip
    words = [word for pair in (options | changed).items() for word in pair]
    result = CliRunner().invoke(app, ["measure", "http://127.0.0.1:9", *words])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert not (tmp_path / "state").exists()


def test_an_address_forwarded_to_another_accelerator_is_another_measurement(tmp_path: Path) -> None:
    class Unplugged:
        def run(self, campaign: Campaign, size: tuple[int, int], concurrency: int, result: Path) -> None:
            raise UsageError("no load was sent")

    small, large = (replace(a_campaign("http://127.0.0.1:9"), replica=name) for name in ("l4", "h100"))
    with pytest.raises(UsageError, match="no load was sent"):
        run_campaign(small, tmp_path, Unplugged(), print)
    with pytest.raises(UsageError, match="holds another measurement"):
        run_campaign(large, tmp_path, Unplugged(), print)


def test_a_generator_cut_short_leaves_no_worker_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    script = tmp_path / "guidellm"
    script.write_text(f"#!/bin/sh\n(exec sleep 30 > {shlex.quote(str(alive))}) & wait\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr("advisor.profiles.measure.TIME_LIMIT_S", 0.3)
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(UsageError, match="took more than"):
        run_campaign(a_campaign("http://127.0.0.1:9"), tmp_path / "state", GuideLlm(str(script)), print)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # end of file: the worker that held the other end is gone
    os.close(reader)
