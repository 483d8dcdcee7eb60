"""Traffic in workload files: stated or off, written back unchanged, refused where it cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from advisor.documents.records import check
from advisor.domain import PLAIN_TRAFFIC, Traffic, Workload
from advisor.errors import InputFileError
from advisor.workload.workload_file import (
    WorkloadRecord,
    read_workload_file,
    workload_document,
    workload_yaml,
)

if TYPE_CHECKING:
    from pathlib import Path

BUCKET = {
    "input_tokens_min": 0,
    "input_tokens_max": 100,
    "output_tokens_min": 0,
    "output_tokens_max": 50,
    "share": 1,
}

adapters = st.one_of(st.just((0, 0)), st.tuples(st.integers(1, 10_000), st.integers(1, 4096)))
traffics = st.builds(
    lambda hits, hidden, lora, cv: Traffic(hits, hidden, *lora, cv),
    st.floats(0, 0.99), st.floats(0, 100_000), adapters, st.floats(0, 100),
)  # fmt: skip


def a_workload(traffic: Any) -> Workload:
    document = {"buckets": [BUCKET]} | ({} if traffic is None else {"traffic": traffic})
    return check(WorkloadRecord, document, "f").workload()


def test_what_is_not_stated_is_off() -> None:
    assert a_workload(None).traffic == PLAIN_TRAFFIC == Traffic()
    assert a_workload({}).traffic.is_plain
    assert a_workload({"reasoning_tokens": 300}).traffic == Traffic(reasoning_tokens=300)


@given(traffics)
def test_written_traffic_reads_back_unchanged(traffic: Traffic) -> None:
    stated = {name: getattr(traffic, name) for name in Traffic.__slots__}
    workload = a_workload(stated)
    assert workload.traffic == traffic
    for document in (
        yaml.safe_load(workload_yaml(workload)),
        json.loads(json.dumps(workload_document(workload))),
    ):
        assert check(WorkloadRecord, document, "f").workload() == workload


def test_plain_traffic_is_not_written() -> None:
    assert "traffic" not in workload_document(a_workload(None))
    assert "traffic" not in workload_yaml(a_workload(None))


@pytest.mark.parametrize(
    ("traffic", "field"),
    [
        ({"prefix_cache_hit_rate": 1}, "traffic.prefix_cache_hit_rate"),
        ({"prefix_cache_hit_rate": 0.999}, "traffic.prefix_cache_hit_rate"),
        ({"reasoning_tokens": -5}, "traffic.reasoning_tokens"),
        ({"lora_adapters": 2.5, "lora_rank": 8}, "traffic.lora_adapters"),
        ({"lora_adapters": 2}, "traffic"),
        ({"arrival_cv": "bursty"}, "traffic.arrival_cv"),
        ({"cache_hits": 0.5}, "traffic.cache_hits"),
        ("chat", "traffic"),
    ],
)
def test_bad_traffic_is_refused_with_its_field(traffic: Any, field: str, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"buckets": [BUCKET], "traffic": traffic}), encoding="utf-8")
    with pytest.raises(InputFileError) as refused:
        read_workload_file(path)
    assert refused.value.field == field
