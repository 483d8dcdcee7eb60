"""The account file: strict, since a misread line would let a plan break a quota."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import jsonschema
import pytest
from catalog_builders import write_facts
from hypothesis import given
from hypothesis import strategies as st

from advisor.catalog.account import account_json_schema, default_account_path, load_account
from advisor.catalog.facts import Facts, load_facts
from advisor.domain import QuotaLimit, QuotaUnit
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
quotas:
  - {provider: aws, region: us-east-1, pool: L-417A185B, unit: vcpu, limit: 384, used: 192}
  - {provider: gcp, region: global, pool: GPUS_ALL_REGIONS, unit: gpu, limit: 16}
  - {provider: gcp, region: us-central1, pool: NVIDIA_L4_GPUS, unit: gpu, limit: 8, used: 0}
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return load_facts(write_facts(tmp_path_factory.mktemp("facts")))


def written(folder: Path, text: str, name: str = "account.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_limits_are_read_with_what_is_used(tmp_path: Path, facts: Facts) -> None:
    account = load_account(written(tmp_path, GOOD), facts)
    assert account.limits == (
        QuotaLimit("aws", "us-east-1", "L-417A185B", QuotaUnit.VCPU, Decimal(384), Decimal(192)),
        QuotaLimit("gcp", "global", "GPUS_ALL_REGIONS", QuotaUnit.GPU, Decimal(16), Decimal(0)),
        QuotaLimit("gcp", "us-central1", "NVIDIA_L4_GPUS", QuotaUnit.GPU, Decimal(8), Decimal(0)),
    )
    assert account.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert account.warnings == ()


def test_json_says_the_same(tmp_path: Path, facts: Facts) -> None:
    line = {
        "provider": "aws",
        "region": "us-east-1",
        "pool": "L-417A185B",
        "unit": "vcpu",
        "limit": 384,
        "used": 192,
    }
    path = written(tmp_path, json.dumps({"quotas": [line]}), "account.json")
    assert load_account(path, facts).limits == load_account(written(tmp_path, GOOD), facts).limits[:1]


def test_using_more_than_the_limit_leaves_nothing_free_and_says_so(tmp_path: Path, facts: Facts) -> None:
    account = load_account(written(tmp_path, GOOD.replace("used: 192", "used: 400")), facts)
    assert account.limits[0].free == 0
    assert account.warnings == ("aws:us-east-1:L-417A185B: 400 used of 384: nothing is free.",)


def test_names_are_found_whatever_their_case_and_kept_as_the_provider_writes_them(
    tmp_path: Path, facts: Facts
) -> None:
    text = GOOD.replace("aws", "AWS").replace("L-417A185B", "l-417a185b").replace("us-east-1", "US-East-1")
    assert load_account(written(tmp_path, text), facts).limits[0].key == "aws:us-east-1:L-417A185B"


@pytest.mark.parametrize(
    ("old", "new", "field", "complaint"),
    [
        ("limit: 384", "limit: -1", "quotas[0].limit", "-1 is not allowed; a number of units from 0"),
        ("limit: 384", "limit: .nan", "quotas[0].limit", "nan is not allowed; a number of units"),
        ("limit: 384", "limit: .inf", "quotas[0].limit", "inf is not allowed; a number of units"),
        ("limit: 384", "limit: 1.0e+300", "quotas[0].limit", "1.0E+300 is not allowed; a number of units"),
        ("limit: 384", "limit: many", "quotas[0].limit", "'many' is not allowed; a number of units"),
        ("limit: 384", "limit: true", "quotas[0].limit", "not allowed; a number of units"),
        ("limit: 384", "limit: [1]", "quotas[0].limit", "[1] is not allowed; a number of units"),
        ("limit: 384", "limit:", "quotas[0].limit", "None is not allowed; a number of units"),
        ("limit: 384, ", "", "quotas[0].limit", "None is not allowed; it is required: a number of units"),
        ("used: 0", "used: -0.5", "quotas[2].used", "-0.5 is not allowed"),
        ("used: 0", "usd: 0", "quotas[2].usd", "no such field; known here: provider, region, pool"),
        ("unit: vcpu", "unit: cores", "quotas[0].unit", "'cores' is not allowed; one of vcpu, gpu, instance"),
        ("unit: vcpu", "unit: gpu", "quotas[0].unit", "L-417A185B counts in vcpu"),
        ("provider: aws", "provider: asw", "quotas[0].provider", "'asw' is not allowed; did you mean aws"),
        ("us-east-1", "us-eest-1", "quotas[0].region", "did you mean us-east-1"),
        ("us-east-1", "us-central1", "quotas[0].region", "'us-central1' is not allowed"),
        ("us-east-1", "global", "quotas[0].region", "counts per region"),
        ("region: global", "region: us-central1", "quotas[1].region", "counts across regions: write global"),
        ("L-417A185B", "L-417A185C", "quotas[0].pool", "did you mean L-417A185B"),
        ("NVIDIA_L4_GPUS", "L-417A185B", "quotas[2].pool", "'L-417A185B' is not allowed"),
        ("NVIDIA_L4_GPUS", "12", "quotas[2].pool", "12 is not allowed"),
        ("quotas:", "quota:", "quotas", "it is required: a list of quota lines"),
        ("quotas:", "more: 1\nquotas:", "more", "known here: quotas"),
    ],
)
def test_a_bad_field_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, facts: Facts, old: str, new: str, field: str, complaint: str
) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputFileError) as refusal:
        load_account(path, facts)
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{path}: {field}: ")
    assert complaint in str(refusal.value)
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.yaml", b"", "None; a mapping with the keys quotas"),
        ("a.yaml", b"- 1\n", "[1]; a mapping with the keys quotas"),
        ("a.yaml", b"quotas: 3\n", "quotas: 3 is not allowed; a list of quota lines"),
        ("a.yaml", b"quotas: [aws]\n", "quotas[0]: 'aws' is not allowed; a mapping with the keys"),
        ("a.yaml", b"quotas: [\n", "line 2: "),
        (
            "a.yaml",
            b"quotas: []\nquotas: []\n",
            "line 2: 'quotas: []' is not allowed; the file must be YAML: key 'quotas' is there twice",
        ),
        ("a.yaml", b"a: &a [1]\nquotas: *a\n", "aliases"),
        ("a.yaml", b"quotas: !!python/object:os.system {}\n", "the file must be YAML"),
        ("a.yaml", b"\xff\xfe\x00", "byte 0: b'\\xff' is not allowed; UTF-8 text"),
        ("a.yaml", b"quotas: " + b"[" * 5000, "the file must be YAML"),
        ("a.yaml", b"quotas: {? [a, b] : 1}\n", "the file must be YAML"),
        ("a.json", b"{", "line 1, column 2: "),
        ("a.json", b'{"quotas": [], "quotas": []}', "quotas: [] is not allowed; key 'quotas' is there twice"),
        ("a.json", b"[" * 100_000, "nested too deeply; values nested up to 20 levels"),
        ("a.yaml", b"#" * (4 * 2**20 + 1), "an account file is far smaller"),
    ],
)
def test_a_file_that_is_no_account_is_refused(
    tmp_path: Path, facts: Facts, name: str, content: bytes, complaint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputFileError) as refusal:
        load_account(path, facts)
    assert complaint in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_nan_in_json_is_refused(tmp_path: Path, facts: Facts) -> None:
    text = json.dumps({"quotas": [LINE | {"limit": float("nan")}]})
    assert "NaN" in text
    with pytest.raises(InputFileError, match=r"quotas\[0\]\.limit: nan is not allowed"):
        load_account(written(tmp_path, text, "a.json"), facts)


def test_a_pool_given_twice_is_refused(tmp_path: Path, facts: Facts) -> None:
    again = "  - {provider: AWS, region: us-east-1, pool: l-417a185b, unit: vcpu, limit: 9}\n"
    with pytest.raises(InputFileError, match=r"quotas\[3\]\.pool: .*one line per pool"):
        load_account(written(tmp_path, GOOD + again), facts)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, facts: Facts) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputFileError, match="a readable file is needed"):
            load_account(path, facts)


def test_the_default_account_is_there_or_not(tmp_path: Path) -> None:
    assert default_account_path(tmp_path) is None
    assert default_account_path(written(tmp_path, GOOD).parent) == tmp_path / "account.yaml"


LINE = {"provider": "aws", "region": "us-east-1", "pool": "L-417A185B", "unit": "vcpu", "limit": 384}


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    schema = account_json_schema()
    jsonschema.validate({"quotas": [LINE]}, schema)
    for wrong in ({**LINE, "limit": -1}, {**LINE, "unit": "cores"}, {**LINE, "extra": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"quotas": [wrong]}, schema)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_free_is_never_negative_and_never_above_the_limit(limit: int, used: int) -> None:
    held = QuotaLimit("aws", "us-east-1", "L-1", QuotaUnit.VCPU, Decimal(limit), Decimal(used))
    assert held.free == (limit - used if used <= limit else 0)
