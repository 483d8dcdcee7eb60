"""Licence of each origin, as far as one was stated where the figures were collected."""

from __future__ import annotations

from typing import Final

from advisor.errors import InputFileError

_LICENCE_OF_REPOSITORY: Final[dict[str, str | None]] = {
    "aws/karpenter-provider-aws": "Apache-2.0",
    "tsaol/aws-gpu": "MIT (per its README)",
    "markrusch/Compute-Indices": None,
    "skypilot-org/skypilot-catalog": None,
    "Azure/karpenter-provider-azure": "Apache-2.0",
    "coroot/cloud-pricing": "Apache-2.0",
    "cloudpilot-ai/karpenter-provider-gcp": "Apache-2.0",
    "toolshedlabs-hash/gpu-price-feed": None,
    "cherielilili/gpu-pricing-tracker": None,
    "adriannutiu/gpu-rental-prices": "CC BY 4.0",
}
"""Repository before the colon of a source -> licence; None: no licence file found, only figures taken."""


def licence_of(source: str) -> str | None:
    """The licence of one source, or of each part of ``a + b`` where they differ.

    Raises:
        InputFileError: the source's repository is not listed above.
    """
    found = [_licence_of_part(part.strip()) for part in source.split(" + ")]
    if len(set(found)) == 1:
        return found[0]
    return " + ".join(licence or "none stated" for licence in found)


def _licence_of_part(source: str) -> str | None:
    repository = source.partition(":")[0]
    if repository not in _LICENCE_OF_REPOSITORY:
        allowed = "list its repository there with its licence, or None where none was found"
        raise InputFileError("catalogs/build/licences.py", "source", source, allowed)
    return _LICENCE_OF_REPOSITORY[repository]
