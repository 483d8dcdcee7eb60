"""Option, else service file, else documented default; and where the account is found."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import NOW, ask

from advisor.api import make_request, open_account, recommend
from advisor.clock import now_utc
from advisor.domain import EvidenceKind, Market, SloStatistic
from advisor.errors import InputFileError, UnknownName, UsageError

if TYPE_CHECKING:
    from advisor.recommendation.recommend import Catalog

pytestmark = pytest.mark.fast

FIXTURES = Path(__file__).parents[2] / "fixtures"
FULL = FIXTURES / "service" / "chat-on-demand.yaml"
MINIMAL = FIXTURES / "service" / "chat-minimal.yaml"
SMALL_ACCOUNT = FIXTURES / "account" / "small.yaml"


def test_everything_is_taken_from_the_file(catalog: Catalog) -> None:
    request = make_request(catalog.facts, service_file=FULL)
    service = request.service
    assert (service.name, service.model, service.rate_requests_per_s) == ("support-chat", "Llama-3.1-8B", 6)
    assert (service.slo.tpot_ms, service.headroom, service.workload.name) == (80, 0.2, "sharegpt-8k")
    assert request.regions == ("aws:us-east-1",)
    assert request.providers == ("aws",)
    assert request.markets == (Market.ON_DEMAND,)
    assert request.accelerators == ("l4-24gb", "l40s-48gb", "h100-sxm-80gb")
    assert request.exclude_accelerators == ("l4-24gb",)
    assert request.max_usd_per_hour == Decimal("12.5")


def test_what_a_minimal_file_does_not_say_is_the_default(catalog: Catalog) -> None:
    request = make_request(catalog.facts, service_file=MINIMAL)
    assert (request.service.precision, request.service.engine) == ("bf16", "vLLM")
    assert request.service.headroom == 0.15
    assert request.service.slo.statistic is SloStatistic.MEAN
    assert (request.regions, request.providers, request.accelerators) == ((), (), ())
    assert request.markets == (Market.ON_DEMAND, Market.SPOT)
    assert (request.evidence, request.max_usd_per_hour) == (EvidenceKind.ESTIMATED, None)


OVERRIDES: dict[str, tuple[Any, Any]] = {
    "regions": (["eu-west-1"], ("eu-west-1",)),
    "near": (["us-east-1=50"], ("us-east-1=50",)),
    "providers": (["gcp"], ("gcp",)),
    "markets": (["spot"], (Market.SPOT,)),
    "accelerators": (["H100"], ("H100",)),
    "exclude_accelerators": (["t4"], ("t4",)),
    "evidence": (EvidenceKind.SIMULATED, EvidenceKind.SIMULATED),
    "max_usd_per_hour": (Decimal(3), Decimal(3)),
}
SERVICE_OVERRIDES: dict[str, tuple[str, Any, Any]] = {
    "model": ("model", "Qwen2.5-7B", "Qwen2.5-7B"),
    "precision": ("precision", "fp8", "fp8"),
    "engine": ("engine", "SGLang", "SGLang"),
    "rate_requests_per_s": ("rate_requests_per_s", 3.0, 3.0),
    "headroom": ("headroom", 0.0, 0.0),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_option_wins_over_the_file(catalog: Catalog, name: str) -> None:
    given, expected = OVERRIDES[name]
    request = make_request(catalog.facts, service_file=FULL, **{name: given})  # type: ignore[misc]
    assert getattr(request, name) == expected


@pytest.mark.parametrize("name", SERVICE_OVERRIDES)
def test_an_option_about_the_service_wins_over_the_file(catalog: Catalog, name: str) -> None:
    field, given, expected = SERVICE_OVERRIDES[name]
    request = make_request(catalog.facts, service_file=FULL, **{name: given})  # type: ignore[misc]
    assert getattr(request.service, field) == expected


def test_the_workload_option_wins_over_the_file(catalog: Catalog) -> None:
    request = make_request(catalog.facts, service_file=FULL, workload="openorca")
    assert request.service.workload.name == "openorca"


def test_limits_are_replaced_one_by_one(catalog: Catalog) -> None:
    slo = make_request(catalog.facts, service_file=FULL, ttft_ms=900.0).service.slo
    assert (slo.tpot_ms, slo.ttft_ms) == (80, 900)
    slo = make_request(catalog.facts, service_file=FULL, tpot_ms=50.0).service.slo
    assert (slo.tpot_ms, slo.ttft_ms) == (50, None)


def test_an_empty_list_says_nothing(catalog: Catalog) -> None:
    assert make_request(catalog.facts, service_file=FULL, regions=[]).regions == ("aws:us-east-1",)


def test_the_file_answers_as_its_options_do(catalog: Catalog) -> None:
    from_file = recommend(catalog, now=NOW, service_file=FULL)
    from_options = ask(
        catalog,
        model="Llama-3.1-8B",
        workload="sharegpt-8k",
        rate_requests_per_s=6.0,
        tpot_ms=80.0,
        headroom=0.2,
        providers=["aws"],
        markets=["on-demand"],
        accelerators=["l4-24gb", "l40s-48gb", "h100-sxm-80gb"],
        exclude_accelerators=["l4-24gb"],
        max_usd_per_hour=Decimal("12.50"),
    )
    assert from_file.status == "optimal"
    assert from_file.usd_per_hour == from_options.usd_per_hour
    assert from_file.services[0].name == "support-chat"
    assert {line.accelerator for line in from_file.purchase} <= {"l40s-48gb", "h100-sxm-80gb"}


# Numbers out of range, and names nobody knows


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "rate_requests_per_s": (0.0, -1.0, float("nan"), float("inf"), 1e8),
        "tpot_ms": (0.0, -5.0, float("nan"), float("inf"), 1e7),
        "ttft_ms": (0.0, -5.0, float("nan"), 1e7),
        "headroom": (-0.1, 1.0, float("nan"), 5.0),
        "time_limit_s": (0.0, -1.0, float("nan"), 1e9),
        "max_usd_per_hour": (Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity")),
    }.items(),
)
def test_a_number_out_of_range_is_refused_with_what_is_allowed(
    catalog: Catalog, name: str, values: tuple[Any, ...]
) -> None:
    for value in values:
        with pytest.raises(UsageError, match=r"--.* not allowed"):
            make_request(catalog.facts, **{name: value})  # type: ignore[misc]


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.1, float("nan")])
def test_a_coverage_out_of_range_is_refused(catalog: Catalog, percent: float) -> None:
    with pytest.raises(UsageError, match="--coverage"):
        ask(catalog, coverage_percent=percent)


@pytest.mark.parametrize(
    ("question", "hint"),
    [
        ({"regions": ["us-eats-1"]}, "us-east-1"),
        ({"providers": ["awss"]}, "aws"),
        ({"model": "Llama-3.1-8b-instruk"}, "Llama-3.1-8B"),
        ({"accelerators": ["h10"]}, "h100"),
        ({"exclude_accelerators": ["l40ss"]}, "l40s"),
        ({"workload": "azure-2023-cov"}, "azure-2023-conv"),
        ({"markets": ["on_demnd"]}, "on-demand"),
        ({"include": ["local-zones"]}, "local-zone"),
        ({"precision": "bf61"}, "bf16"),
    ],
)
def test_a_slip_of_the_pen_gets_the_nearest_name(
    catalog: Catalog, question: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UnknownName, match="(?i)" + hint):
        ask(catalog, **question)


def test_an_engine_nobody_knows_is_not_planned_for(catalog: Catalog) -> None:
    """Silence would label another engine's figures with the name of the slip."""
    with pytest.raises(UsageError, match=r"(?i)vllm"):
        ask(catalog, engine="vLM")


@pytest.mark.parametrize("name", ["workload", "engine", "model"])
def test_an_empty_name_is_not_the_default(catalog: Catalog, name: str) -> None:
    with pytest.raises(UsageError):
        ask(catalog, **{name: ""})


# The account


def test_the_account_named_is_used(catalog: Catalog) -> None:
    account = open_account(SMALL_ACCOUNT, catalog.facts)
    assert account is not None
    assert {limit.key: limit.free for limit in account.limits}["aws:us-east-1:L-DB2E81BA"] == 12


def test_without_one_named_the_home_is_looked_at(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path))
    assert open_account(None, catalog.facts) is None
    (tmp_path / "account.yaml").write_bytes(SMALL_ACCOUNT.read_bytes())
    found, named = open_account(None, catalog.facts), open_account(SMALL_ACCOUNT, catalog.facts)
    assert found is not None
    assert found == named


def test_one_that_is_named_but_missing_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"none\.yaml"):
        open_account(tmp_path / "none.yaml", catalog.facts)


# The clock


def test_the_clock_can_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    assert now_utc().timestamp() == 1_790_000_000


@pytest.mark.parametrize("value", ["", "soon", "1e9", "9" * 30])
def test_a_clock_that_is_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        now_utc()
