"""Resources of a Terraform state that nothing here reads and that may start GPUs: listed, not dropped.

Every provider has its own names; what they share is that a chip, or a shape named after one, stands among the
attributes. A template starts nothing, and a workload on Kubernetes runs on nodes that are counted elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from advisor.fleet.found import Unread, count_of, items_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.fleet.terraform_state import Resource

_STARTS_NOTHING: Final = re.compile(
    r"^(kubernetes|helm|kubectl|argocd|random|null|local|tls|template|time|external|terraform)_"
    r"|^aws_(ami|iam|s3|ssm|cloudwatch|budgets|servicequotas|pricing|lambda|ecr)_?"
    r"|^google_(monitoring|storage|project|service_usage|compute_image|compute_resource_policy|compute_disk)"
    r"|_(template|launch_configuration|image|snapshot|policy|role|dashboard|alarm|label|tag|secret|key|user"
    r"|profile|quota|reservation|volume|disk|network|subnet|bucket|config_map|nodeclass)$"
)
"""Types that rent no machine by themselves."""

_CHIP: Final = re.compile(
    r"(?<![a-z0-9])(?:gpu|gpus|a10g?|a16|a30|a40|a100|a6000|b200|b300|gb200|gb300|gh200|h100|h200|l4|l40s?|t4|v100|"
    r"p100|rtx\w*|mi\d{3}x?|tpu\w*|trainium\d?|inferentia\d?|gaudi\d?)(?![a-z0-9])"
    r"|(?<![a-z0-9])\d+x?gpu|gpu[_-]?\d"
    r"|(?<![a-z0-9.])(?:ml\.)?(?:g[4-7][a-z]*|gr6f?|p[2-6][a-z]*|p6-b[23]00|trn\d\w*|inf\d)\.\d*(?:xlarge|metal)"
    r"|standard_n[cdgv]\w*|(?:a2|a3|a4x?|g2|g4)-(?:high|mega|ultra|edge|standard)\w*-\d+\w*|(?:bm|vm)\.gpu"
)
"""Names of chips, and of shapes that hold them."""

_IN_WORDS: Final = frozenset(
    {"description", "name", "comment", "user_data", "tags", "tags_all", "labels", "id"}
)
"""Attributes that only speak of things."""

_COUNTS: Final = (
    "initial_instance_count", "instance_count", "node_count", "fixed_node_count", "desired_size",
    "desired_capacity", "target_size", "replicas", "size", "count",
)  # fmt: skip


def others(resource: Resource) -> Iterator[Unread]:
    """What a resource that is not read may have running."""
    if _STARTS_NOTHING.search(resource.type):
        return
    variants = items_of(resource.attributes, "production_variants")
    if resource.type.startswith("aws_sagemaker"):
        yield from (
            _listed(resource, one, _SAGEMAKER) for one in variants or [resource.attributes] if _shape(one)
        )
        return
    if _shape(resource.attributes):
        yield _listed(resource, resource.attributes, _NOT_READ)


_SAGEMAKER: Final = "it is bought from SageMaker, whose instances and prices are not in the catalog"
_NOT_READ: Final = "it names a GPU, and its kind is not read: add a line if it is rented"


def _listed(resource: Resource, attributes: dict[str, Any], why: str) -> Unread:
    counts = (count_of(attributes, key) for key in _COUNTS)
    alone = 1 if resource.type.endswith(("_instance", "_server", "_machine", "_pod", "_vm")) else None
    count = next((one for one in counts if one is not None), alone)
    return Unread(f"{resource.address} ({_shape(attributes)})", count, why)


def _shape(attributes: Any) -> str:
    """The texts that name a chip or a shape with one, in words; empty if there are none."""
    found = dict.fromkeys(text for text in _texts(attributes) if _CHIP.search(text.casefold()))
    return ", ".join(list(found)[:2])


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Short texts of the attributes, keys such as ``gpu_count`` with their number among them."""
    if isinstance(value, str) and len(value) <= 80:
        yield value
    elif isinstance(value, list) and depth < 6:
        for one in value:
            yield from _texts(one, depth + 1)
    elif isinstance(value, dict) and depth < 6:
        for key, one in value.items():
            if "gpu" in key.casefold() and isinstance(one, int) and one > 0:
                yield f"{key} {int(one)}"
            elif (key not in _IN_WORDS and text_of(value, key) is not None) or isinstance(one, list | dict):
                yield from _texts(one, depth + 1) if key not in _IN_WORDS else ()
