"""The user's own profiles: kept whole, read beside the shipped ones, winning over them, and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from import_builders import RECORDED, a_csv, one, recorded, understood
from throughput_builders import a_store, a_sweep, ask
from typer.testing import CliRunner

from advisor.catalog.facts import load_facts
from advisor.cli.profile import app
from advisor.domain import EvidenceKind, Slo, SloStatistic, Throughput
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.profiles import own_store
from advisor.profiles.placing import Given
from advisor.profiles.query import ProfileStore
from advisor.profiles.scheduler import Scheduler

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = a_sweep((1, 10.0, 1.0), (8, 20.0, 4.0))
MINE = [
    {"concurrency": 1, "requests_per_s": 1.0, "tpot_mean_ms": 9, "tpot_p90_ms": 11},
    {"concurrency": 8, "requests_per_s": 7.0, "tpot_mean_ms": 11, "tpot_p90_ms": 14},
]
REPLICA = ["--accelerator", "h100-sxm-80gb", "--tp", "1", "--precision", "bf16", "--engine", "vLLM"]


def a_home(tmp_path: Path, *rows: dict[str, Any], **changes: Any) -> ProfileStore:
    """A store with shipped points and, where there are rows, the user's."""
    if rows:
        own_store.save(understood(a_csv(*rows, **changes)).profiles, tmp_path / "own")
    shipped = tmp_path / "profiles"
    if not shipped.is_dir():
        a_store(tmp_path, SHIPPED)
    return ProfileStore.load(tmp_path, tmp_path / "own")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    return tmp_path


def test_ones_own_measurements_win_over_the_shipped_ones(tmp_path: Path) -> None:
    (before,) = ask(a_home(tmp_path), slo=Slo(tpot_ms=20))
    (after,) = ask(a_home(tmp_path, *MINE), slo=Slo(tpot_ms=20))
    assert isinstance(before, Throughput)
    assert isinstance(after, Throughput)
    assert (before.requests_per_s, after.requests_per_s) == (4.0, 7.0)
    assert after.kind is EvidenceKind.MEASURED
    assert after.profile_id.startswith("measured:own-")
    assert after.error_pct is None  # nobody stated one, and ours is not theirs


def test_ones_own_simulation_does_not_win_over_a_measurement(tmp_path: Path) -> None:
    (answer,) = ask(a_home(tmp_path, *MINE, kind="simulated"), slo=Slo(tpot_ms=20))
    assert isinstance(answer, Throughput)
    assert (answer.kind, answer.requests_per_s) == (EvidenceKind.MEASURED, 4.0)


def test_a_90th_percentile_is_answered_from_ones_own_figures_first(tmp_path: Path) -> None:
    limit = Slo(tpot_ms=14, statistic=SloStatistic("p90"))
    (shipped,) = ask(a_home(tmp_path), slo=limit)
    assert not isinstance(shipped, Throughput) or "planned at the mean" in shipped.source
    (answer,) = ask(a_home(tmp_path, *MINE), slo=limit)
    assert isinstance(answer, Throughput)
    assert answer.requests_per_s == 7.0


def test_a_rate_at_a_limit_answers_for_that_limit_and_looser_ones(tmp_path: Path) -> None:
    cell = {"load_mode": "slo-maximum", "concurrency": "", "requests_per_s": 5, "tpot_mean_ms": 15,
            "slo_tpot_ms": 15, "input_tokens": 3000}  # fmt: skip
    store = a_home(tmp_path, cell)
    at, looser, tighter = (ask(store, (3000, 100), slo=Slo(tpot_ms=limit))[0] for limit in (15, 30, 14))
    assert isinstance(at, Throughput)
    assert isinstance(looser, Throughput)
    assert (at.requests_per_s, looser.requests_per_s) == (5, 5)
    assert not isinstance(tighter, Throughput) or tighter.kind is not EvidenceKind.MEASURED


def test_the_digest_changes_with_ones_own_profiles_and_is_the_old_one_without(tmp_path: Path) -> None:
    plain = ProfileStore.load(a_home(tmp_path)._root).profiles_sha256
    assert a_home(tmp_path).profiles_sha256 == plain
    mine = a_home(tmp_path, *MINE)
    assert mine.profiles_sha256 != plain
    own_store.forget(mine.own_files[0].stem, tmp_path / "own")
    assert a_home(tmp_path).profiles_sha256 == plain


def test_importing_twice_keeps_one_profile(tmp_path: Path) -> None:
    a_home(tmp_path, *MINE)
    assert len(a_home(tmp_path, *MINE).own_files) == 1
    assert len(a_home(tmp_path, *MINE, engine_version="2").own_files) == 2


def test_nothing_is_kept_if_one_profile_cannot_be_written(tmp_path: Path) -> None:
    good = one(a_csv(*MINE))
    bad = one(a_csv(*MINE, engine="SGLang"))
    bad.rows[0]["input_tokens"] = "many"
    with pytest.raises(Exception, match="many"):
        own_store.save([good, bad], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot write"):
        own_store.save([one(a_csv(*MINE))], tmp_path / "file")


def test_import_shows_what_it_understood_and_keeps_it(home: Path) -> None:
    files = [str(RECORDED / "vllm_bench" / f"concurrency-{n}.json") for n in (1, 4)]
    text = run("import", *files, "--model", "Llama-3.1-8B", *REPLICA)
    assert "vllm bench serve" in text
    assert "calls the model 'tiny-llama'" in text
    (path,) = own_store.own_files(home / "profiles")
    listed = run("list", "--model", "Llama-3.1-8B", "--format", "csv")
    assert listed.splitlines()[1].startswith("measured,Llama-3.1-8B,bf16,h100-sxm-80gb")
    assert path.stem in listed.splitlines()[1]
    shown = run("show", f"measured:{path.stem}:llama-3.1-8b:bf16:vllm:h100-sxm-80gb:tp1", "--format", "csv")
    assert len(shown.splitlines()) == 3
    assert "forgot measured:own-" in run("forget", path.stem)
    assert own_store.own_files(home / "profiles") == ()


def test_a_dry_run_keeps_nothing(home: Path) -> None:
    run("import", str(RECORDED / "csv" / "plain.csv"), "--dry-run")
    assert not (home / "profiles").exists()


def test_an_impossible_file_is_refused_whole_and_every_row_is_said(home: Path) -> None:
    file = home / "runs.csv"
    file.write_text(
        (RECORDED / "csv" / "plain.csv").read_text(encoding="utf-8").replace(",1.3,7.3,", ",1.3,0.5,"),
        encoding="utf-8",
    )
    result = CliRunner().invoke(app, ["import", str(file)])
    assert isinstance(result.exception, InputFileError)
    assert result.exception.exit_code == 2
    assert "row 2: tpot_mean_ms: refused" in result.output
    assert not (home / "profiles").exists()


def test_loads_of_one_size_brought_one_by_one_are_said_to_answer_nothing(home: Path) -> None:
    text = run(
        "import", str(RECORDED / "vllm_bench" / "concurrency-1.json"), "--model", "Llama-3.1-8B", *REPLICA
    )
    assert "Sizes with one load alone: 1." in text


def test_only_ones_own_profiles_can_be_forgotten(home: Path) -> None:
    with pytest.raises(UnknownName, match="profile of your own"):
        run("forget", "simulated:aiconfigurator-0.12.0:llama-3.1-8b:bf16:vllm-0.24.0:h100-sxm-80gb:tp1")


@pytest.mark.parametrize("option", [("--date", "yesterday"), ("--tpot-ms", "nan"), ("--input-tokens", "5,4")])
def test_bad_options_are_refused(home: Path, option: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match=option[0]):
        run("import", str(RECORDED / "csv" / "plain.csv"), *option)


def test_a_simulation_is_as_far_off_as_ours(tmp_path: Path) -> None:
    found = understood(recorded("aiconfigurator/pareto.csv"))
    own_store.save(found.profiles, tmp_path)
    store = ProfileStore.load(own=tmp_path)
    (answer,) = ask(store, (1000, 200), model="Qwen3-8B", slo=Slo(tpot_ms=40), precision="bf16")
    assert isinstance(answer, Throughput)
    assert answer.profile_id.startswith("simulated:own-")
    assert answer.error_pct == store.error_pct(EvidenceKind.SIMULATED, "h100-sxm-80gb")


def test_hundreds_of_flagged_rows_are_counted_not_listed(home: Path) -> None:
    sweep = [str(file) for file in sorted((RECORDED / "vllm_bench").glob("*.json"))]
    result = CliRunner().invoke(app, ["import", *sweep, "--model", "Llama-3.1-8B", *REPLICA, "--dry-run"])
    assert result.output.count("flagged: a 99th percentile of 24 requests") == 3
    assert "… 1 more rows are flagged for completed" in result.output


def test_the_short_id_of_an_own_profile_shows_its_points(home: Path) -> None:
    run("import", str(RECORDED / "csv" / "plain.csv"))
    short = own_store.own_files(home / "profiles")[0].stem
    assert "concurrency" in run("show", short)


def test_how_the_engine_was_started_is_kept(tmp_path: Path) -> None:
    started = Scheduler(max_num_seqs=64, max_num_batched_tokens=4096, chunked_prefill=False)
    given = Given("Llama-3.1-8B", "h100-sxm-80gb", 1, "bf16", "vLLM", "0.20.0", scheduler=started)
    own_store.save(understood(a_csv(*MINE), given=given).profiles, tmp_path / "own")
    a_store(tmp_path, SHIPPED)
    found = ProfileStore.load(tmp_path, tmp_path / "own").profiles(load_facts().models["Llama-3.1-8B"])
    assert {profile.source_id[:4]: profile.scheduler for profile in found} == {
        "own-": started, found[-1].source_id[:4]: Scheduler(),
    }  # fmt: skip
