"""Hand the exports of plans to the tools they are for, and say which of them looked.

    python docs/validate_exports.py PLAN... [--tools FOLDER] [--install] [--write-schema FILE]

Every check says ok, failed or not run, and which version judged. Nothing is rented and no account is asked.
With --install, SkyPilot, kubernetes-validate (PyPI) and the schemas of Karpenter, the Gateway API and the
Terraform providers (npm, about 250 MB) are put into --tools first; without it, what is there is used.
--write-schema keeps the arguments of the Terraform resources that the exports use, for the tests.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from advisor.catalog.facts import load_facts
from advisor.errors import PlanningError
from advisor.export.order import Facts, split_shape
from advisor.export.skypilot import CLOUDS, shape
from advisor.export.targets import Target, export
from advisor.export.terraform_json import terraform_json
from advisor.plan.read import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from advisor.plan.plan import Plan

PYPI = ("skypilot==0.14.1", "kubernetes-validate==1.37.0")
NPM = ("@kubernetes-models/karpenter@2.0.0", "@kubernetes-models/gateway-api@2.0.0")
PROVIDERS = {
    "aws": (
        "@cdktf/provider-aws@21.22.1",
        ("aws_autoscaling_group", "aws_launch_template", "aws_lb_target_group"),
    ),
    "google": (
        "@cdktf/provider-google@16.12.1",
        (
            "google_compute_health_check",
            "google_compute_instance_template",
            "google_compute_region_instance_group_manager",
        ),
    ),
    "azurerm": ("@cdktf/provider-azurerm@14.23.1", ("azurerm_linux_virtual_machine_scale_set",)),
}
"""Packages that publish the providers' schemas as TypeScript, and the resources the exports use."""


@dataclass(frozen=True)
class Verdict:
    """What one tool said."""

    tool: str
    subject: str
    outcome: str  #: ``ok``, ``failed`` or ``not run``
    detail: str = ""


def main() -> int:
    """Exit code 0 unless a tool that ran found fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plans", nargs="*", type=Path)
    parser.add_argument("--tools", type=Path, default=Path("export-tools"))
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--write-schema", type=Path)
    given = parser.parse_args()
    if given.install:
        install(given.tools)
    if given.write_schema:
        schema = dict(sorted(provider_schemas(given.tools).items()))
        given.write_schema.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
    facts = load_facts()
    verdicts = [
        verdict
        for path in given.plans
        for verdict in judged(read_plan(path), Facts(facts.models, facts.accelerators), given.tools)
    ]
    for one in verdicts:
        sys.stdout.write(f"{one.outcome:8} {one.tool:34} {one.subject}{one.detail and ': '}{one.detail}\n")
    return int(any(one.outcome == "failed" for one in verdicts))


def install(tools: Path) -> None:
    """Everything that comes from PyPI and npm."""
    tools.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", str(tools / "venv")])
    run([str(tools / "venv/bin/pip"), "install", "-q", *PYPI])
    (tools / "package.json").write_text('{"private": true}\n')
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", *NPM], cwd=tools)
    for package, _ in PROVIDERS.values():
        run(["npm", "pack", "--silent", package], cwd=tools)


def run(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """A command's output; never raises for its exit code."""
    return subprocess.run(list(words), capture_output=True, text=True, check=False, **options)  # noqa: S603


def judged(plan: Plan, facts: Facts, tools: Path) -> Iterator[Verdict]:
    """Every target's files, before every judge."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for target in Target:
            try:
                bundle = export(plan, target, facts)
            except PlanningError as error:
                yield Verdict("advisor export", target.value, "not run", str(error)[:100])
                continue
            for file in bundle.files:
                path = root / target.value / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.text)
        yield from skypilot(plan, root, tools)
        yield from terraform(root)
        yield from terraform_strings(root)
        yield from terraform_arguments(root, tools)
        yield from manifests(root, tools)
        yield from custom_resources(root, tools)
        yield from profiles(root)


SKY = """
import json, sys
import sky
for name in sys.argv[1:]:
    task = sky.Task.from_yaml(name)
    found = [(str(r.cloud), r.region, r.zone, r.instance_type, r.use_spot) for r in task.resources]
    replicas = task.service.min_replicas if task.service else task.num_nodes
    print(json.dumps([name, sky.__version__, replicas, sorted(found, key=str)]))
"""


def skypilot(plan: Plan, root: Path, tools: Path) -> Iterator[Verdict]:
    """SkyPilot's own parser, with a stand-in catalog: it knows the plan's instance types and no price."""
    files = sorted(map(str, [*root.glob("skypilot/*.yaml"), *root.glob("skypilot-service/*.yaml")]))
    python = tools / "venv/bin/python"
    if not files or not python.exists():
        yield Verdict("SkyPilot", f"{len(files)} files", "not run", "no SkyPilot in --tools")
        return
    home = root / "home"
    stand_in_catalog(plan, home / ".sky/catalogs/v8")
    said = run([str(python), "-c", SKY, *files], env={**os.environ, "HOME": str(home)})
    lines = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("[")]
    for name, version, replicas, found in lines:
        yield Verdict(f"SkyPilot {version}, stand-in catalog", Path(name).name, "ok", f"{replicas} × {found}")
    for name in files[len(lines) :]:
        yield Verdict("SkyPilot", Path(name).name, "failed", (said.stderr.strip().splitlines() or ["?"])[-1])


def stand_in_catalog(plan: Plan, folder: Path) -> None:
    """Files in the columns of SkyPilot's hosted catalog, of the plan's own lines."""
    names = "InstanceType AcceleratorName AcceleratorCount vCPUs MemoryGiB Price SpotPrice Region"
    names += " AvailabilityZone GpuInfo"
    for cloud in CLOUDS:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(names.split())
        for line in (line for line in plan.purchase if line.provider == cloud):
            machine, chip, count = split_shape(shape(line) or "")
            chip = (
                chip.removeprefix("nvidia-tesla-").upper() if chip else line.accelerator.split("-")[0].upper()
            )
            zone = line.zone or f"{line.region}-a"
            known = [chip, count or line.accelerators_per_instance]
            if cloud == "gcp" and count:
                writer.writerow([machine, "", "", 8, 30, 1, 0.5, line.region, zone, ""])
                writer.writerow(["", *known, "", "", 1, 0.5, line.region, zone, ""])
            else:
                writer.writerow([machine, *known, 8, 64, 1, 0.5, line.region, zone, ""])
        path = folder / cloud / "vms.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.getvalue())


def terraform(root: Path) -> Iterator[Verdict]:
    """The configuration as `terraform init` reads it; `terraform validate` where there are providers."""
    tool = shutil.which("terraform") or shutil.which("tofu")
    for path in sorted(root.glob("terraform/*/main.tf.json")):
        name = str(path.relative_to(root))
        if tool is None:
            yield Verdict("terraform", name, "not run", "neither terraform nor tofu is installed")
            continue
        version = json.loads(run([tool, "version", "-json"]).stdout or "{}").get("terraform_version", "?")
        began = run([tool, f"-chdir={path.parent}", "init", "-backend=false", "-input=false", "-no-color"])
        read = not began.returncode or "Failed to query available provider packages" in began.stderr
        fault = "" if read else began.stderr.strip()[:200]
        yield Verdict(f"terraform {version} init, reading", name, "failed" if fault else "ok", fault)
        if began.returncode:
            yield Verdict(
                f"terraform {version} validate", name, "not run", "its providers cannot be installed"
            )
            continue
        said = run([tool, f"-chdir={path.parent}", "validate", "-no-color"])
        yield Verdict(f"terraform {version} validate", name, _outcome(said), said.stdout.strip()[:300])


ODD_TEXTS = (
    '${file("/etc/passwd")}',
    "%{ if true }",
    "$${",
    "%{",
    "$",
    "%%",
    '"',
    "\\",
    "\\n",
    "<<EOF",
    "#",
    "//",
    "/*",
)


def terraform_strings(root: Path) -> Iterator[Verdict]:
    """Does Terraform read the strings as they were meant? It evaluates them; no provider is needed."""
    tool, folder = shutil.which("terraform") or shutil.which("tofu"), root / "strings"
    if tool is None:
        return
    texts = [one + other for one in ODD_TEXTS for other in ("", *ODD_TEXTS)]
    folder.mkdir(exist_ok=True)
    (folder / "main.tf.json").write_text(terraform_json(texts, {"output": {"said": {"value": texts}}}))
    run([tool, "init", "-input=false"], cwd=folder)
    run([tool, "apply", "-auto-approve", "-input=false"], cwd=folder)
    said = run([tool, "output", "-json", "said"], cwd=folder).stdout
    same = bool(said.strip()) and json.loads(said) == texts
    yield Verdict("terraform, evaluating strings", f"{len(texts)} texts", "ok" if same else "failed")


def _outcome(said: subprocess.CompletedProcess[str]) -> str:
    return "failed" if said.returncode else "ok"


def terraform_arguments(root: Path, tools: Path) -> Iterator[Verdict]:
    """Every argument and block is one the provider has, and none it demands is missing."""
    schemas = provider_schemas(tools)
    for path in sorted(root.glob("terraform/*/main.tf.json")):
        name = str(path.relative_to(root))
        if not schemas:
            yield Verdict("provider schema", name, "not run", "no @cdktf packages in --tools")
            continue
        faults = list(argument_faults(json.loads(path.read_text()), schemas))
        yield Verdict("provider schema", name, "failed" if faults else "ok", "; ".join(faults))


def argument_faults(document: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """What the resources of a parsed module have that their schema does not, or lack that it demands."""
    for kind, named in document.get("resource", {}).items():
        for body in named.values():
            yield from _faults(body, schemas[kind], kind)


def _faults(body: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    given = body.keys() - {"//", "provider", "lifecycle"}
    yield from (f"{place}: no such argument: {key}" for key in sorted(given - schema["all"].keys()))
    yield from (f"{place}: {key} is required" for key in sorted(set(schema["required"]) - given))
    for key in given & schema["all"].keys():
        inner = schema["all"][key]
        if inner is not None:
            yield from _faults(body[key], inner, f"{place}.{key}")


def provider_schemas(tools: Path) -> dict[str, Any]:
    """By resource: its arguments, those of its blocks, and which are required."""
    found = {}
    for package, kinds in PROVIDERS.values():
        path = tools / f"{package.removeprefix('@').replace('/', '-').replace('@', '-')}.tgz"
        if not path.exists():
            continue
        with tarfile.open(path) as archive:
            for kind in kinds:
                folder = kind.partition("_")[2].replace("_", "-")
                stream = archive.extractfile(f"package/lib/{folder}/index.d.ts")
                if stream is not None:
                    found[kind] = _schema(stream.read().decode())
    return found


_INTERFACE = re.compile(r"export interface (\w+)(?: extends [\w.]+)? \{(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"^\s+readonly (\w+)(\?)?: ([\w{]+)", re.MULTILINE)


def _schema(declarations: str) -> dict[str, Any]:
    interfaces = dict(_INTERFACE.findall(declarations))
    top = next(name for name in interfaces if name.endswith("Config"))

    def described(name: str) -> dict[str, Any]:
        fields = _FIELD.findall(interfaces[name])
        return {
            "all": {
                _snake(field): described(kind) if kind in interfaces else None for field, _, kind in fields
            },
            "required": [_snake(field) for field, optional, _ in fields if not optional],
        }

    return described(top)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def manifests(root: Path, tools: Path) -> Iterator[Verdict]:
    """Deployments and Services against Kubernetes' own schemas."""
    tool = tools / "venv/bin/kubernetes-validate"
    for path in sorted(root.glob("kubernetes/*.yaml")):
        name = str(path.relative_to(root))
        if not tool.exists():
            yield Verdict("kubernetes-validate", name, "not run", "not in --tools")
            continue
        said = run([str(tool), "--strict", str(path)])
        last = (said.stdout + said.stderr).strip().splitlines()[-1:]
        version = "".join(last).rpartition("version ")[2] if not said.returncode else ""
        yield Verdict(f"Kubernetes {version} schema", name, _outcome(said), "" if version else "".join(last))


NODE = """
import fs from "fs";
import * as pools from "@kubernetes-models/karpenter/karpenter.sh/v1";
import * as overlays from "@kubernetes-models/karpenter/karpenter.sh/v1alpha1";
import * as classes from "@kubernetes-models/karpenter/karpenter.k8s.aws/v1";
import * as routes from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1";
const kinds = { ...pools, NodeOverlay: overlays.NodeOverlay, EC2NodeClass: classes.EC2NodeClass,
                HTTPRoute: routes.HTTPRoute };
for (const object of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const Kind = kinds[object.kind];
  if (!Kind) {
    console.log(JSON.stringify([object.kind, "not run", "no schema is published as a package"]));
    continue;
  }
  const { apiVersion, kind, ...rest } = object;
  try { new Kind(rest).validate(); console.log(JSON.stringify([kind, "ok", object.metadata.name])); }
  catch (error) { console.log(JSON.stringify([kind, "failed", error.message])); }
}
"""


def custom_resources(root: Path, tools: Path) -> Iterator[Verdict]:
    """Karpenter's and the Gateway API's objects against their CRDs."""
    paths = sorted([*root.glob("karpenter/*.yaml"), *root.glob("gateway/*.yaml")])
    objects = [one for path in paths for one in yaml.safe_load_all(path.read_text())]
    if not (tools / "node_modules/@kubernetes-models/karpenter").exists() or shutil.which("node") is None:
        yield Verdict("CRD schemas", f"{len(objects)} objects", "not run", "no @kubernetes-models in --tools")
        return
    script = tools / "validate.mjs"
    script.write_text(NODE)
    said = run(["node", script.name], cwd=tools, input=json.dumps(objects))
    for line in said.stdout.splitlines():
        kind, outcome, detail = json.loads(line)
        yield Verdict("CRD schemas of @kubernetes-models", kind, outcome, detail)
    if said.returncode:
        yield Verdict("CRD schemas of @kubernetes-models", "node", "failed", said.stderr[-300:])


def profiles(root: Path) -> Iterator[Verdict]:
    """AIBrix profiles read back by the advisor's own importer of AIBrix profiles."""
    from advisor.errors import AdvisorError
    from advisor.profiles.importers.registry import read_file

    for path in sorted(root.glob("aibrix/*.profile.json")):
        try:
            reading = read_file(path)
        except AdvisorError as error:
            yield Verdict("advisor profile import", path.name, "failed", str(error))
            continue
        yield Verdict("advisor profile import", path.name, "ok", f"{reading.tool}, {len(reading.rows)} sizes")


if __name__ == "__main__":
    raise SystemExit(main())
