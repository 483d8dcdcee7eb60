"""Bad files the user hands in: file, field, value and what is allowed, in one line, and exit 2."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cli_harness import FIXTURES, call

if TYPE_CHECKING:
    from pathlib import Path

    from cli_harness import Said

REGION = ("--region", "aws:us-east-1")
GONE = object()

SERVICE: dict[str, Any] = yaml.safe_load((FIXTURES / "service" / "chat-on-demand.yaml").read_text())
ACCOUNT: dict[str, Any] = yaml.safe_load((FIXTURES / "account" / "small.yaml").read_text())
MELANGE: dict[str, Any] = {
    "gpu_info": {
        "A10G": {"cost": 1.01, "tputs": [[2.0, 1.0]]},
        "A100": {"cost": 3.67, "tputs": [[9.0, 5.0]]},
    },
    "workload_distribution": [[0.5, 0.5]],
    "total_request_rate": 8.0,
    "slice_factor": 2,
}


def spoilt(document: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """A copy with one field changed or taken away."""
    changed = copy.deepcopy(document)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed


def refused(said: Said, *words: str) -> None:
    assert said.code == 2, (said.code, said.out[:300], said.err)
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err


def as_yaml(tmp_path: Path, document: object) -> str:
    path = tmp_path / "given.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True))
    return str(path)


SERVICE_FAULTS: dict[str, tuple[tuple[Any, ...], object, str]] = {
    "missing model": (("service", "model"), GONE, "service.model"),
    "missing rate": (("service", "rate_requests_per_s"), GONE, "service.rate_requests_per_s"),
    "missing slo": (("service", "slo"), GONE, "service.slo"),
    "empty slo": (("service", "slo"), {}, "service.slo"),
    "negative rate": (("service", "rate_requests_per_s"), -1, "service.rate_requests_per_s"),
    "rate NaN": (("service", "rate_requests_per_s"), float("nan"), "service.rate_requests_per_s"),
    "infinite rate": (("service", "rate_requests_per_s"), float("inf"), "service.rate_requests_per_s"),
    "huge rate": (("service", "rate_requests_per_s"), 1e300, "service.rate_requests_per_s"),
    "rate in words": (("service", "rate_requests_per_s"), "lots", "service.rate_requests_per_s"),
    "rate yes": (("service", "rate_requests_per_s"), True, "service.rate_requests_per_s"),
    "negative TPOT": (("service", "slo", "tpot_ms"), -5, "service.slo.tpot_ms"),
    "TPOT NaN": (("service", "slo", "tpot_ms"), float("nan"), "service.slo.tpot_ms"),
    "headroom 1": (("service", "headroom"), 1.0, "service.headroom"),
    "statistic": (("service", "slo", "statistic"), "p100", "service.slo.statistic"),
    "precision": (("service", "precision"), "bf61", "service.precision"),
    "extra field": (("service", "tpot"), 60, "service.tpot"),
    "extra field at the top": (("region",), "us-east-1", "region"),
    "version": (("schema_version",), 2, "schema_version"),
    "market": (("markets",), ["reserved"], "markets"),
    "evidence": (("evidence",), "guessed", "evidence"),
    "price limit": (("max_usd_per_hour",), -1, "max_usd_per_hour"),
    "regions not a list": (("regions",), "us-east-1", "regions"),
    "service not a mapping": (("service",), [1], "service"),
}


@pytest.mark.parametrize("fault", SERVICE_FAULTS)
def test_a_bad_service_file_is_refused_by_field(tmp_path: Path, fault: str) -> None:
    path, value, field = SERVICE_FAULTS[fault]
    given = as_yaml(tmp_path, spoilt(SERVICE, path, value))
    refused(call("recommend", "--service", given), given, field)


@pytest.mark.parametrize(
    ("path", "value", "near"),
    [
        (("service", "model"), "Llama-3.1-9B", "Llama-3.1-8B"),
        (("service", "workload"), "sharegtp", "sharegpt"),
        (("regions",), ["us-eats-1"], "us-east-1"),
        (("providers",), ["asw"], "aws"),
        (("accelerators",), ["l40s-84gb"], "l40s-48gb"),
    ],
)
def test_a_slip_in_a_service_file_gets_the_nearest_name(
    tmp_path: Path, path: tuple[Any, ...], value: object, near: str
) -> None:
    refused(call("recommend", "--service", as_yaml(tmp_path, spoilt(SERVICE, path, value))), near)


ACCOUNT_FAULTS: dict[str, tuple[tuple[Any, ...], object, str]] = {
    "missing pool": (("quotas", 0, "pool"), GONE, "quotas[0].pool"),
    "missing limit": (("quotas", 0, "limit"), GONE, "quotas[0].limit"),
    "negative limit": (("quotas", 1, "limit"), -1, "quotas[1].limit"),
    "limit NaN": (("quotas", 1, "limit"), float("nan"), "quotas[1].limit"),
    "infinite limit": (("quotas", 1, "limit"), float("inf"), "quotas[1].limit"),
    "huge limit": (("quotas", 1, "limit"), 10**30, "quotas[1].limit"),
    "limit in words": (("quotas", 1, "limit"), "unlimited", "quotas[1].limit"),
    "limit yes": (("quotas", 1, "limit"), True, "quotas[1].limit"),
    "negative use": (("quotas", 0, "used"), -4, "quotas[0].used"),
    "wrong unit": (("quotas", 0, "unit"), "gpu", "quotas[0].unit"),
    "unknown unit": (("quotas", 0, "unit"), "cores", "quotas[0].unit"),
    "unknown pool": (("quotas", 0, "pool"), "L-DB2E81BB", "quotas[0].pool"),
    "unknown provider": (("quotas", 0, "provider"), "asw", "quotas[0].provider"),
    "unknown region": (("quotas", 0, "region"), "us-eats-1", "us-east-1"),
    "global where it is regional": (("quotas", 0, "region"), "global", "quotas[0].region"),
    "extra field": (("quotas", 0, "note"), "ask Bob", "quotas[0].note"),
    "no list": (("quotas",), {}, "quotas"),
    "no quotas": (("quotas",), GONE, "quotas"),
}


@pytest.mark.parametrize("fault", ACCOUNT_FAULTS)
def test_a_bad_account_file_is_refused_by_field(tmp_path: Path, fault: str) -> None:
    path, value, field = ACCOUNT_FAULTS[fault]
    given = as_yaml(tmp_path, spoilt(ACCOUNT, path, value))
    refused(call("recommend", *REGION, "--quota", given), given, field)


def test_the_account_of_the_home_is_refused_alike(home: Path) -> None:
    (home / "account.yaml").write_text("quotas: [{provider: aws}]")
    refused(call("recommend", *REGION), "account.yaml", "quotas[0]")


def test_the_account_of_the_home_is_used(home: Path) -> None:
    (home / "account.yaml").write_bytes((FIXTURES / "account" / "small.yaml").read_bytes())
    plan = json.loads(call("recommend", *REGION, "--rate", "2", "--format", "json").out)
    assert plan["inputs"]["account_sha256"] is not None


MELANGE_FAULTS: dict[str, tuple[tuple[Any, ...], object, str]] = {
    "missing GPUs": (("gpu_info",), GONE, "gpu_info"),
    "no GPUs": (("gpu_info",), {}, "gpu_info"),
    "missing cost": (("gpu_info", "A10G", "cost"), GONE, "A10G"),
    "negative cost": (("gpu_info", "A10G", "cost"), -1, "A10G"),
    "cost NaN": (("gpu_info", "A10G", "cost"), float("nan"), "A10G"),
    "huge cost": (("gpu_info", "A10G", "cost"), 1e300, "A10G"),
    "negative throughput": (("gpu_info", "A100", "tputs"), [[-1, 1]], "A100"),
    "throughput NaN": (("gpu_info", "A100", "tputs"), [[float("nan"), 1]], "A100"),
    "throughput in words": (("gpu_info", "A100", "tputs"), [["fast", 1]], "A100"),
    "another shape": (("gpu_info", "A100", "tputs"), [[1.0]], "A100"),
    "missing workload": (("workload_distribution",), GONE, "workload_distribution"),
    "negative share": (("workload_distribution",), [[-0.5, 1.5]], "workload_distribution"),
    "negative rate": (("total_request_rate",), -1, "total_request_rate"),
    "infinite rate": (("total_request_rate",), float("inf"), "total_request_rate"),
    "huge rate": (("total_request_rate",), 1e300, "total_request_rate"),
    "slice factor 0": (("slice_factor",), 0, "slice_factor"),
    "half a slice": (("slice_factor",), 1.5, "slice_factor"),
    "huge slice factor": (("slice_factor",), 10**12, "slice_factor"),
    "negative stock": (("gpu_info", "A10G", "max_count"), -1, "max_count"),
}


@pytest.mark.parametrize("fault", MELANGE_FAULTS)
def test_a_bad_melange_config_is_refused_by_field(tmp_path: Path, fault: str) -> None:
    path, value, field = MELANGE_FAULTS[fault]
    given = tmp_path / "given.json"
    given.write_text(json.dumps(spoilt(MELANGE, path, value)))
    refused(call("solve", str(given)), str(given), field)


TRACES: dict[str, tuple[str, str, str]] = {
    "negative": ("t.csv", "input_tokens,output_tokens\n10,5\n-3,5\n", "-3"),
    "NaN": ("t.csv", "input_tokens,output_tokens\nnan,5\n", "nan"),
    "huge": ("t.csv", "input_tokens,output_tokens\n1e30,5\n", "1e30"),
    "words": ("t.csv", "input_tokens,output_tokens\nmany,5\n", "many"),
    "missing value": ("t.csv", "input_tokens,output_tokens\n,5\n", "input_tokens"),
    "missing column": ("t.csv", "input_tokens,colour\n10,5\n", "t.csv"),
    "header only": ("t.csv", "input_tokens,output_tokens\n", "t.csv"),
    "empty": ("t.csv", "", "t.csv"),
    "not JSON": ("t.jsonl", "hello\n", "t.jsonl"),
    "another shape": ("t.jsonl", "[1, 2]\n", "t.jsonl"),
    "bytes": ("t.csv", "input_tokens,output_tokens\n\x00\x00,5\n", "t.csv"),
}


@pytest.mark.parametrize("fault", TRACES)
@pytest.mark.parametrize("command", [("workload", "fit"), ("recommend", *REGION, "--workload")])
def test_a_bad_trace_is_refused_by_file_and_value(
    tmp_path: Path, fault: str, command: tuple[str, ...]
) -> None:
    name, content, word = TRACES[fault]
    (tmp_path / name).write_text(content)
    refused(call(*command, str(tmp_path / name)), name, word)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "just words", "a: [", "{", "&a [*a, *a]", "a: 1\na: 2", "\x00", "- - - -"],
)
@pytest.mark.parametrize(
    "words",
    [("recommend", "--service"), ("recommend", *REGION, "--quota"), ("recommend", *REGION, "--workload")],
    ids=["service", "quota", "workload"],
)
def test_what_is_no_such_file_at_all_is_refused(tmp_path: Path, words: tuple[str, ...], content: str) -> None:
    path = tmp_path / "junk.yaml"
    path.write_text(content)
    refused(call(*words, str(path)), "junk.yaml")


@pytest.mark.parametrize("name", ["missing.yaml", ".", "not/there.json"])
@pytest.mark.parametrize("option", ["--service", "--quota"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, option: str, name: str) -> None:
    refused(call("recommend", *REGION, option, str(tmp_path / name)), str(tmp_path))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: \xff\xfe\xe9")
    refused(call("recommend", "--service", str(path)), "latin.yaml")
