"""Builders for catalog tests: everything a test is not about has a default."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from advisor.domain import Availability, Market, Offer, QuotaPool, QuotaUnit, Region

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

_CHIP = """
[accelerator.{id}]
name = "{name}"
vendor = "nvidia"
family = "test"
memory_gb = {memory}
has_bf16 = true
aliases = [{aliases}]
source = "test"
"""

_CHIPS = {
    "l4-24gb": ("L4", 24, ["Tesla L4"]),
    "l40-48gb": ("L40", 48, []),
    "l40s-48gb": ("L40S", 48, []),
    "a100-sxm-80gb": ("A100 SXM 80GB", 80, ["A100-80GB", "A100-SXM4-80GB"]),
    "a100-pcie-80gb": ("A100 PCIe 80GB", 80, []),
    "a100-sxm-40gb": ("A100 SXM 40GB", 40, []),
    "h100-sxm-80gb": ("H100 SXM 80GB", 80, ["H100"]),
    "h100-pcie-80gb": ("H100 PCIe 80GB", 80, []),
    "h100-nvl-94gb": ("H100 NVL 94GB", 94, []),
    "rtx-6000-24gb": ("RTX 6000", 24, []),
    "rtx-6000-ada-48gb": ("RTX 6000 Ada", 48, []),
    "b200-sxm-180gb": ("B200", 180, []),
    "gb200-186gb": ("GB200", 186, []),
}

_MODELS = """\
id,hf_id,params_b,active_params_b,layers,hidden,heads,kv_heads,head_dim,vocab,max_context,experts,experts_per_token,moe_ffn,shared_experts,dense_layers,attention,kv_bytes_per_token_fp16,sliding_window,sliding_window_layers,aliases,source
Llama-3.1-8B,meta-llama/Llama-3.1-8B,8.03,8.03,32,4096,32,8,128,128256,131072,,,,,,gqa,131072,,,Llama3.1-8B;llama-8b,test
Llama-2-7B,meta-llama/Llama-2-7b-hf,6.74,6.74,32,4096,32,32,128,32000,4096,,,,,,mha,524288,,,,test
"""

_REGIONS = """\
provider,id,name,country,continent,latitude,longitude,zones,active,source
aws,us-east-1,N. Virginia,US,North America,38.94,-77.52,use1-az1;use1-az2,true,test
aws,us-east-2,Ohio,US,North America,39.98,-83.04,,true,test
aws,us-west-2,Oregon,US,North America,45.84,-119.70,,true,test
aws,us-gov-west-1,GovCloud,US,North America,,,,,test
gcp,us-east4,Ashburn,US,North America,38.94,-77.52,,true,test
gcp,us-central1,Iowa,US,North America,41.17,-95.80,,true,test
nebius,us-central1,Kansas City,US,North America,39.10,-94.58,,true,test
azure,eastus,Virginia,US,North America,37.37,-79.82,,true,test
lambda,us-east-1,Virginia,US,North America,,,,,test
"""

_POOLS = """\
provider,pool,name,market,unit,scope,instance_types,default_limit,source
aws,L-417A185B,Running On-Demand P instances,on_demand,vcpu,region,p4d.*;p5.*,0,test
aws,L-7212CCBC,All P4/P3/P2 Spot Instance Requests,spot,vcpu,region,p4d.*,0,test
aws,L-DB2E81BA,Running On-Demand G and VT instances,on_demand,vcpu,region,g5.*;g6.*,0,test
gcp,NVIDIA_L4_GPUS,NVIDIA L4 GPUs,on_demand,gpu,region,g2-standard-*,,test
gcp,GPUS_ALL_REGIONS,GPUs (all regions),,gpu,global,*,0,test
"""


def write_facts(folder: Path) -> Path:
    """A small set of fact files."""
    chips = [
        _CHIP.format(id=id_, name=name, memory=memory, aliases=", ".join(f'"{alias}"' for alias in aliases))
        for id_, (name, memory, aliases) in _CHIPS.items()
    ]
    (folder / "accelerators.toml").write_text("".join(chips))
    (folder / "models.csv").write_text(_MODELS)
    (folder / "regions.csv").write_text(_REGIONS)
    (folder / "quota_pools.csv").write_text(_POOLS)
    return folder


def an_offer(**given: Any) -> Offer:
    """An ordinary offer: one H100 on demand in aws us-east-1."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "region": "us-east-1",
        "zone": None,
        "instance_type": "p5.4xlarge",
        "market": Market.ON_DEMAND,
        "usd_per_hour": "6.88",
        "accelerator": "h100-sxm-80gb",
        "accelerators": 1,
        "vcpus": 16,
        "memory_gib": 256.0,
        "availability": Availability.AVAILABLE,
        "availability_basis": "provider's offerings",
        "price_basis": "list",
        "collected_at": NOON,
        "source": "price list",
        "licence": None,
        "interruption": None,
    } | given
    fields["usd_per_hour"] = Decimal(fields["usd_per_hour"])
    fields["accelerators"] = Decimal(fields["accelerators"])
    return Offer(**fields)


def a_region(provider: str, id_: str, latitude: float | None, longitude: float | None) -> Region:
    """A region of which only the place matters."""
    return Region(provider, id_, id_, None, None, latitude, longitude, (), True, "test")


def a_pool(**given: Any) -> QuotaPool:
    """A regional vCPU pool of every aws instance type."""
    fields: dict[str, Any] = {
        "provider": "aws",
        "pool": "L-1",
        "name": "everything",
        "market": None,
        "unit": QuotaUnit.VCPU,
        "scope": "region",
        "instance_types": ("*",),
        "default_limit": None,
        "source": "test",
    } | given
    return QuotaPool(**fields)
