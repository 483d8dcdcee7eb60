"""Facts: files in, names out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from catalog_builders import write_facts

from advisor.catalog.facts import Facts, load_facts
from advisor.domain import Market, QuotaUnit
from advisor.errors import DataError, UnknownName, UsageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return load_facts(write_facts(tmp_path))


def ids(facts: Facts, pattern: str) -> list[str]:
    return [chip.id for chip in facts.accelerators_matching(pattern)]


H100S = ["h100-nvl-94gb", "h100-pcie-80gb", "h100-sxm-80gb"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("h100-sxm-80gb", ["h100-sxm-80gb"]),
        ("H100-SXM-80GB", ["h100-sxm-80gb"]),
        ("H100", H100S),
        ("h100-*", H100S),
        ("NVIDIA H100", H100S),
        ("H100-80GB", ["h100-pcie-80gb", "h100-sxm-80gb"]),
        ("H100-80GB-PCIe", ["h100-pcie-80gb"]),
        ("A100-80GB", ["a100-pcie-80gb", "a100-sxm-80gb"]),
        ("A100 80 GB", ["a100-pcie-80gb", "a100-sxm-80gb"]),
        ("A100-SXM4-80GB", ["a100-sxm-80gb"]),
        ("A100-SXM", ["a100-sxm-40gb", "a100-sxm-80gb"]),
        ("L4", ["l4-24gb"]),
        ("tesla l4", ["l4-24gb"]),
        ("L40", ["l40-48gb"]),
        ("l4*", ["l4-24gb", "l40-48gb", "l40s-48gb"]),
        ("RTX 6000", ["rtx-6000-24gb"]),
        ("RTX-6000-Ada", ["rtx-6000-ada-48gb"]),
        ("B200", ["b200-sxm-180gb"]),
    ],
)
def test_a_spelling_stands_for_every_form_of_that_chip_and_no_other_chip(
    facts: Facts, pattern: str, expected: list[str]
) -> None:
    assert ids(facts, pattern) == expected


@pytest.mark.parametrize("pattern", ["h10", "H100-141GB", "a200-*", "", "sxm", "80gb"])
def test_an_unknown_accelerator_is_refused(facts: Facts, pattern: str) -> None:
    with pytest.raises(UnknownName, match="unknown accelerator"):
        facts.accelerators_matching(pattern)


def test_a_misspelt_accelerator_names_the_near_ones(facts: Facts) -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*h100-sxm-80gb"):
        facts.accelerator("h100-smx-80gb")


def test_one_accelerator_is_asked_for_and_several_fit(facts: Facts) -> None:
    with pytest.raises(UsageError, match="one of h100-nvl-94gb, h100-pcie-80gb, h100-sxm-80gb"):
        facts.accelerator("H100")


@pytest.mark.parametrize(
    "name",
    [
        "Llama-3.1-8B",
        "llama-3.1-8b",
        "meta-llama/Llama-3.1-8B",
        "meta-llama/Llama-3.1-8B-Instruct",
        "Llama-3.1-8B-Instruct",
        "Llama3.1-8B",
        "LLAMA-8B",
    ],
)
def test_a_model_is_found_by_id_alias_and_repository_name(facts: Facts, name: str) -> None:
    assert facts.model(name).id == "Llama-3.1-8B"


def test_a_chat_fine_tune_has_the_shape_of_its_base(facts: Facts) -> None:
    assert facts.model("meta-llama/Llama-2-7b-chat-hf").id == "Llama-2-7B"


def test_an_unknown_model_names_the_near_ones(facts: Facts) -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*Llama-3\.1-8B"):
        facts.model("Llama-3.2-8B")


def test_blank_is_unknown_never_zero(facts: Facts) -> None:
    assert facts.regions["lambda:us-east-1"].latitude is None
    assert facts.regions["lambda:us-east-1"].active is None
    assert facts.models["Llama-3.1-8B"].experts is None
    assert facts.accelerators["l4-24gb"].tdp_w is None
    everything = next(pool for pool in facts.quota_pools if pool.pool == "GPUS_ALL_REGIONS")
    assert (everything.market, everything.unit, everything.scope) == (None, QuotaUnit.GPU, "global")
    l4 = next(pool for pool in facts.quota_pools if pool.pool == "NVIDIA_L4_GPUS")
    assert (l4.default_limit, l4.market) == (None, Market.ON_DEMAND)


def test_the_hash_moves_with_any_byte_of_any_file(tmp_path: Path) -> None:
    before = load_facts(write_facts(tmp_path)).sha256
    assert load_facts(tmp_path).sha256 == before
    for name in ("accelerators.toml", "models.csv", "regions.csv", "quota_pools.csv"):
        with (tmp_path / name).open("a") as stream:
            stream.write("\n")
        after = load_facts(tmp_path).sha256
        assert after != before
        before = after


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("models.csv", ",8.03,8.03,", ",nan,8.03,", r"models.csv: row 2: params_b: 'nan' .* finite number"),
        (
            "models.csv",
            ",32,4096,32,8,",
            ",32.5,4096,32,8,",
            r"models.csv: row 2: layers: '32.5' .* whole number",
        ),
        ("models.csv", "Llama-2-7B,", "Llama-3.1-8B,", r"models.csv: row 3: Llama-3.1-8B is there twice"),
        ("models.csv", "meta-llama/Llama-3.1-8B", "", r"models.csv: row 2: hf_id: blank"),
        (
            "regions.csv",
            ",true,test",
            ",perhaps,test",
            r"regions.csv: row 2: active: 'perhaps' .* true or false",
        ),
        (
            "quota_pools.csv",
            "on_demand,vcpu",
            "on_demand,cores",
            r"quota_pools.csv: row 2: unit: 'cores' .* vcpu, gpu",
        ),
        (
            "quota_pools.csv",
            "p5.*,0,",
            "p5.*,-1,",
            r"quota_pools.csv: row 2: default_limit: '-1' .* at least 0",
        ),
        (
            "accelerators.toml",
            "has_bf16 = true",
            'has_bf16 = "no"',
            r"accelerators.toml: \[l4-24gb\]: has_bf16: 'no'",
        ),
        ("accelerators.toml", "[accelerator.l4", "[accelerator.l4]]", r"accelerators.toml: not a TOML file"),
    ],
)
def test_a_wrong_fact_is_named_by_file_row_and_field(
    tmp_path: Path, name: str, old: str, new: str, complaint: str
) -> None:
    path = write_facts(tmp_path) / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=complaint):
        load_facts(tmp_path)


def test_a_missing_fact_file_is_named(tmp_path: Path) -> None:
    (write_facts(tmp_path) / "regions.csv").unlink()
    with pytest.raises(DataError, match=r"regions\.csv: cannot be read"):
        load_facts(tmp_path)
