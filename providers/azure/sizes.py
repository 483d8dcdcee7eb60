"""Azure's GPU sizes: which accelerator, how many, and which quota family; the price feed tells none of it.

Accelerators, counts, vCPUs and memory: Azure's public VM size documentation, as in
``catalogs/instance_types.csv`` (a test compares the two). Families: known_skus.yaml of
Azure/karpenter-provider-azure@2b431da1 (2026-07-16). Retired: Azure's notices for NCv3 (2025-09-30) and NDv2.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Size:
    """One Azure VM size with GPUs."""

    accelerator: str  #: canonical accelerator id
    accelerators: Decimal  #: below 1 where a GPU is shared: vCPUs / 36 of an A10 host's
    vcpus: int
    memory_gib: int
    family: str | None  #: quota family as the quota pools spell it; None is not published
    retired: bool = False


def _size(accelerator: str, count: str, vcpus: int, memory_gib: int, family: str | None) -> Size:
    return Size(accelerator, Decimal(count), vcpus, memory_gib, family)


def _retired(accelerator: str, count: str, vcpus: int, memory_gib: int, family: str) -> Size:
    return Size(accelerator, Decimal(count), vcpus, memory_gib, family, retired=True)


_T4: Final = "Standard NCASv3_T4 Family"
_A100_PCIE: Final = "StandardNCADSA100v4Family"
_H100_NVL: Final = "StandardNCadsH100v5Family"
_RTX_PRO: Final = "StandardNCdsRTXPRO6000BSEv6XLFamily"
_A10: Final = "StandardNVADSA10v5Family"
_V100: Final = "standardNCSv3Family"
_MI300X: Final = "standardNDISv5MI300XFamily"

SIZES: Final[dict[str, Size]] = {
    "Standard_NC4as_T4_v3": _size("t4-16gb", "1", 4, 28, _T4),
    "Standard_NC8as_T4_v3": _size("t4-16gb", "1", 8, 56, _T4),
    "Standard_NC16as_T4_v3": _size("t4-16gb", "1", 16, 110, _T4),
    "Standard_NC64as_T4_v3": _size("t4-16gb", "4", 64, 440, _T4),
    "Standard_NC6s_v3": _retired("v100-pcie-16gb", "1", 6, 112, _V100),
    "Standard_NC12s_v3": _retired("v100-pcie-16gb", "2", 12, 224, _V100),
    "Standard_NC24s_v3": _retired("v100-pcie-16gb", "4", 24, 448, _V100),
    "Standard_NC24rs_v3": _retired("v100-pcie-16gb", "4", 24, 448, _V100),
    "Standard_NC24ads_A100_v4": _size("a100-pcie-80gb", "1", 24, 220, _A100_PCIE),
    "Standard_NC48ads_A100_v4": _size("a100-pcie-80gb", "2", 48, 440, _A100_PCIE),
    "Standard_NC96ads_A100_v4": _size("a100-pcie-80gb", "4", 96, 880, _A100_PCIE),
    "Standard_NC40ads_H100_v5": _size("h100-nvl-94gb", "1", 40, 320, _H100_NVL),
    "Standard_NC80adis_H100_v5": _size("h100-nvl-94gb", "2", 80, 640, _H100_NVL),
    "Standard_NCC40ads_H100_v5": _size("h100-nvl-94gb", "1", 40, 320, "StandardNCCads2023Family"),
    "Standard_NC144ds_xl_RTXPRO6000BSE_v6": _size("rtx-pro-6000-96gb", "1", 144, 516, _RTX_PRO),
    "Standard_NC144lds_xl_RTXPRO6000BSE_v6": _size("rtx-pro-6000-96gb", "1", 144, 264, _RTX_PRO),
    "Standard_NC288ds_xl_RTXPRO6000BSE_v6": _size("rtx-pro-6000-96gb", "2", 288, 1032, _RTX_PRO),
    "Standard_NC288lds_xl_RTXPRO6000BSE_v6": _size("rtx-pro-6000-96gb", "2", 288, 516, _RTX_PRO),
    "Standard_ND40rs_v2": _retired("v100-sxm-32gb", "8", 40, 672, "standardNDSv2Family"),
    "Standard_ND96asr_v4": _size("a100-sxm-40gb", "8", 96, 900, "Standard NDASv4_A100 Family"),
    "Standard_ND96amsr_A100_v4": _size("a100-sxm-80gb", "8", 96, 1800, "standard NDAMSv4_A100Family"),
    "Standard_ND96is_H100_v5": _size("h100-sxm-80gb", "8", 96, 1900, None),
    "Standard_ND96isr_H100_v5": _size("h100-sxm-80gb", "8", 96, 1900, "standardNDSH100v5Family"),
    "Standard_ND96isr_H200_v5": _size("h200-sxm-141gb", "8", 96, 1850, "standardNDISRH200V5Family"),
    "Standard_ND96is_MI300X_v5": _size("mi300x-192gb", "8", 96, 1850, _MI300X),
    "Standard_ND96isr_MI300X_v5": _size("mi300x-192gb", "8", 96, 1850, _MI300X),
    "Standard_ND128isr_NDR_GB200_v6": _size("gb200-186gb", "4", 128, 900, "standardNDISRGB200V6NDRFamily"),
    "Standard_ND128isr_GB300_v6": _size("gb300-288gb", "4", 128, 900, "standardNDISRGB300V6Family"),
    "Standard_NV6ads_A10_v5": _size("a10-24gb", "0.166667", 6, 55, _A10),
    "Standard_NV12ads_A10_v5": _size("a10-24gb", "0.333333", 12, 110, _A10),
    "Standard_NV18ads_A10_v5": _size("a10-24gb", "0.5", 18, 220, _A10),
    "Standard_NV36ads_A10_v5": _size("a10-24gb", "1", 36, 440, _A10),
    "Standard_NV36adms_A10_v5": _size("a10-24gb", "1", 36, 880, _A10),
    "Standard_NV72ads_A10_v5": _size("a10-24gb", "2", 72, 880, _A10),
}
"""Left out on purpose: sizes whose chip has no canonical id (K80, M60, P40, P100, MI25, V620, V710),
shares of an RTX PRO 6000 that are not documented, and variants of H100 and A100 sizes that are priced but not
documented."""

ALIASES: Final[dict[str, str]] = {"Standard_ND96asr_A100_v4": "Standard_ND96asr_v4"}
"""Two names of one VM: priced the same in all five regions that list both (2026-06-18)."""


def size_named(name: str) -> str | None:
    """The size a name stands for, whatever its case, spaces and underscores; None is not in the table.

    Meters write ``NC64asT4 v3`` for Standard_NC64as_T4_v3 (recorded 2026-08).
    """
    return _BY_KEY.get(_key(name))


def folded(family: str) -> str:
    """A quota family's name without spaces and case, the only form in which Azure's two spellings agree."""
    return family.replace(" ", "").casefold()


def _key(name: str) -> str:
    plain = name.casefold().replace("_", "").replace(" ", "")
    return plain.removeprefix("standard")


_BY_KEY: Final = {_key(name): ALIASES.get(name, name) for name in (*SIZES, *ALIASES)}
