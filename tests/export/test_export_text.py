"""Text from outside stays inside its scalar, in YAML, in Terraform's language, in a shell command."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from typing import Any

import pytest
import yaml
from export_plans import a_wide_document, some_facts
from hypothesis import given
from hypothesis import strategies as st

from advisor.documents import Scalars
from advisor.documents.strict_yaml import parse_yaml
from advisor.errors import PlanningError
from advisor.export.bundle import yaml_file
from advisor.export.gateway import shares
from advisor.export.order import dns_label, unique
from advisor.export.targets import Target, export
from advisor.export.terraform_json import Expression, quoted, terraform_json
from advisor.plan.plan import Plan
from advisor.text import printable

HOSTILE = [
    '"}\n---\nkind: ClusterRoleBinding\n# ',
    "'; rm -rf / #",
    "$(reboot)`reboot`${HOME}",
    "${file(\"/etc/passwd\")} %{ if true }x%{ endif }",
    "a: b, [c], {d} & *e !f |\n  g\n>",
    "- no\n- 0x10\n- 1e3\n- ~",
    '"""\nEOF\n<<EOF\n',
    "\x1b[2J\x00\x07\u2028\u202e\ufeff",
    "*/ //",
    "no",
    "1e3",
    "=cmd|' /C calc'!A0",
    "../../../etc/cron.d/x",
    "\\\" \\\\ \\u0041",
]  # fmt: skip

OWN_KEYS = {
    "apiVersion", "kind", "metadata", "spec", "name", "num_nodes", "resources", "envs", "setup", "run",
    "service", "secrets", "model_list", "router_settings", "general_settings", "type", "nodes", "fleets",
    "backends", "regions", "instance_types", "availability_zones", "spot_policy", "image", "env", "commands",
    "port", "model", "auth", "replicas", "probes",
}  # fmt: skip
OWN_KINDS = {
    None, "Deployment", "Service", "InferencePool", "HTTPRoute", "NodePool", "NodeOverlay", "EC2NodeClass",
}  # fmt: skip

_PLAN_TEXTS = ("plan_id", "advisor_version", "command", "reason")
_PURCHASE_TEXTS = ("region", "zone", "instance_type", "accelerator", "price_source", "price_basis")
_SERVICE_TEXTS = ("name", "model", "checkpoint", "precision", "workload", "slo")


def a_hostile_plan(text: str) -> Plan:
    """The wide plan with the text in every field that is text, each still its own."""
    document = a_wide_document()
    for key in _PLAN_TEXTS:
        document[key] = text
    for number, service in enumerate(document["services"]):
        old = service["name"]
        service |= dict.fromkeys(_SERVICE_TEXTS, f"{text}{number}")
        for allocation in document["allocations"]:
            if allocation["service"] == old:
                allocation["service"] = service["name"]
    for number, line in enumerate(document["purchase"]):
        place = {key: line[key] for key in ("provider", "region", "zone", "instance_type", "market")}
        line |= dict.fromkeys(_PURCHASE_TEXTS, f"{text}{number}")
        for allocation in document["allocations"]:
            if all(allocation[key] == value for key, value in place.items()):
                allocation |= {key: line[key] for key in ("region", "zone", "instance_type")}
    return Plan.model_validate(document)


def _skeleton(value: Any) -> Any:
    """The shape of a document: its own keys, not what they hold."""
    if isinstance(value, dict):
        return {key: _skeleton(item) for key, item in value.items() if key != "nodeSelector"}
    if isinstance(value, list):
        return [_skeleton(value[0])] if value else []
    return None


def _documents(text: str) -> list[Any]:
    """As libyaml reads them, ten times as fast as PyYAML does itself."""
    return list(yaml.load_all(text, yaml.CSafeLoader))


@cache
def _skeletons(target: Target) -> frozenset[str]:
    """Of the documents of a plan with harmless names."""
    files = export(Plan.model_validate(a_wide_document()), target, some_facts()).files
    return frozenset(str(_skeleton(one)) for file in files for one in _documents(file.text))


@pytest.mark.parametrize("target", [t for t in Target if t not in (Target.TERRAFORM, Target.AIBRIX)])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_plan_adds_a_key_or_a_document(target: Target, text: str) -> None:
    known = _skeletons(target)
    try:
        files = export(a_hostile_plan(text), target, some_facts()).files
    except PlanningError:
        return  # labels of Kubernetes cannot hold the text: every line was left out
    for file in files:
        for one in _documents(file.text):
            named = str(_skeleton(one)).replace("MODEL_0", "MODEL")
            assert named in known or "accelerators" in str(known - {named})
            assert set(one) <= OWN_KEYS
            assert one.get("kind") in OWN_KINDS


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_plan_runs_in_terraform(text: str) -> None:
    for file in export(a_hostile_plan(text), Target.TERRAFORM, some_facts()).files:
        assert set(json.loads(file.text)) == {"//", "terraform", "provider", "variable", "resource", "output"}
        code = re.sub(r"\$\$\{|%%\{", "", file.text)  # template marks that are spelt out
        assert "%{" not in code
        ours = (
            *("var.", "lookup(var.", "aws_launch_template.", "google_compute_instance_template."),
            *("aws_lb_target_group.", "google_compute_health_check.", "base64encode(join(", "join("),
        )
        assert all(found.startswith(ours) for found in re.findall(r"\$\{(.{40})", code))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_plan_runs_in_a_shell(text: str) -> None:
    for file in export(a_hostile_plan(text), Target.SKYPILOT, some_facts()).files:
        script = yaml.safe_load(file.text)["run"]
        for line in script.splitlines():
            if "vllm serve" in line:
                words = shlex.split(line.strip().removesuffix("&"))
                served = words[words.index("--served-model-name") + 1]
                assert served in (printable(f"{text}0"), printable(f"{text}1"))
                assert words[words.index("--host") - 1] == served


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("target", Target)
def test_no_text_of_a_plan_names_a_file_outside_the_folder(target: Target, text: str) -> None:
    try:
        files = export(a_hostile_plan(text), target, some_facts()).files
    except PlanningError:
        return
    for file in files:
        assert ".." not in file.name.split("/")
        assert not file.name.startswith("/")
        assert file.name.isascii()
        assert file.name.isprintable()


_TEXT = st.text(max_size=30)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["no", "1e3", "0o7", "~", "", "y"]) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(_TEXT.filter(bool), _DATA, max_size=4), _TEXT)
def test_yaml_reads_back_as_written_in_either_version(value: dict[str, Any], words: str) -> None:
    text = yaml_file("x", [words], value).text
    expected = _harmless(value)
    assert (yaml.safe_load(text) or {}) == expected
    assert (parse_yaml(text, "x", Scalars.PLAIN) or {}) == expected


def _harmless(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _harmless(item) for key, item in value.items()}
    return [_harmless(item) for item in value] if isinstance(value, list) else value


def test_comments_stand_above_and_lists_stand_in() -> None:
    text = yaml_file("x", ["one\ntwo"], {"a": [{"b": 1}, "c"], "d": [], "e": "8"}).text
    assert text == '# one\\ntwo\na:\n  - b: 1\n  - c\nd: []\ne: "8"\n'


@given(_TEXT)
def test_a_terraform_string_holds_its_text(text: str) -> None:
    found = json.loads(terraform_json([text], {"locals": {"x": text, "y": 1}}))
    assert found["locals"]["y"] == 1
    assert found["locals"]["x"].replace("$${", "${").replace("%%{", "%{") == printable(text)
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", found["locals"]["x"])


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("${x}", '"$${x}"'),
        ("$${x}", '"$$${x}"'),
        ("%{", '"%%{"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\nb", '"a\\\\nb"'),
    ],
)
def test_a_template_mark_is_doubled_and_a_quote_escaped(text: str, literal: str) -> None:
    assert quoted(text) == literal
    whole = json.loads(terraform_json([], {"x": Expression(f"var.a[{quoted(text)}]")}))
    assert whole["x"] == f"${{var.a[{literal}]}}"


@given(st.text())
def test_every_name_is_a_dns_label(words: str) -> None:
    label = dns_label(words)
    assert 1 <= len(label) <= 63
    assert set(label) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert label[0].isalpha()
    assert label[-1] != "-"


def test_equal_names_are_told_apart() -> None:
    taken: set[str] = set()
    assert [unique("A.b", taken), unique("a b", taken), unique("a/b", taken)] == ["a-b", "a-b-2", "a-b-3"]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=16))
def test_weights_sum_to_the_whole_and_keep_the_shares(rates: list[float]) -> None:
    found = shares(rates)
    assert sum(found) == 10_000
    total = sum(rates)
    if total > 0:
        assert all(
            abs(weight - 10_000 * rate / total) <= 1 for weight, rate in zip(found, rates, strict=True)
        )
