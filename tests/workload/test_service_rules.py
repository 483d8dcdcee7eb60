"""What a service file may say of its services and their fleet, and how a slip is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputFileError
from advisor.workload.burstiness import FEWEST_WINDOWS, WINDOW_S, burstiness
from advisor.workload.service import load_service, service_json_schema

FIXTURES = Path(__file__).parents[2] / "fixtures" / "service"


def document(**changes: Any) -> dict[str, Any]:
    """A good file of one service, with changes by path (``service__users``)."""
    good: dict[str, Any] = {
        "schema_version": 1,
        "service": {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "workload": "azure-2023-conv",
            "rate_requests_per_s": 16,
            "slo": {"tpot_ms": 60},
        },
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = good
        for part in parents:
            place = place[part]
        place[last] = value
    return good


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "service.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


GOOD: list[tuple[str, Any]] = [
    ("survive", [{"lose": "zone"}]),
    ("survive", [{"lose": "instance", "count": 2, "keeps": 0.9, "headroom": 0, "demand_factor": 1.1}]),
    ("survive", [{"lose": "spot", "keeps": 0.5, "services": ["chat"]}]),
    ("on_demand_floor", 0.3),
    ("demand_error", 0.25),
    ("throughput_doubt", {"accelerators": 1}),
    ("budget_usd_per_hour", 12.5),
    ("budget_usd_per_month", "9000"),
    ("at_most", {"accelerators": 2, "providers": 1, "instance_types": 3, "regions": 2, "zones": 4}),
    ("prefer", {"regions": ["eu-*"], "percent_dearer": 5}),
    ("current", {"fleet": "fleet.yaml", "usd_per_instance_started": 0, "horizon_hours": 24}),
    ("latency", "trips.csv"),
    ("carbon", {}),
    ("carbon", {"most_kg_co2e_per_hour": 10}),
    ("service__headroom", "auto"),
    ("service__headroom", 0),
    ("service__min_replicas", 2),
    ("service__weight", 0.5),
    ("service__users", [{"at": "aws:eu-west-1", "share": 0.6}, {"at": "aws:us-east-1", "share": 0.4}]),
    ("service__residency", ["country:DE", "!eu-west-*"]),
    ("service__traffic", {"lora_adapters": 4, "lora_rank": 16}),
    ("service__slo", {"e2e_ms": 9000, "further": [{"metric": "ttft", "ms": 800, "statistic": "p99"}]}),
]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_the_schema_and_the_reader_agree_on_what_is_good(tmp_path: Path, path: str, value: Any) -> None:
    content = document(**{path: value})
    load_service(written(tmp_path, content))
    jsonschema.validate(content, service_json_schema())


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.yaml")))
def test_shipped_examples_are_good(name: str) -> None:
    assert load_service(FIXTURES / name).records
    jsonschema.validate(yaml.safe_load((FIXTURES / name).read_text()), service_json_schema())


BAD: list[tuple[str, Any, str, str]] = [
    ("survive", [], "survive", "a list of 1 to 20 losses"),
    ("survive", [{"lose": "moon"}], "survive[0].lose", "one of instance, pool, zone"),
    ("survive", [{"lose": "zone", "count": 0}], "survive[0].count", "from 1 to 1,000"),
    ("survive", [{"lose": "zone", "count": True}], "survive[0].count", "from 1 to 1,000"),
    ("survive", [{"lose": "zone", "keeps": 0}], "survive[0].keeps", "above 0 and at most 1"),
    ("survive", [{"lose": "zone", "keeps": 1.1}], "survive[0].keeps", "above 0 and at most 1"),
    ("survive", [{"lose": "spot", "count": 2}], "survive[0]", "takes all spot capacity at once"),
    ("survive", [{"lose": "zone", "services": ["batch"]}], "", "'batch' is none of chat"),
    ("survive", [{"lose": "zone", "loses": 1}], "survive[0].loses", "no such field"),
    ("on_demand_floor", 2, "on_demand_floor", "above 0 and at most 1"),
    ("demand_error", -0.1, "demand_error", "above 0 and at most 10"),
    ("throughput_doubt", 1, "throughput_doubt", "a mapping with accelerators"),
    ("budget_usd_per_hour", 0, "budget_usd_per_hour", "above 0"),
    ("budget_usd_per_month", "lots", "budget_usd_per_month", "dollars per month"),
    ("at_most", {"providers": 1.5}, "at_most.providers", "a whole number"),
    ("at_most", {"clouds": 1}, "at_most.clouds", "no such field; known here: accelerators"),
    ("prefer", {"regions": ["eu-*"]}, "prefer.percent_dearer", "it is required: a percentage"),
    ("prefer", {"regions": [], "percent_dearer": 5}, "prefer.regions", "a list of region patterns"),
    ("current", {}, "current.fleet", "it is required: the path of a fleet file"),
    ("current", {"fleet": "f.yaml", "horizon_hours": 0}, "current.horizon_hours", "above 0"),
    ("carbon", {"most_kg_co2e_per_hour": 0}, "carbon.most_kg_co2e_per_hour", "above 0"),
    ("service__headroom", "lots", "service.headroom", "or auto"),
    ("service__min_replicas", -1, "service.min_replicas", "from 0 to 10,000"),
    ("service__weight", 0, "service.weight", "above 0"),
    ("service__network_ms", 50, "service.network_ms", "say where they are with users"),
    ("service__users", [{"at": "aws:eu-west-1", "share": 0.6}], "service.users", "they sum to 0.6"),
    ("service__users", [{"at": "a", "share": x} for x in (0.4, 0.6)], "service.users", "one entry per"),
    ("service__users", [{"at": "a", "share": 0}], "service.users[0].share", "above 0 and at most 1"),
    ("service__traffic", {"lora_adapters": 4}, "service.traffic", "go together"),
    ("service__traffic", {"prefix_cache_hit_rate": 1}, "service.traffic.prefix_cache_hit_rate", "to 0.99"),
    ("service__slo__further", [{"metric": "speed", "ms": 1, "statistic": "p99"}],
     "service.slo.further[0].metric", "tpot, ttft, e2e or itl"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field", "said"), BAD)
def test_a_slip_is_refused_by_field(tmp_path: Path, path: str, value: Any, field: str, said: str) -> None:
    with pytest.raises(InputFileError) as refused:
        load_service(written(tmp_path, document(**{path: value})))
    assert refused.value.field == field
    assert said in refused.value.allowed


def test_two_budgets_are_one_too_many(tmp_path: Path) -> None:
    content = document(budget_usd_per_hour=1, budget_usd_per_month=730)
    with pytest.raises(InputFileError, match="not both"):
        load_service(written(tmp_path, content))


def test_there_are_at_most_fifty_services(tmp_path: Path) -> None:
    content = document()
    service = content.pop("service")
    content["services"] = [copy.deepcopy(service) | {"name": f"service {number}"} for number in range(51)]
    with pytest.raises(InputFileError, match="1 to 50 services"):
        load_service(written(tmp_path, content))


# Headroom from bursts


def arrivals(per_window: list[int]) -> list[float]:
    """So many arrivals in each window, spread over it, and one at the end of the last."""
    times = [
        WINDOW_S * (window + (number / count) * 0.999)
        for window, count in enumerate(per_window)
        for number in range(count)
    ]
    return [*times, WINDOW_S * len(per_window)]


def test_headroom_is_what_the_mean_leaves_of_the_99th_percentile() -> None:
    """98 windows with 1 arrival, two with 5: mean 1.08, 99th of 100 ranked windows 5; 1 - 1.08 / 5."""
    found = burstiness(arrivals([1] * 98 + [5] * 2))
    assert found is not None
    assert found.windows == 100
    assert found.headroom == pytest.approx(1 - 1.08 / 5)


def test_steady_arrivals_need_no_headroom() -> None:
    found = burstiness(arrivals([3] * 200))
    assert found is not None
    assert found.headroom == 0


def test_a_short_trace_says_nothing() -> None:
    assert burstiness(arrivals([1] * (FEWEST_WINDOWS - 1))) is None
    assert burstiness([]) is None


@given(st.lists(st.integers(1, 9), min_size=FEWEST_WINDOWS, max_size=300))
def test_headroom_is_a_share_and_covers_99_windows_in_100(per_window: list[int]) -> None:
    found = burstiness(arrivals(per_window))
    assert found is not None
    assert 0 <= found.headroom < 1
    carried = found.mean_requests_per_s / (1 - found.headroom) * WINDOW_S
    assert sum(count > carried * (1 + 1e-9) for count in per_window) <= 0.01 * len(per_window)
