"""A small made-up folder of collected source files, shaped like the real one. Every figure is invented."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OFFER_COLUMNS = (
    "provider",
    "instance_type",
    "region",
    "zone",
    "accelerator_name",
    "accelerator_count",
    "accelerator_memory_gib",
    "accelerator_form",
    "vcpus",
    "memory_gib",
    "on_demand_usd_per_hour",
    "spot_usd_per_hour",
    "currency",
    "observed_on",
    "source",
    "spot_observed_on",
    "spot_source",
    "spot_basis",
    "flags",
)

KARPENTER = "aws/karpenter-provider-aws:pricing.go@abc"
SKYPILOT = "skypilot-org/skypilot-catalog:vms.csv@abc"
TRACKER = "cherielilili/gpu-pricing-tracker:data/observations.csv@abc"


def an_offer_row(**cells: str) -> dict[str, str]:
    """A priced L4 in us-east-1; name only what matters to the test."""
    row = dict.fromkeys(OFFER_COLUMNS, "")
    row |= {
        "provider": "aws",
        "instance_type": "g6.xlarge",
        "region": "us-east-1",
        "accelerator_name": "L4",
        "accelerator_count": "1",
        "accelerator_memory_gib": "24",
        "accelerator_form": "PCIe",
        "vcpus": "4",
        "memory_gib": "16",
        "on_demand_usd_per_hour": "0.80",
        "currency": "USD",
        "observed_on": "2026-07-20",
        "source": KARPENTER,
    }
    return row | cells


def a_zone_row(**cells: str) -> dict[str, str]:
    """A zonal spot price of the same L4."""
    spot = {
        "zone": "use1-az4",
        "spot_usd_per_hour": "0.35",
        "spot_observed_on": "2026-01-25",
        "spot_source": SKYPILOT,
        "spot_basis": "zone_spot_price",
        "observed_on": "2026-01-25",
        "source": SKYPILOT,
    }
    return an_offer_row(**(spot | cells))


def _price_tables() -> dict[str, list[dict[str, str]]]:
    median = {
        "spot_usd_per_hour": "0.36",
        "spot_observed_on": "2026-01-25",
        "spot_source": SKYPILOT,
        "spot_basis": "median_of_2_zones",
    }
    azure = {
        "provider": "azure",
        "region": "eastus",
        "source": "Azure/karpenter-provider-azure:pricing.go@abc",
    }
    gcp_source = "cloudpilot-ai/karpenter-provider-gcp:prices.json@abc"
    gcp = {"provider": "gcp", "region": "us-central1", "source": gcp_source}
    gcp |= {"spot_observed_on": "2026-08-03", "spot_source": gcp_source, "spot_basis": "regional_spot_price"}
    h100 = {"accelerator_name": "H100-80GB-SXM", "accelerator_form": "SXM"}
    lone = {"source": TRACKER, "vcpus": "", "memory_gib": ""}
    composed = f"{gcp_source} + {SKYPILOT}"
    return {
        "aws": [
            an_offer_row(**median),
            an_offer_row(
                instance_type="p4d.24xlarge",
                accelerator_name="A100-40GB",
                accelerator_count="8",
                accelerator_form="SXM",
                on_demand_usd_per_hour="22",
            ),
            an_offer_row(region="us-west-2"),
            an_offer_row(region="us-gov-west-1"),
            an_offer_row(zone="us-east-1-atl-1", flags="local_or_wavelength_zone"),
            an_offer_row(
                instance_type="p5e.48xlarge",
                accelerator_name="H200",
                accelerator_count="8",
                accelerator_form="SXM",
                on_demand_usd_per_hour="",
                flags="no_public_on_demand",
            ),
        ],
        "aws_spot_by_zone": [
            a_zone_row(),
            a_zone_row(zone="use1-az9", spot_usd_per_hour="0.37"),
            a_zone_row(zone="use1-az5", spot_usd_per_hour="", spot_basis="no_spot_price_in_zone"),
            a_zone_row(
                zone="use1-atl2-az1",
                spot_usd_per_hour="0.30",
                on_demand_usd_per_hour="",
                flags="zone_not_in_offerings_2026_10",
            ),
            a_zone_row(
                instance_type="p4d.24xlarge",
                accelerator_name="A100-40GB",
                accelerator_count="8",
                accelerator_form="SXM",
                on_demand_usd_per_hour="22",
                spot_usd_per_hour="8",
            ),
        ],
        "azure": [
            an_offer_row(
                **azure,
                instance_type="Standard_NC4as_T4_v3",
                accelerator_name="T4",
                on_demand_usd_per_hour="0.50",
                observed_on="2026-06-18",
            ),
            an_offer_row(
                **azure,
                instance_type="Standard_NC6s_v3",
                accelerator_name="V100-16GB",
                on_demand_usd_per_hour="3",
                flags="retired_2025",
            ),
        ],
        "gcp": [
            an_offer_row(
                **gcp,
                **h100,
                instance_type="a3-highgpu-1g",
                on_demand_usd_per_hour="11",
                spot_usd_per_hour="5",
            ),
            an_offer_row(
                **gcp,
                **h100,
                instance_type="a3-highgpu-8g",
                accelerator_count="8",
                on_demand_usd_per_hour="88",
                spot_usd_per_hour="40",
            ),
            an_offer_row(
                **(gcp | {"source": composed, "spot_source": composed}),
                instance_type="n1-standard-4+1xt4",
                accelerator_name="T4",
                on_demand_usd_per_hour="0.54",
                spot_usd_per_hour="0.24",
                observed_on="2026-08-03",
                flags="composed_n1_plus_gpu",
            ),
        ],
        "lambda": [
            an_offer_row(
                provider="lambda",
                instance_type="gpu_1x_a10",
                region="us-east-1",
                accelerator_name="A10",
                source=SKYPILOT,
                flags="uniform_price_all_regions;regional_availability_unknown",
            ),
        ],
        "nebius": [
            an_offer_row(
                provider="nebius",
                instance_type="gpu-l40s",
                region="eu-north1",
                accelerator_name="L40S",
                source=SKYPILOT,
                observed_on="2025-10-31",
                flags="observed_on_inferred",
            ),
        ],
        "runpod": [
            an_offer_row(
                **lone,
                provider="runpod",
                region="global",
                instance_type="secure_1x_l40s",
                accelerator_name="L40S",
                flags="per_gpu_price;secure_cloud;vcpu_memory_unknown",
            ),
        ],
        "crusoe_sfcompute": [
            an_offer_row(
                **lone,
                provider="crusoe",
                region="us",
                instance_type="1x_l40s",
                accelerator_name="L40S",
                flags="per_gpu_price;vcpu_memory_unknown",
            ),
        ],
        "vast": [
            an_offer_row(
                **lone,
                provider="vast",
                region="CZ",
                instance_type="1x_l40s",
                accelerator_name="L40S",
                flags="marketplace_median;vcpu_memory_unknown;n_on_demand_offers=2",
            ),
        ],
    }


_SIDE_TABLES = {
    "aws_availability": """\
provider,instance_type,region,zone_ids,usage_classes,observed_on,source
aws,g6.xlarge,us-east-1,use1-az4;use1-az5,on-demand;spot,2026-10-27,moto==5.2.5
aws,p4d.24xlarge,us-east-1,use1-az4,on-demand;spot,2026-10-27,moto==5.2.5
aws,p4d.24xlarge,us-west-2,usw2-az1,on-demand;spot,2026-10-27,moto==5.2.5
""",
    "aws_spot_interruption": """\
instance_type,region,interruption_band,observed_on,source
g6.xlarge,us-east-1,<5%,2025-06-28,alexei-led/spotinfo:data.json@abc
""",
    "aws_spot_2026_10": """\
provider,instance_type,region,spot_usd_per_hour,spot_basis,observed_on,source
aws,p4d.24xlarge,us-east-1,9.5,lowest_zone,2026-10-09,markrusch/Compute-Indices:x.jsonl@abc (derived)
""",
    "azure_spot_2024": """\
provider,instance_type,region,spot_to_on_demand_ratio,observed_on,source
azure,Standard_NC4as_T4_v3,eastus,0.1100,2024-08-09,coroot/cloud-pricing:data.json.gz@abc
azure,Standard_NC6s_v3,eastus,,2024-08-09,coroot/cloud-pricing:data.json.gz@abc
""",
    "gcp_attachable_gpus": """\
provider,accelerator_name,region,observed_on,source
gcp,T4,us-central1,2026-04-15,skypilot-org/skypilot-catalog:vms.csv@abc
""",
    "accelerators": """\
accelerator_name,vendor,nominal_memory_gib,default_form,family
T4g,NVIDIA,16,PCIe,Turing
""",
    "instance_types": """\
provider,instance_type,accelerator_name,accelerator_count,accelerator_memory_gib,accelerator_memory_mib_reported,accelerator_form,vcpus,memory_gib,source
aws,g6.xlarge,L4,1,24,22888,PCIe,4,16,moto==5.2.5
aws,g6f.large,L4,0.125,3,2861,PCIe,2,8,moto==5.2.5
""",
    "regions": """\
provider,region,display_name,place,country,continent,latitude,longitude,zones,status,source
aws,us-east-1,US East,Virginia,US,North America,38.99,-77.45,use1-az4;use1-az5,active,Spare Cores
azure,brazilus,Brazil US,,BR,South America,0.00,0.00,,inactive,Spare Cores
""",
    "aws_quota_codes": """\
service_code,quota_name,quota_code,purchase_option,unit,default_value,instance_families,source
ec2,Running On-Demand G and VT instances,L-DB2E81BA,on_demand,vCPU,0,g5;g6,documentation
ec2,Running On-Demand Standard instances,L-1216C47A,on_demand,vCPU,5,,documentation
ec2,Concurrent P5 Capacity Blocks per account,L-DA6814F2,capacity_block,vCPU,0,p5,documentation
""",
    "azure_quota_families": """\
instance_type,quota_family,unit,source
Standard_NC4as_T4_v3,Standard NCASv3_T4 Family,vCPU,known_skus.yaml
Standard_ND96is_H100_v5,,vCPU,
""",
    "gcp_quota_metrics": """\
provider,machine_types,purchase_option,quota_metric,dimensions,unit,scope,source
gcp,n1-* + T4,on_demand,NVIDIA_T4_GPUS,region,GPU,project+region,enum
gcp,a3-highgpu-*,on_demand,GPUS_PER_GPU_FAMILY,region;gpu_family=NVIDIA_H100,GPU,project+region,documents
gcp,*,all,GPUS_ALL_REGIONS,,GPU,project (global cap on all GPUs),enum
""",
}

_GPUS = """\
name,vendor,memory_gb,memory_bandwidth_gb_s,bf16_dense_tflops,fp8_dense_tflops,fp4_dense_tflops,interconnect_gb_s_one_way,interconnect,tdp_w,src_memory,src_bandwidth,src_bf16,src_fp8,src_interconnect,src_tdp,notes
L4-24GB,nvidia,24,300,121,242,,32,PCIe4 x16,72,sheet,sheet,sheet,sheet,sheet,sheet,
"""

_MODELS = """\
name,hf_id,params_b,active_params_b,layers,hidden,heads,kv_heads,head_dim,vocab,max_context,experts,experts_per_token,moe_ffn,shared_experts,dense_layers,attention,kv_bytes_per_token_fp16,sliding_window,sliding_window_layers,source,notes
Llama-3.1-8B,meta-llama/Llama-3.1-8B,8.03,8.03,32,4096,32,8,128,128256,131072,,,,,,gqa,131072,,,config,
"""


def a_source(folder: Path, **tables: list[dict[str, str]]) -> Path:
    """A complete source folder; a table given by name replaces the default one."""
    prices = folder / "prices"
    prices.mkdir(parents=True)
    for name, rows in (_price_tables() | tables).items():
        with (prices / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, OFFER_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for name, text in _SIDE_TABLES.items():
        (prices / f"{name}.csv").write_text(text, encoding="utf-8")
    (prices / "PROVENANCE.md").write_text(
        "# Invented\n\nAssembled 2026-11-22 from nothing.\n", encoding="utf-8"
    )
    (folder / "gpus.csv").write_text(_GPUS, encoding="utf-8")
    (folder / "models.csv").write_text(_MODELS, encoding="utf-8")
    return folder


def default_rows(name: str) -> list[dict[str, str]]:
    """The default rows of one price table, to change one and pass back."""
    return _price_tables()[name]


def replace_in(path: Path, old: str, new: str) -> None:
    """Change one spot of a source file, which must hold it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
