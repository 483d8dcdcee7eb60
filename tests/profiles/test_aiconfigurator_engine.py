"""aiconfigurator as an optional source: the contract with it, held against a stand-in of the package."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from throughput_builders import a_replica
from typer.testing import CliRunner

from advisor.cli.profile import app
from advisor.domain import EvidenceKind, Slo, Throughput
from advisor.errors import UnknownName, UsageError
from advisor.profiles import aiconfigurator_engine as simulator
from advisor.profiles.aiconfigurator_engine import Aiconfigurator, SimulatedSweep, run, simulation_of
from advisor.profiles.query import ProfileStore

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.profiles.importers.reading import ImportedFile

KNOWN = frozenset({"meta-llama/Meta-Llama-3.1-8B"})


@dataclass
class StandIn:
    """A replica whose step takes 10 ms plus 0.5 ms per request, and holds ``slots`` requests."""

    slots: int = 64
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, model_path: str, system_name: str, **options: Any) -> Any:
        self.calls.append(options | {"model_path": model_path, "system_name": system_name})
        batch, isl, osl = options["batch_size"], options["isl"], options["osl"]
        if batch > self.slots:
            raise RuntimeError("OOM: the model does not fit")
        tpot, ttft = 10 + 0.5 * batch, 0.02 * isl
        rate = batch / (ttft + tpot * (osl - 1)) * 1e3
        raw = {
            "model": model_path, "isl": isl, "osl": osl, "prefix": 0, "concurrency": batch, "seq/s": rate,
            "tokens/s": rate * osl, "ttft": ttft, "tpot": tpot, "request_latency": ttft + tpot * (osl - 1),
            "num_total_gpus": options["tp_size"], "tp": options["tp_size"], "pp": 1, "dp": 1,
            "gemm": options["gemm_quant_mode"], "kvcache": options["kvcache_quant_mode"],
            "backend": options["backend_name"], "version": options["backend_version"] or "0.24.0",
            "system": system_name, "moe_tp": None, "power_w": None,
        }  # fmt: skip
        return type("EstimateResult", (), {"raw": raw})()


def an_engine(stand_in: StandIn | None = None, version: str = "0.12.0") -> Aiconfigurator:
    return Aiconfigurator(version, stand_in or StandIn(), KNOWN)


def a_simulation(chip: str = "h100-sxm-80gb", **given: Any) -> SimulatedSweep:
    replica = {name: given.pop(name) for name in ("precision", "engine", "tensor_parallel") if name in given}
    fields: dict[str, Any] = {
        "sizes": ((1000, 100),),
        "concurrencies": (1, 8, 64, 256),
        "tpot_ms": 200.0,
        "known": KNOWN,
        "config": None,
    } | given
    return simulation_of(a_replica(chip=chip, **replica), **fields)


def silent(_: str) -> None:
    """Nobody is told."""


def loads(reading: ImportedFile) -> list[float]:
    return [load.concurrency or 0.0 for load in reading.rows]


def test_it_is_asked_in_its_own_words() -> None:
    stand_in = StandIn()
    simulation = a_simulation(precision="fp8", tensor_parallel=2, engine="TensorRT-LLM")
    simulator._rows(simulation, an_engine(stand_in), silent)
    first = stand_in.calls[0]
    assert first["model_path"] == "meta-llama/Meta-Llama-3.1-8B"
    assert (first["system_name"], first["backend_name"]) == ("h100_sxm", "trtllm")
    assert (first["isl"], first["osl"], first["batch_size"], first["tp_size"]) == (1000, 100, 1, 2)
    assert (first["gemm_quant_mode"], first["mode"]) == ("fp8", "agg")
    assert "moe_tp_size" not in first


def test_experts_are_spread_like_the_rest() -> None:
    stand_in = StandIn()
    known = frozenset({"Qwen/Qwen3-30B-A3B"})
    simulation = simulation_of(
        a_replica("Qwen3-30B-A3B", tensor_parallel=4), ((100, 10),), (1,), 200.0, known=known, config=None
    )  # fmt: skip
    simulator._rows(simulation, an_engine(stand_in), silent)
    call = stand_in.calls[0]
    assert (call["moe_tp_size"], call["moe_ep_size"], call["moe_quant_mode"]) == (4, 1, "bfloat16")


def test_a_size_ends_where_memory_is_full(tmp_path: Path) -> None:
    said: list[str] = []
    reading = run(a_simulation(), an_engine(), tmp_path, said.append)
    assert loads(reading) == [1, 8, 64]
    assert "OOM" in said[-1]


def test_a_size_ends_with_the_first_load_beyond_the_limit(tmp_path: Path) -> None:
    # 8 in flight take 14 ms, 64 take 42.
    assert loads(run(a_simulation(tpot_ms=14.0), an_engine(), tmp_path, silent)) == [1, 8, 64]
    assert loads(run(a_simulation(tpot_ms=13.0), an_engine(), tmp_path, silent)) == [1, 8]


def test_loads_that_only_wait_longer_are_left_out(tmp_path: Path) -> None:
    stand_in = StandIn(slots=10**6)
    found = run(
        a_simulation(concurrencies=(1, 512, 4096, 32768), tpot_ms=1e5), an_engine(stand_in), tmp_path, silent
    )
    # The step grows with the batch: from 4,096 (0.4993 of what is possible) to 32,768 nothing is gained.
    assert loads(found) == [1, 512, 4096]


def test_what_was_simulated_is_not_simulated_again(tmp_path: Path) -> None:
    first, again, newer = StandIn(), StandIn(), StandIn()
    one = run(a_simulation(), an_engine(first), tmp_path, silent)
    two = run(a_simulation(), an_engine(again), tmp_path, silent)
    assert first.calls
    assert again.calls == []
    assert one == two
    run(a_simulation(), an_engine(newer, "0.13.0"), tmp_path, silent)
    assert newer.calls


def test_a_cached_file_that_is_broken_is_made_again(tmp_path: Path) -> None:
    run(a_simulation(), an_engine(), tmp_path, silent)
    (kept,) = tmp_path.rglob("*.csv")
    whole = kept.read_text()
    kept.write_text("isl,osl\n")
    run(a_simulation(), an_engine(), tmp_path, silent)
    assert kept.read_text() == whole
    assert list(tmp_path.rglob("*.part")) == []


def test_its_own_complaint_is_told(tmp_path: Path) -> None:
    def refuses(*_: object, **__: object) -> Any:
        raise ValueError("No database found for system=l4\x1b[31m")

    with pytest.raises(UsageError, match=r"0\.12\.0: No database found for system=l4\\x1b"):
        run(a_simulation(), Aiconfigurator("0.12.0", refuses, KNOWN), tmp_path, silent)
    assert list(tmp_path.rglob("*.csv")) == []
    with pytest.raises(UsageError, match="no load of these sizes fits in memory"):
        run(a_simulation(), an_engine(StandIn(slots=0)), tmp_path, silent)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"chip": "a10g-24gb"}, UnknownName, "accelerator of aiconfigurator"),
        ({"engine": "TGI"}, UnknownName, "engine of aiconfigurator"),
        ({"precision": "fp7"}, UsageError, "fp7"),
        ({"known": frozenset()}, UsageError, "--model-config"),
    ],
)
def test_what_it_does_not_know_is_refused_before_it_runs(
    given: dict[str, Any], error: type[UsageError], words: str
) -> None:
    with pytest.raises(error, match=words):
        a_simulation(**given)


def test_a_folder_with_the_models_configuration_stands_in_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        a_simulation(config=tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert a_simulation(config=tmp_path, known=frozenset()).model_path == str(tmp_path.resolve())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in as a package that is installed, found and imported like the real one."""
    stand_in = StandIn()
    site = tmp_path / "site"
    for name in ("aiconfigurator", "aiconfigurator/cli", "aiconfigurator_core", "aiconfigurator_core/sdk"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("")
    (site / "aiconfigurator/cli/api.py").write_text("def cli_estimate(*a, **k):\n    return HOOK(*a, **k)\n")
    (site / "aiconfigurator_core/sdk/common.py").write_text(f"DefaultHFModels = {set(KNOWN)!r}\n")
    (site / "aiconfigurator-0.12.0.dist-info").mkdir()
    (site / "aiconfigurator-0.12.0.dist-info/METADATA").write_text("Name: aiconfigurator\nVersion: 0.12.0\n")
    monkeypatch.syspath_prepend(str(site))
    for name in [n for n in sys.modules if n.partition(".")[0].startswith("aiconfigurator")]:
        monkeypatch.delitem(sys.modules, name)
    from aiconfigurator.cli import api  # type: ignore[import-not-found, import-untyped, unused-ignore]

    api.HOOK = stand_in
    yield stand_in
    for name in [n for n in sys.modules if n.partition(".")[0].startswith("aiconfigurator")]:
        sys.modules.pop(name)


COMMAND = (
    *("simulate", "--model", "Llama-3.1-8B", "--accelerator", "h100-sxm-80gb", "--sizes", "1000x100"),
    *("--concurrencies", "1,8,64"),
)


def test_the_command_keeps_what_it_finds_as_simulated_evidence(
    installed: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("ADVISOR_HOME", str(home))
    words = [*COMMAND, "--cache", str(tmp_path / "cache"), "--format", "json"]
    result = CliRunner().invoke(app, words)
    assert result.exception is None, result.output
    assert len(installed.calls) == 3
    store = ProfileStore.load(own=home / "profiles")
    (found,) = store.throughputs(a_replica(), [(1000.0, 100.0)], Slo(tpot_ms=14.0))
    assert isinstance(found, Throughput)
    assert found.kind is EvidenceKind.SIMULATED
    # 8 in flight, 20 ms to the first token, 99 more at 14 ms.
    assert found.requests_per_s == pytest.approx(8 / (0.020 + 99 * 0.014), rel=1e-6)
    (shown,) = json.loads(result.stdout)
    assert shown["source"] == "aiconfigurator 0.12.0"
    assert (shown["kind"], shown["engine_version"]) == ("simulated", "0.24.0")


def test_nothing_is_kept_on_a_dry_run(
    installed: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(app, [*COMMAND, "--cache", str(tmp_path / "cache"), "--dry-run"])
    assert result.exception is None
    assert not (tmp_path / "home").exists()
    assert installed.calls


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulator, "PACKAGE", "aiconfigurator-that-is-not-there")
    result = CliRunner().invoke(app, list(COMMAND))
    assert isinstance(result.exception, UsageError)
    assert "pip install" in str(result.exception)
