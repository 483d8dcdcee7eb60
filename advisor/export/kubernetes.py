"""Kubernetes manifests: a Deployment and a Service per service, degree and purchase line.

One file per cloud and region, since a cluster spans one. Every pod is one replica of the plan, on as many
accelerators as its tensor-parallel degree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.export.bundle import Bundle, yaml_file
from advisor.export.cluster import (
    NO_LABELS,
    PREFIX,
    PROVIDERS,
    accelerator_resource,
    by_place,
    misfit,
    node_selector,
    plan_figures,
    tolerations,
)
from advisor.export.disk import disk_notes, pod_disk_gb
from advisor.export.order import dns_label, heading, keep, left_out_notes, price_note, sift
from advisor.export.serving import FIRST_PORT, HEALTH, command, image_of, not_served, serving_notes

if TYPE_CHECKING:
    from advisor.export.order import Line, Order, Stand

FILL_IN: Final = (
    "a Secret huggingface with the key token, if the model is gated",
    "a volume for the weights, if they should survive a pod",
)
ROLLOUT: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
"""No pod more than planned: there is no accelerator for it, and a rollout would wait for one for ever."""
CACHE: Final = "/weights"
START_FAILURES: Final = 180
"""Times 10 s: half an hour to load a checkpoint."""
LIVE_FAILURES: Final = 6
"""A minute without an answer: the engine is dead, not busy."""


def kubernetes(order: Order) -> Bundle:
    """A file of manifests per cloud and region."""
    kept, left_out = sift(*keep(order, PROVIDERS, NO_LABELS), not_served, misfit)
    notes = left_out_notes(left_out)
    files = []
    for place, lines in by_place(kept).items():
        objects = [one for line in lines for stand in line.stands for one in _objects(order, line, stand)]
        head = heading(order, "Kubernetes manifests", f"For a cluster in {place}.")
        head += [price_note(line.purchase) for line in lines]
        head += [words for line in lines for words in on_serving(order, line)]
        files.append(yaml_file(f"{dns_label(place)}.yaml", [*head, *notes], *objects))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def on_serving(order: Order, line: Line) -> list[str]:
    """What to know of what is started on the line."""
    notes = [f"{one.name}: {words}" for one in line.stands for words in serving_notes(one, order.facts)]
    return [*notes, *disk_notes(line, order.facts)]


def _objects(order: Order, line: Line, stand: Stand) -> list[dict[str, Any]]:
    labels = {"app.kubernetes.io/name": stand.name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": stand.name,
            "labels": labels | {f"{PREFIX}/service": dns_label(stand.service.name)},
            "annotations": plan_figures(order, line),
        },
        "spec": {
            "replicas": stand.allocation.replicas,
            "strategy": ROLLOUT,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(order, line, stand)},
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": stand.name, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": FIRST_PORT, "targetPort": FIRST_PORT}],
        },
    }
    return [deployment, service]


def _pod(order: Order, line: Line, stand: Stand) -> dict[str, Any]:
    resource = accelerator_resource(line, order.facts)
    whole = {resource: str(stand.allocation.tensor_parallel)}
    disk = pod_disk_gb(stand.service, order.facts)
    room = {} if disk is None else {"ephemeral-storage": f"{disk}G"}
    program, *arguments = command(stand, order.facts)
    token = {"name": "huggingface", "key": "token", "optional": True}
    probe = {"httpGet": {"path": HEALTH, "port": FIRST_PORT}, "periodSeconds": 10}
    container = {
        "name": "engine",
        "image": image_of(stand),
        "command": [program],
        "args": arguments,
        "env": [
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}},
            {"name": "HF_HOME", "value": CACHE},
        ],
        "ports": [{"name": "http", "containerPort": FIRST_PORT}],
        "resources": {"limits": whole, "requests": whole | room},
        "startupProbe": probe | {"failureThreshold": START_FAILURES},
        "readinessProbe": probe,
        "livenessProbe": probe | {"failureThreshold": LIVE_FAILURES},
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 (a path in the container)
            {"name": "weights", "mountPath": CACHE},
        ],
    }
    return {
        "nodeSelector": node_selector(line),
        "tolerations": tolerations(line, resource),
        "containers": [container],
        # Tensor-parallel ranks talk through shared memory; a container's default is 64 MiB.
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}, {"name": "weights", "emptyDir": {}}],
    }
