"""Which accelerator gpuhunt means: it states a name and a memory, but never SXM or PCIe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from providers._payload import memory_fits, shown

if TYPE_CHECKING:
    from decimal import Decimal

ALIASES: Final[dict[str, tuple[str, ...]]] = {
    # gpuhunt's gpu_name (KNOWN_ACCELERATORS of the package): what it may be, told apart by memory and form
    "A10": ("a10-24gb",),
    "A10G": ("a10g-24gb",),
    "A40": ("a40-48gb",),
    "A100": ("a100-sxm-40gb", "a100-pcie-40gb", "a100-sxm-80gb", "a100-pcie-80gb"),
    "A6000": ("rtx-a6000-48gb",),
    "B200": ("b200-sxm-180gb",),
    "B300": ("b300-sxm-288gb",),
    "GB200": ("gb200-186gb",),
    "GB300": ("gb300-288gb",),
    "GH200": ("gh200-96gb", "gh200-144gb"),
    "H100": ("h100-sxm-80gb", "h100-pcie-80gb", "h100-nvl-94gb"),
    "H100NVL": ("h100-nvl-94gb",),
    "H200": ("h200-sxm-141gb",),
    "H200NVL": ("h200-nvl-141gb",),
    "L4": ("l4-24gb",),
    "L40": ("l40-48gb",),
    "L40S": ("l40s-48gb",),
    "MI210": ("mi210-64gb",),
    "MI250": ("mi250-128gb",),
    "MI250X": ("mi250x-128gb",),
    "MI300X": ("mi300x-192gb",),
    "MI325X": ("mi325x-256gb",),
    "MI350X": ("mi350x-288gb",),
    "MI355X": ("mi355x-288gb",),
    "RTX3090": ("rtx-3090-24gb",),
    "RTX4090": ("rtx-4090-24gb",),
    "RTX5090": ("rtx-5090-32gb",),
    "RTX6000": ("rtx-6000-24gb",),
    "RTX6000Ada": ("rtx-6000-ada-48gb",),
    "RTXPRO4500": ("rtx-pro-4500-32gb",),
    "RTXPRO6000": ("rtx-pro-6000-96gb",),
    "T4": ("t4-16gb",),
    "V100": ("v100-sxm-16gb", "v100-pcie-16gb", "v100-sxm-32gb", "v100-pcie-32gb"),
    "Gaudi2": ("gaudi2-96gb",),
    "Gaudi3": ("gaudi3-128gb",),
}
_KNOWN: Final = {alias.casefold(): found for alias, found in ALIASES.items()}
NO_SUCH_ID: Final = frozenset({"v100-pcie-32gb"})

_FORMS: Final[tuple[tuple[str, str, str], ...]] = (
    # provider, its instance types, the form of their A100, H100 or V100; gpuhunt states none. Those of AWS,
    # Azure and Google Cloud are as in catalogs/instance_types.csv (a test compares them). None is listed for
    # OCI: no source at hand states it, so its A100, H100 and V100 are rejections.
    ("verda", r"\d+[AH]100\..*", "sxm"),  # gpuhunt's own map: "H100 SXM5 80GB", "A100 SXM4 40GB"
    ("aws", r"p(3|3dn|4d|4de|5)\..*", "sxm"),
    ("azure", r"Standard_ND.*", "sxm"),
    ("azure", r"Standard_NC\d+(ads_A100_v4|r?s_v3)", "pcie"),
    ("gcp", r"a[23]-.*", "sxm"),
)


def accelerator(provider: str, instance_name: str, gpu_name: str, gpu_memory: Decimal | None) -> str:
    """Our id of the accelerator.

    Raises:
        Unclear: it cannot be told for certain.
    """
    candidates = _KNOWN.get(gpu_name.casefold(), ())
    if not candidates:
        raise Unclear("unknown_accelerator", f"gpu_name is {shown(gpu_name)}")
    if gpu_memory is None or not gpu_memory.is_finite():
        raise Unclear("memory_mismatch", f"gpu_memory is {shown(gpu_memory)}")
    fitting = [one for one in candidates if memory_fits(one, gpu_memory)]
    if not fitting:
        raise Unclear(
            "memory_mismatch", f"gpu_memory is {shown(gpu_memory)}, not that of {' or '.join(candidates)}"
        )
    form = _form(provider, instance_name)
    chosen = fitting if len(fitting) == 1 else [one for one in fitting if f"-{form}-" in one]
    if len(chosen) != 1 or chosen[0] in NO_SUCH_ID:
        raise Unclear("unknown_accelerator", f"{' or '.join(fitting)}: the form is not stated")
    return chosen[0]


class Unclear(Exception):
    """The accelerator cannot be told for certain."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason  #: a key of REJECTION_REASONS
        self.detail = detail


def _form(provider: str, instance_name: str) -> str | None:
    said = [form for form in ("sxm", "pcie", "nvl") if form in instance_name.casefold()]
    if len(said) == 1:
        return said[0]
    return next(
        (form for of, types, form in _FORMS if of == provider and re.fullmatch(types, instance_name)), None
    )
