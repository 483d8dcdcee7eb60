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
from advisor.export.order import dns_label, heading, keep, left_out_notes, price_note, sift
from advisor.export.serving import FIRST_PORT, IMAGE, arguments, checkpoint_note, not_served, weights

if TYPE_CHECKING:
    from advisor.export.order import Line, Order, Stand

FILL_IN: Final = (
    "the image's version",
    "--model, where not the base weights but their instruct version is to be served",
    "a Secret huggingface with the key token, if the model is gated",
    "a volume for the weights, if they should survive a pod",
)
START_FAILURES: Final = 180
"""Times 10 s: half an hour to load a checkpoint."""


def kubernetes(order: Order) -> Bundle:
    """A file of manifests per cloud and region."""
    kept, left_out = sift(*keep(order, PROVIDERS, NO_LABELS), not_served, misfit)
    notes = left_out_notes(left_out)
    files = []
    for place, lines in by_place(kept).items():
        objects = [one for line in lines for stand in line.stands for one in _objects(order, line, stand)]
        head = heading(order, "Kubernetes manifests", f"For a cluster in {place}.")
        head += [price_note(line.purchase) for line in lines]
        head += [words for line in lines for stand in line.stands for words in _on_weights(stand)]
        files.append(yaml_file(f"{dns_label(place)}.yaml", [*head, *notes], *objects))
    return Bundle(tuple(files), tuple(left_out), FILL_IN if files else ())


def _on_weights(stand: Stand) -> list[str]:
    return [f"{stand.name}: {words}" for words in checkpoint_note(stand.service)]


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
    wanted = {resource: str(stand.allocation.tensor_parallel)}
    command = ["--model", weights(stand.service, order.facts), *arguments(stand, order.facts)]
    token = {"name": "huggingface", "key": "token", "optional": True}
    probe = {"httpGet": {"path": "/health", "port": FIRST_PORT}, "periodSeconds": 10}
    container = {
        "name": "vllm",
        "image": IMAGE,
        "args": command,
        "env": [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}}],
        "ports": [{"name": "http", "containerPort": FIRST_PORT}],
        "resources": {"limits": wanted, "requests": wanted},
        "startupProbe": probe | {"failureThreshold": START_FAILURES},
        "readinessProbe": probe,
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108 (a path in the container)
    }
    return {
        "nodeSelector": node_selector(line),
        "tolerations": tolerations(line, resource),
        "containers": [container],
        # Tensor-parallel ranks talk through shared memory; a container's default is 64 MiB.
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
    }
