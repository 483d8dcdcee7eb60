"""`sky status -o json`: one record per cluster, of ``nodes`` equal instances.

The instance type is said in ``resources_str_full`` alone, ``4x[spot](gpus=L40S:1, cpus=8, mem=64,
g6e.2xlarge, disk=256)``, and the zone nowhere. A Kubernetes cluster names no instance type.

Source: skypilot 0.14.1, sky/schemas/api/responses.py (StatusResponse) and sky/utils/resources_utils.py
(format_resource, get_readable_resources_repr).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import InputFileError
from advisor.fleet.found import ON_DEMAND, SPOT, Found, Unread, count_of, gcp_shape, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESOURCES: Final = re.compile(r"\d+x(?P<spot>\[spot\])?\((?P<elements>.*)\)", re.DOTALL)
_GPUS: Final = re.compile(r"gpus=(?P<name>[^:,]+):(?P<count>\d+)(?:\.0)?")


def is_sky_status(document: object) -> bool:
    """Whether a document is the list of clusters that `sky status -o json` prints."""
    return isinstance(document, list) and all(
        isinstance(one, dict) and "cluster_hash" in one and "nodes" in one for one in document
    )


def read_sky_status(document: Any, file: str) -> Iterator[Found | Unread]:
    """What the clusters are.

    Raises:
        InputFileError: it is not what `sky status -o json` prints.
    """
    if not is_sky_status(document):
        raise InputFileError(file, "", type(document).__name__, "a list, as `sky status -o json` prints it")
    for number, cluster in enumerate(document):
        yield _cluster(cluster, f"cluster {text_of(cluster, 'name') or number}")


def _cluster(cluster: dict[str, Any], what: str) -> Found | Unread:
    nodes = count_of(cluster, "nodes")
    status = text_of(cluster, "status")
    if status == "STOPPED":
        return Unread(what, nodes, "it is stopped: nothing is rented but its disks")
    match = _RESOURCES.fullmatch(text_of(cluster, "resources_str_full") or "")
    if match is None or not nodes:
        return Unread(what, nodes or None, "its resources are not said (resources_str_full)")
    elements = [element.strip() for element in match["elements"].split(",")]
    gpus = _GPUS.fullmatch(elements[0])
    instance_type = next((element for element in elements if element and "=" not in element), None)
    if (text_of(cluster, "cloud") or "").casefold() in ("kubernetes", "ssh", "slurm"):
        return Unread(what, nodes, "its instances belong to a cluster: import that cluster's node list")
    provider = (text_of(cluster, "cloud") or "").casefold() or None
    if provider == "gcp" and gpus is not None:
        instance_type = gcp_shape(instance_type, gpus["name"], int(gpus["count"]))
    return Found(
        what=what,
        provider=provider,
        region=text_of(cluster, "region"),
        zone=None,
        instance_type=instance_type,
        market=SPOT if match["spot"] else ON_DEMAND,
        instances=nodes,
        accelerators=int(gpus["count"]) if gpus else 0,
    )
