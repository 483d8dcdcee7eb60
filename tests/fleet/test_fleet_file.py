"""The fleet file: what is written is read back, and what is not a fleet is refused by field."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from fleet_samples import imported
from hypothesis import given
from hypothesis import strategies as st

from advisor.cli.schema import Kind, json_schema
from advisor.domain import Market
from advisor.errors import InputFileError
from advisor.fleet import Fleet, HeldLine, Unrecognised, read_fleet
from advisor.fleet.fleet import merged
from advisor.fleet.fleet_file import fleet_document, fleet_yaml
from advisor.text import printable

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(printable)
_LINES = st.builds(
    HeldLine,
    provider=_WORDS,
    region=_WORDS,
    zone=st.none() | _WORDS,
    instance_type=_WORDS | st.sampled_from(["1e3", "no", "0x10", "~", "[]", "a: b", "#", "2026-11-22"]),
    market=st.sampled_from(Market),
    instances=st.integers(1, 1000),
    usd_per_hour_each=st.none() | st.decimals("0.0001", "1000", places=4),
)
_UNKNOWN = st.builds(Unrecognised, what=_WORDS, instances=st.none() | st.integers(0, 9), why=_WORDS)


@given(st.lists(_LINES, max_size=5), st.lists(_UNKNOWN, max_size=3), st.sampled_from([".yaml", ".json"]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[HeldLine],
    unknown: list[Unrecognised],
    ending: str,
) -> None:
    fleet = Fleet(merged(lines), tuple(unknown), "a test", "")
    path = tmp_path_factory.getbasetemp() / f"fleet{ending}"
    path.write_text(fleet_yaml(fleet) if ending == ".yaml" else json.dumps(fleet_document(fleet)))
    read = read_fleet(path)
    assert (set(read.lines), read.unknown, read.source) == (set(fleet.lines), fleet.unknown, "a test")


def test_lines_of_one_offer_and_price_are_one() -> None:
    line = HeldLine("aws", "us-east-1", None, "g6.xlarge", Market.SPOT, 2, Decimal("0.3"))
    dearer = HeldLine("aws", "us-east-1", None, "g6.xlarge", Market.SPOT, 1, Decimal("0.4"))
    assert [(one.instances, one.usd_per_hour_each) for one in merged([line, dearer, line])] == [
        (4, Decimal("0.3")),
        (1, Decimal("0.4")),
    ]


@pytest.mark.parametrize("name", ["terraform.tfstate", "sky_status.json", "nodes.json", "fleet.csv"])
def test_every_written_fleet_validates_against_the_schema(name: str) -> None:
    jsonschema.validate(fleet_document(imported(name).fleet), json_schema(Kind.FLEET))


_LINE: dict[str, Any] = {
    "provider": "aws",
    "region": "us-east-1",
    "instance_type": "g6.xlarge",
    "market": "spot",
    "instances": 1,
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "plan"}, "kind"),
        ({"schema_version": 2}, "schema_version"),
        ({"linse": []}, "linse"),
        ({"lines": None}, "lines"),
        ({"lines": [{**_LINE, "market": "leased"}]}, "lines[0].market"),
        ({"lines": [{**_LINE, "instances": 0}]}, "lines[0].instances"),
        ({"lines": [{**_LINE, "instances": True}]}, "lines[0].instances"),
        ({"lines": [{**_LINE, "usd_per_hour_each": True}]}, "lines[0].usd_per_hour_each"),
        ({"lines": [{**_LINE, "usd_per_hour_each": "0"}]}, "lines[0].usd_per_hour_each"),
        ({"lines": [{**_LINE, "region": ""}]}, "lines[0].region"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps({"schema_version": 1, "kind": "fleet", "lines": [_LINE]} | change))
    with pytest.raises(InputFileError) as refused:
        read_fleet(path)
    assert refused.value.field == field
