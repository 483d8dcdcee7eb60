"""gpuhunt's catalogue: the long tail of providers, row by row, and nothing guessed where it is ambiguous."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import NOW
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replay_cloud import replaying

from advisor.domain import Market
from advisor.errors import InputFileError, PayloadError
from advisor.provider import Answer, Scope
from providers import gpuhunt_catalog
from providers._gpuhunt_chips import ALIASES, NO_SUCH_ID, _form
from providers.gpuhunt_catalog import IN_CATALOG, NATIVE, GpuHunt, _List, parse_catalog, version_of

VERSION = "20261121-812"
DAY = datetime(2026, 11, 21, tzinfo=UTC)
COLUMNS = (
    "instance_name",
    "location",
    "price",
    "cpu",
    "memory",
    "gpu_count",
    "gpu_name",
    "gpu_memory",
    "spot",
    "disk_size",
    "gpu_vendor",
    "flags",
    "cpu_arch",
    "provider_data",
)


def a_row(**changed):
    """One row as the package writes it: 8 x H100 SXM at Nebius."""
    return {
        "instance_name": "gpu-h100-sxm 8gpu-128vcpu-1600gb",
        "location": "eu-north1",
        "price": "23.6",
        "cpu": "128",
        "memory": "1600.0",
        "gpu_count": "8",
        "gpu_name": "H100",
        "gpu_memory": "80.0",
        "spot": "False",
        "disk_size": "",
        "gpu_vendor": "nvidia",
        "flags": "",
        "cpu_arch": "x86",
        "provider_data": "{}",
        **changed,
    }


def packed(provider, *rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    return zipped(f"{provider}.csv", text.getvalue().encode("utf-8", "surrogatepass"))


def zipped(name, content, method=zipfile.ZIP_DEFLATED):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr(name, content)
    return archive.getvalue()


def read(*rows, provider="nebius", scope=None):
    """Offers by id, and rejections."""
    reading = parse_catalog(_List(provider, VERSION, DAY), packed(provider, *rows), scope or Scope())
    return {priced.offer.id: priced.offer for priced in reading.offers}, reading.rejections


def only(*rows, **more):
    offers, rejections = read(*rows, **more)
    assert not rejections
    (offer,) = offers.values()
    return offer


def test_a_row_becomes_an_offer_of_the_provider_it_is_about():
    offer = only(a_row())
    assert (offer.provider, offer.region, offer.instance_type) == (
        "nebius",
        "eu-north1",
        "gpu-h100-sxm_8gpu-128vcpu-1600gb",
    )
    assert (offer.accelerator, offer.accelerators) == ("h100-sxm-80gb", 8)
    assert (offer.market, offer.usd_per_hour) == (Market.ON_DEMAND, Decimal("23.6"))
    assert (offer.vcpus, offer.memory_gib) == (128, 1600.0)
    assert offer.collected_at == DAY
    assert offer.source == "gpuhunt catalog v3 nebius"


def test_the_evidence_is_the_row_as_published_and_the_version_it_was_in():
    reading = parse_catalog(_List("nebius", VERSION, DAY), packed("nebius", a_row()), Scope())
    (content,) = reading.evidence.values()
    assert json.loads(content) == {"provider": "nebius", "version": VERSION, **a_row()}


def test_the_price_is_the_number_written_and_no_float():
    assert only(a_row(price="1.23456789")).usd_per_hour == Decimal("1.23456789")
    assert only(a_row(price="0.30000000000000004")).usd_per_hour == Decimal("0.3")
    assert only(a_row(price="2e1")).usd_per_hour == Decimal(20)


@pytest.mark.parametrize("price", ["0", "0.0", "-1", "nan", "inf", "", "free", "1e400", "0.000000001"])
def test_no_price_is_no_offer(price):
    offers, (rejection,) = read(a_row(price=price))
    assert not offers
    assert rejection.reason == "price_missing"


@pytest.mark.parametrize(
    ("provider", "changed", "accelerator"),
    [
        ("verda", {"instance_name": "8A100.176V", "gpu_name": "A100"}, "a100-sxm-80gb"),
        (
            "verda",
            {"instance_name": "1A100.40S.22V", "gpu_name": "A100", "gpu_memory": "40.0"},
            "a100-sxm-40gb",
        ),
        ("azure", {"instance_name": "Standard_NC40ads_H100_v5", "gpu_memory": "94.0"}, "h100-nvl-94gb"),
        ("nebius", {"gpu_name": "B200", "gpu_memory": "180.0"}, "b200-sxm-180gb"),
        ("nebius", {"gpu_name": "B300", "gpu_memory": "270.0"}, "b300-sxm-288gb"),
        ("nebius", {"gpu_name": "RTXPRO6000", "gpu_memory": "96.0"}, "rtx-pro-6000-96gb"),
        ("oci", {"instance_name": "BM.GPU.L40S.4", "gpu_name": "L40S", "gpu_memory": "48.0"}, "l40s-48gb"),
    ],
)
def test_name_memory_and_form_make_the_accelerator(provider, changed, accelerator):
    assert only(a_row(**changed), provider=provider).accelerator == accelerator


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"instance_name": "big-one"}, "unknown_accelerator"),  # H100, but SXM or PCIe?
        ({"instance_name": "BM.GPU.H100.8"}, "unknown_accelerator"),  # no source for the form
        ({"gpu_name": "X999"}, "unknown_accelerator"),
        ({"gpu_name": "A16", "gpu_memory": "16.0"}, "unknown_accelerator"),
        ({"gpu_name": ""}, "unknown_accelerator"),
        ({"gpu_memory": ""}, "memory_mismatch"),
        ({"gpu_memory": "0"}, "memory_mismatch"),
        ({"gpu_memory": "81920"}, "memory_mismatch"),  # MiB (W26)
        ({"gpu_name": "MI325X", "gpu_memory": "288.0", "gpu_vendor": "amd"}, "memory_mismatch"),  # it has 256
        ({"gpu_name": "V100", "gpu_memory": "32.0", "instance_name": "v100-pcie"}, "unknown_accelerator"),
        ({"gpu_count": "-1"}, "malformed_item"),
        ({"gpu_count": "8.5"}, "malformed_item"),
        ({"location": "x" * 200}, "malformed_item"),
        ({"instance_name": "=1+1"}, "malformed_item"),
        ({"spot": "perhaps"}, "malformed_item"),
        ({"provider_data": "{"}, "malformed_item"),
        ({"flags": "gcp-dws-calendar-mode"}, "reservation_term"),
        ({"flags": "runpod-cluster"}, "other_product"),
    ],
)
def test_what_cannot_be_told_for_certain_is_a_rejection(changed, reason):
    offers, (rejection,) = read(a_row(**changed))
    assert not offers
    assert rejection.reason == reason


def test_spot_is_told_apart_and_so_is_a_price_that_was_computed():
    assert only(a_row(spot="True")).market is Market.SPOT
    a10 = {"instance_name": "VM.GPU.A10.1", "gpu_name": "A10", "gpu_memory": "24.0", "gpu_count": "1"}
    row = a_row(**a10, spot="True", flags="oci-spot")
    assert only(row, provider="oci").price_basis == "half_of_list"


def test_machines_without_a_gpu_are_counted_once():
    offers, (rejection,) = read(a_row(gpu_count="0", gpu_name=""), a_row(gpu_count="0", location="b"))
    assert not offers
    assert (rejection.reason, rejection.detail) == ("no_accelerator", "2 rows")


def test_one_price_for_one_gpu_and_for_eight_is_a_conflict():
    one = a_row(instance_name="gpu-h100-sxm 1gpu", gpu_count="1", price="2.95")
    eight = a_row(price="2.95")
    offers, (rejection,) = read(one, eight)
    assert list(offers) == ["nebius:eu-north1:gpu-h100-sxm_1gpu:on_demand"]
    assert rejection.reason == "price_conflict"
    assert "per GPU" in rejection.detail


@pytest.mark.parametrize("provider", ["scaleway", "seeweb"])
def test_a_price_that_may_not_be_dollars_is_refused(provider):
    offers, (rejection,) = read(a_row(), provider=provider)
    assert not offers
    assert rejection.reason == "foreign_currency"


def test_forms_are_those_of_the_shipped_instance_types():
    """Where a rule speaks of an A100, H100 or V100 we know the shape of, it says what the catalog says."""
    chip = re.compile(r"(?:a100|h100|v100)-(sxm|pcie|nvl)-\d+gb")
    path = Path(gpuhunt_catalog.__file__).parents[1] / "catalogs" / "instance_types.csv"
    with path.open() as file:
        rows = [(row, chip.fullmatch(row["accelerator"])) for row in csv.DictReader(file)]
    said = {(row["provider"], row["instance_type"]): found[1] for row, found in rows if found}
    ours = {place: form for place in said if (form := _form(*place)) is not None}
    assert len(ours) > 20
    assert ours == {place: said[place] for place in ours}


def test_google_zones_become_zone_and_region():
    offer = only(a_row(instance_name="a3-highgpu-8g", location="us-central1-a"), provider="gcp")
    assert (offer.region, offer.zone) == ("us-central1", "us-central1-a")


def test_a_scope_is_kept():
    rows = (a_row(), a_row(location="us-central1"), a_row(spot="True"))
    assert len(read(*rows)[0]) == 3
    assert list(read(*rows, scope=Scope(regions=("nebius:us-*",)))[0]) == [
        "nebius:us-central1:gpu-h100-sxm_8gpu-128vcpu-1600gb:on_demand"
    ]
    assert len(read(*rows, scope=Scope(markets=(Market.SPOT,)))[0]) == 1


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"PK\x03\x04",
        b"<html>",
        None,
        {"a": 1},
        zipped("other.csv", b"instance_name\n"),
        zipped("nebius.csv", b"\xff\xfe\x00"),
        zipped("nebius.csv", b"a,b\n1,2\n"),
        zipped("nebius.csv", b"x", zipfile.ZIP_LZMA),
        zipped("nebius.csv", ",".join(COLUMNS).encode() + b'\n"' + b"x" * 200_000),
    ],
)
def test_what_is_no_catalogue_is_a_payload_error(payload):
    with pytest.raises(PayloadError, match="not whole"):
        parse_catalog(_List("nebius", VERSION, DAY), payload, Scope())


def test_an_archive_that_unpacks_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(gpuhunt_catalog, "MOST_BYTES", 10_000)
    with pytest.raises(PayloadError, match="not whole"):
        parse_catalog(_List("nebius", VERSION, DAY), zipped("nebius.csv", b"0" * 10**7), Scope())


def test_the_version_is_the_stamp():
    assert version_of("verda", b"20261121-812\n", NOW) == (VERSION, DAY)


@pytest.mark.parametrize(
    "stated",
    [b"", b"latest", b"20261123-1", b"20261321-1", b"2026-11-21", b"../x", b"20261121-1/../../x", None],
)
def test_no_other_version_is_followed_nor_one_of_a_day_to_come(stated):
    with pytest.raises(PayloadError, match="version of verda"):
        version_of("verda", stated, NOW)


def test_native_adapters_win_unless_others_are_asked_for():
    asked = []

    def fetch(operation, **args):
        asked.append(args["provider"])
        return Answer(VERSION.encode() if operation == "version" else packed(args["provider"]))

    GpuHunt(fetch).collect(Scope(), NOW)
    assert set(asked) == {"cloudrift", "nebius", "oci", "verda"} == set(IN_CATALOG) - NATIVE
    assert GpuHunt.from_env({"ADVISOR_GPUHUNT_PROVIDERS": "aws, OCI"})._providers == ("aws", "oci")
    with pytest.raises(InputFileError, match="ADVISOR_GPUHUNT_PROVIDERS"):
        GpuHunt.from_env({"ADVISOR_GPUHUNT_PROVIDERS": "vultr"})


def test_one_list_that_fails_costs_only_its_own_rows():
    def fetch(operation, **args):
        if operation == "version":
            return Answer(VERSION.encode())
        if args["provider"] == "oci":
            return Answer(b"broken")
        return Answer(packed(args["provider"], a_row()))

    found = GpuHunt(fetch).collect(Scope(), NOW)
    assert {priced.offer.provider for priced in found.offers} == {"cloudrift", "nebius", "verda"}
    assert [r.subject for r in found.rejections if r.reason == "fetch_failed"] == ["catalog of oci"]


def test_a_version_fetched_once_is_not_fetched_again(environ_for):
    with replaying("gpuhunt", "typical", NOW.timestamp()) as (url, replay):
        for _ in range(2):
            GpuHunt.from_env(environ_for("gpuhunt", url)).collect(Scope(), NOW)
        assert len(replay.requests) == 8


def test_the_names_and_the_address_are_those_of_the_package():
    from gpuhunt import KNOWN_ACCELERATORS
    from gpuhunt._internal.catalog import CATALOG_URL, OFFLINE_PROVIDERS

    assert set(IN_CATALOG) == set(OFFLINE_PROVIDERS)
    assert gpuhunt_catalog.CATALOG_URL == CATALOG_URL
    known = {accelerator.name for accelerator in KNOWN_ACCELERATORS}
    assert set(ALIASES) <= known


def test_every_alias_is_an_accelerator_of_the_catalog():
    from advisor.catalog.facts import load_facts

    ids = {one for candidates in ALIASES.values() for one in candidates} - NO_SUCH_ID
    assert ids <= set(load_facts().accelerators)


def test_importing_the_adapter_imports_neither_the_package_nor_requests():
    code = "import sys, providers.gpuhunt_catalog; print({'gpuhunt', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


EXAMPLES = int(os.environ.get("ADVISOR_FUZZ_EXAMPLES", "300"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="ADVISOR_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
CELLS = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "8",
        "1e999",
        "nan",
        "H100",
        "A100",
        "80.0",
        "True",
        "=1+1",
        "\x00",
        "é",
        "{}",
        "[1]",
    ]
) | st.text(max_size=12)
ROWS = st.lists(st.dictionaries(st.sampled_from(COLUMNS), CELLS, max_size=4), min_size=1, max_size=4)


@fuzzed
@given(ROWS)
def test_a_mutated_list_gives_rows_or_rejections_and_invents_nothing(changes):
    rows = [a_row(**changed) for changed in changes]
    try:
        reading = parse_catalog(_List("nebius", VERSION, DAY), packed("nebius", *rows), Scope())
    except PayloadError:
        return
    for priced in reading.offers:
        row = json.loads(reading.evidence[priced.evidence_digest])
        offer = priced.offer
        assert offer.usd_per_hour == Decimal(row["price"].strip()).quantize(Decimal("1E-8"))
        assert offer.accelerators == int(row["gpu_count"])
        assert (offer.market is Market.SPOT) == (row["spot"].lower() == "true")
        assert offer.accelerator in {one for alias, ids in ALIASES.items() for one in ids
                                     if alias.casefold() == row["gpu_name"].casefold()}  # fmt: skip
        assert offer.collected_at == DAY
    counted = [r for r in reading.rejections if r.reason == "no_accelerator"]
    without = int(counted[0].detail.split()[0]) if counted else 0
    assert len(reading.offers) + len(reading.rejections) - len(counted) + without >= len(rows)


@fuzzed
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6), st.integers(0, 10**6))
def test_a_damaged_archive_is_a_payload_error_or_whole(edits, cut):
    content = bytearray(packed("nebius", a_row(), a_row(location="us-central1")))
    for at, byte in edits:
        content[at % len(content)] = byte
    if cut % 3 == 0:
        content = content[: cut % len(content)]
    try:
        parse_catalog(_List("nebius", VERSION, DAY), bytes(content), Scope())
    except PayloadError:
        return
