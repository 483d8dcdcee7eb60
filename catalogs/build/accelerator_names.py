"""Every accelerator the catalog knows, and how each collected file writes it.

One entry per canonical id. ``gpu`` is the name in ``gpus.csv``; ``offers`` are the (name, form) pairs of the
price files; ``aliases`` are further spellings that mean this chip and no other. A family name several forms
share ("H100", "A100-80GB", "H200") is not an alias: asking for it means all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class AcceleratorName:
    """One canonical id and its spellings."""

    id: str
    name: str
    family: str
    gpu: str | None
    offers: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()


def _entry(
    accelerator_id: str,
    name: str,
    family: str,
    gpu: str | None,
    offers: tuple[tuple[str, str], ...] = (),
    aliases: str = "",
) -> AcceleratorName:
    spellings = tuple(alias.strip() for alias in aliases.split(",") if alias.strip())
    return AcceleratorName(accelerator_id, name, family, gpu, offers, spellings)


FAMILIES_WITHOUT_BF16: Final = frozenset({"Volta", "Turing"})
"""NVIDIA generations whose tensor cores compute fp16 but not bf16 (bf16 came with Ampere)."""

ACCELERATOR_NAMES: Final = (
    _entry(
        "t4-16gb", "T4", "Turing", "T4-16GB", (("T4", "PCIe"),), "T4, Tesla T4, NVIDIA T4, nvidia-tesla-t4"
    ),
    _entry("t4g-16gb", "T4g", "Turing", None, (("T4g", "PCIe"),), "T4g, NVIDIA T4g, T4G-16GB"),
    _entry(
        "v100-sxm-16gb", "V100 SXM 16GB", "Volta", "V100-16GB-SXM", (("V100-16GB", "SXM"),), "V100-SXM2-16GB"
    ),
    _entry("v100-pcie-16gb", "V100 PCIe 16GB", "Volta", "V100-16GB-PCIe", (("V100-16GB", "PCIe"),)),
    _entry(
        "v100-sxm-32gb",
        "V100 SXM 32GB",
        "Volta",
        "V100-32GB-SXM",
        (("V100-32GB", "SXM"),),
        "V100-32GB, V100-SXM2-32GB, V100-SXM3-32GB",
    ),
    _entry("a10-24gb", "A10", "Ampere", "A10-24GB", (("A10", "PCIe"),), "A10, NVIDIA A10"),
    _entry("a10g-24gb", "A10G", "Ampere", "A10G-24GB", (("A10G", "PCIe"),), "A10G, NVIDIA A10G"),
    _entry("a30-24gb", "A30", "Ampere", "A30-24GB", (), "A30, NVIDIA A30"),
    _entry("l4-24gb", "L4", "Ada Lovelace", "L4-24GB", (("L4", "PCIe"),), "L4, NVIDIA L4, nvidia-l4"),
    _entry("l20-48gb", "L20", "Ada Lovelace", "L20-48GB", (), "L20, NVIDIA L20"),
    _entry("l40-48gb", "L40", "Ada Lovelace", "L40-48GB", (("L40", "PCIe"),), "L40, NVIDIA L40"),
    _entry("l40s-48gb", "L40S", "Ada Lovelace", "L40S-48GB", (("L40S", "PCIe"),), "L40S, NVIDIA L40S"),
    _entry("a40-48gb", "A40", "Ampere", "A40-48GB", (), "A40, NVIDIA A40"),
    _entry(
        "a100-sxm-40gb",
        "A100 SXM 40GB",
        "Ampere",
        "A100-40GB-SXM",
        (("A100-40GB", "SXM"),),
        "A100-SXM4-40GB, NVIDIA A100-SXM4-40GB",
    ),
    _entry("a100-pcie-40gb", "A100 PCIe 40GB", "Ampere", "A100-40GB-PCIe", (("A100-40GB", "PCIe"),)),
    _entry(
        "a100-sxm-80gb",
        "A100 SXM 80GB",
        "Ampere",
        "A100-80GB-SXM",
        (("A100-80GB", "SXM"),),
        "A100-SXM4-80GB, NVIDIA A100-SXM4-80GB",
    ),
    _entry("a100-pcie-80gb", "A100 PCIe 80GB", "Ampere", "A100-80GB-PCIe", (("A100-80GB", "PCIe"),)),
    _entry(
        "h100-pcie-80gb",
        "H100 PCIe 80GB",
        "Hopper",
        "H100-80GB-PCIe",
        (("H100-80GB-PCIe", "PCIe"),),
        "H100-PCIe, NVIDIA H100-PCIe-80GB",
    ),
    _entry(
        "h100-sxm-80gb",
        "H100 SXM 80GB",
        "Hopper",
        "H100-80GB-SXM",
        (("H100-80GB-SXM", "SXM"),),
        "H100-SXM, H100-SXM5, NVIDIA H100-SXM-80GB, Virtualized NVIDIA H100-SXM-80GB, nvidia-h100-80gb",
    ),
    _entry(
        "h100-nvl-94gb",
        "H100 NVL 94GB",
        "Hopper",
        "H100-94GB-NVL",
        (("H100-94GB-NVL", "NVL"),),
        "H100-NVL, H100-94GB, NVIDIA H100-NVL-94GB",
    ),
    _entry(
        "h200-sxm-141gb",
        "H200 SXM 141GB",
        "Hopper",
        "H200-141GB-SXM",
        (("H200", "SXM"),),
        "H200-SXM, NVIDIA H200-SXM-141GB, NVIDIA H200-SXM-141GB-CTS, Virtualized NVIDIA H200-SXM-141GB",
    ),
    _entry(
        "h200-nvl-141gb",
        "H200 NVL 141GB",
        "Hopper",
        "H200-141GB-NVL",
        (("H200", "NVL"),),
        "H200-NVL, NVIDIA H200-NVL-141GB",
    ),
    _entry(
        "gh200-96gb",
        "GH200 96GB",
        "Hopper",
        "GH200-96GB",
        (("GH200", "SXM"),),
        "NVIDIA GH200 Grace Hopper Superchip 96GB",
    ),
    _entry(
        "gh200-144gb",
        "GH200 144GB",
        "Hopper",
        "GH200-144GB",
        (),
        "NVIDIA GH200 Grace Hopper Superchip 144GB",
    ),
    _entry(
        "b200-sxm-180gb",
        "B200 SXM 180GB",
        "Blackwell",
        "B200-180GB-SXM",
        (("B200", "SXM"),),
        "B200, B200-180GB, B200-SXM, NVIDIA B200, NVIDIA B200-SXM-180GB",
    ),
    _entry(
        "b300-sxm-288gb",
        "B300 SXM 288GB",
        "Blackwell Ultra",
        "B300-270GB-SXM",
        (("B300", "SXM"),),
        "B300, B300-288GB, B300-288GB-SXM, B300-270GB, B300-SXM, NVIDIA B300",
    ),
    _entry(
        "gb200-186gb",
        "GB200 186GB",
        "Blackwell",
        "GB200-186GB",
        (("GB200", "SXM"),),
        "GB200, NVIDIA GB200, GB200-NVL72",
    ),
    _entry(
        "gb300-288gb",
        "GB300 288GB",
        "Blackwell Ultra",
        "GB300-277GB",
        (("GB300", "SXM"),),
        "GB300, NVIDIA GB300, GB300-NVL72",
    ),
    _entry(
        "rtx-a6000-48gb",
        "RTX A6000",
        "Ampere",
        "RTX-A6000-48GB",
        (("RTX-A6000", "PCIe"),),
        "RTX-A6000, A6000, NVIDIA RTX A6000",
    ),
    _entry(
        "rtx-6000-24gb",
        "Quadro RTX 6000",
        "Turing",
        None,
        (("RTX-6000-24GB", "PCIe"),),
        "Quadro-RTX-6000",
    ),
    _entry(
        "rtx-6000-ada-48gb",
        "RTX 6000 Ada",
        "Ada Lovelace",
        "RTX-6000-Ada-48GB",
        (),
        "RTX-6000-Ada, RTX6000-Ada, NVIDIA RTX 6000 Ada Generation",
    ),
    _entry(
        "rtx-pro-6000-96gb",
        "RTX PRO 6000 Blackwell Server Edition",
        "Blackwell",
        "RTX-PRO-6000-BSE-96GB",
        (("RTX-PRO-6000", "PCIe"),),
        "RTX-PRO-6000, RTX-PRO-6000-BSE, RTX PRO Server 6000, RTX-PRO-6000-96GB, "
        "NVIDIA RTX PRO 6000 Blackwell Server Edition, nvidia-rtx-pro-6000",
    ),
    _entry(
        "rtx-pro-4500-32gb",
        "RTX PRO 4500 Blackwell",
        "Blackwell",
        None,
        (("RTX-PRO-4500", "PCIe"),),
        "RTX-PRO-4500, RTX PRO Server 4500",
    ),
    _entry("rtx-3090-24gb", "RTX 3090", "Ampere", "RTX-3090-24GB", (), "RTX-3090, RTX3090, GeForce RTX 3090"),
    _entry(
        "rtx-4090-24gb",
        "RTX 4090",
        "Ada Lovelace",
        "RTX-4090-24GB",
        (("RTX-4090", "PCIe"),),
        "RTX-4090, RTX4090, GeForce RTX 4090, NVIDIA GeForce RTX 4090",
    ),
    _entry(
        "rtx-5090-32gb",
        "RTX 5090",
        "Blackwell",
        "RTX-5090-32GB",
        (("RTX-5090", "PCIe"),),
        "RTX-5090, RTX5090, GeForce RTX 5090",
    ),
    _entry("mi210-64gb", "MI210", "CDNA2", "MI210-64GB", (), "MI210, AMD Instinct MI210"),
    _entry("mi250-128gb", "MI250", "CDNA2", "MI250-128GB", (), "MI250, AMD Instinct MI250"),
    _entry("mi250x-128gb", "MI250X", "CDNA2", "MI250X-128GB", (), "MI250X, AMD Instinct MI250X"),
    _entry(
        "mi300x-192gb",
        "MI300X",
        "CDNA3",
        "MI300X-192GB",
        (("MI300X", "OAM"),),
        "MI300X, AMD Instinct MI300X, AMD Instinct MI300X 192GB HBM3, "
        "AMD Instinct MI300X-NPS1-SPX-192GB-750W, AMD MI300X-NPS1-SPX-192GB-750W",
    ),
    _entry(
        "mi325x-256gb",
        "MI325X",
        "CDNA3",
        "MI325X-256GB",
        (("MI325X", "OAM"),),
        "MI325X, AMD Instinct MI325X, AMD Instinct MI325X 256GB HBM3e",
    ),
    _entry("mi350x-288gb", "MI350X", "CDNA4", "MI350X-288GB", (("MI350X", "OAM"), ("MI350X", "")), "MI350X"),
    _entry(
        "mi355x-288gb",
        "MI355X",
        "CDNA4",
        "MI355X-288GB",
        (("MI355X", "OAM"),),
        "MI355X, AMD Instinct MI355X, AMD Instinct MI355X 288GB HBM3e",
    ),
    _entry("gaudi2-96gb", "Gaudi 2", "Gaudi", "Gaudi2-96GB", (), "Gaudi2, Gaudi-2"),
    _entry("gaudi3-128gb", "Gaudi 3", "Gaudi", "Gaudi3-128GB", (), "Gaudi3, Gaudi-3"),
    _entry(
        "max-1550-128gb",
        "Data Center GPU Max 1550",
        "Ponte Vecchio",
        "Intel-Max-1550-128GB",
        (),
        "Max-1550, Intel Max 1550",
    ),
    _entry(
        "arc-pro-b60-24gb",
        "Arc Pro B60",
        "Battlemage",
        "Intel-Arc-Pro-B60-24GB",
        (),
        "Arc-Pro-B60, Intel Arc Pro B60",
    ),
    _entry("tpu-v5e-16gb", "TPU v5e", "TPU", "TPU-v5e", (), "v5e, v5litepod"),
    _entry("tpu-v5p-95gb", "TPU v5p", "TPU", "TPU-v5p", (), "v5p"),
    _entry("tpu-v6e-32gb", "TPU v6e", "TPU", "TPU-v6e", (), "v6e, Trillium"),
    _entry(
        "inferentia1-8gb", "Inferentia", "Inferentia", None, (("Inferentia", ""),), "Inferentia, Inferentia1"
    ),
    _entry(
        "inferentia2-32gb", "Inferentia2", "Inferentia", "Inferentia2", (("Inferentia2", ""),), "Inferentia2"
    ),
    _entry("trainium1-32gb", "Trainium", "Trainium", "Trainium1", (("Trainium", ""),), "Trainium, Trainium1"),
    _entry("trainium2-96gb", "Trainium2", "Trainium", "Trainium2", (("Trainium2", ""),), "Trainium2"),
)

ID_OF_OFFER_NAME: Final = {pair: entry.id for entry in ACCELERATOR_NAMES for pair in entry.offers}
"""(name, form) of a price file -> canonical id."""

ID_OF_GPU_NAME: Final = {entry.gpu: entry.id for entry in ACCELERATOR_NAMES if entry.gpu is not None}
"""Name in ``gpus.csv`` -> canonical id."""


def spellings(entry: AcceleratorName) -> tuple[str, ...]:
    """Every other way to write the chip, sorted, without the id itself and without shared family names."""
    own = {entry.name, *entry.aliases}
    if entry.gpu is not None:
        own.add(entry.gpu)
    own.update(name for name, _ in entry.offers if _names_one_chip(name))
    distinct: dict[str, str] = {}
    for spelling in sorted(own):
        distinct.setdefault(spelling.casefold(), spelling)
    distinct.pop(entry.id, None)
    return tuple(sorted(distinct.values()))


def _names_one_chip(name: str) -> bool:
    """Whether a price file's name fits one id only: not ``A100-80GB`` (two forms), ``GH200`` (two sizes)."""
    folded = name.casefold() + "-"
    exact = {entry.id for entry in ACCELERATOR_NAMES for offer, _ in entry.offers if offer == name}
    wider = {entry.id for entry in ACCELERATOR_NAMES if entry.id.startswith(folded)}
    return len(exact | wider) == 1
