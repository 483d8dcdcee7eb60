"""What an export starts is what was asked for, planned and replayed; from `recommend` to the file."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from advisor.catalog.checkpoints import is_base, repository
from advisor.catalog.facts import load_facts
from advisor.cli.app import main
from advisor.export.engines import ENGINES

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = {
    "coder": ["--model", "Qwen2.5-Coder-7B-Instruct"],
    "default": [],
    "big": ["--model", "Llama-3.3-70B", "--precision", "fp8", "--rate", "2"],
    "sglang": ["--engine", "SGLang"],
    "trtllm": ["--engine", "TensorRT-LLM"],
}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plans")
    found = {name: folder / f"{name}.json" for name in SERVICES}
    for name, options in SERVICES.items():
        where = ["--region", "us-east-1", "--market", "on_demand", "--no-replay", "--format", "json"]
        assert advisor("recommend", *where, *options, "-o", str(found[name])) == 0
    return found


def advisor(*words: str) -> int:
    before, sys.argv = sys.argv, ["advisor", *words]
    try:
        main()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    finally:
        sys.argv = before
    return 0


def exported(plan: Path, target: str, folder: Path) -> list[Any]:
    assert advisor("export", str(plan), "--to", target, "-o", str(folder)) == 0
    texts = [path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()]
    return [one for text in texts for one in yaml.safe_load_all(text)]


def words_of(document: Any, target: str) -> list[list[str]]:
    """The engine's words, wherever a target has them."""
    if target == "kubernetes":
        if document["kind"] != "Deployment":
            return []
        (container,) = document["spec"]["template"]["spec"]["containers"]
        return [[container["image"], *container["command"], *container["args"]]]
    if target == "terraform":
        templates = document["resource"]["aws_launch_template"].values()
        code = [one["user_data"] for one in templates]
        scripts = [json.loads(text[text.index("[") : text.rindex("]") + 1]) for text in code]
        lines = [line for script in scripts for line in script if line.startswith("docker run")]
        return [shlex.split(line.rpartition("--entrypoint ")[2]) for line in lines]
    lines = [line for line in document["run"].splitlines() if "--port" in line]
    model = document["envs"]["MODEL"]
    return [[model if word == "$MODEL" else word for word in shlex.split(line)] for line in lines]


TARGETS = ["skypilot", "skypilot-service", "kubernetes", "terraform"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [
        ("coder", "Qwen/Qwen2.5-Coder-7B-Instruct"),
        ("default", "meta-llama/Llama-3.1-8B-Instruct"),
        ("big", "meta-llama/Llama-3.3-70B-Instruct"),
    ],
)
def test_the_checkpoint_asked_for_is_served_under_its_name(
    target: str, name: str, checkpoint: str, plans: dict[str, Path], tmp_path: Path
) -> None:
    started = [
        words for one in exported(plans[name], target, tmp_path / "out") for words in words_of(one, target)
    ]
    assert started
    for words in started:
        assert "serve" in words
        assert words[words.index("serve") + 1] == checkpoint
        assert "--model" not in words
        assert words[words.index("--served-model-name") + 1] == checkpoint
        plan = json.loads(plans[name].read_text())
        degrees = {str(one["tensor_parallel"]) for one in plan["allocations"]}
        assert words[words.index("--tensor-parallel-size") + 1] in degrees
        assert int(words[words.index("--max-num-seqs") + 1]) >= 1
        assert int(words[words.index("--max-model-len") + 1]) >= 1000
        assert ("--quantization" in words) == (name == "big")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "program", "degree"),
    [("sglang", "sglang.launch_server", "--tp-size"), ("trtllm", "trtllm-serve", "--tp_size")],
)
def test_other_engines_are_started_by_their_own_commands(
    target: str, name: str, program: str, degree: str, plans: dict[str, Path], tmp_path: Path
) -> None:
    if (name, target) == ("trtllm", "skypilot-service"):  # an open endpoint that can ask for no key
        assert advisor("export", str(plans[name]), "--to", target) == 3
        return
    for document in exported(plans[name], target, tmp_path / "out"):
        if (name, target) == ("trtllm", "skypilot"):
            assert "ports" not in document["resources"]
        for words in words_of(document, target):
            assert program in words
            assert words[words.index(degree) + 1].isdigit()
            assert "meta-llama/Llama-3.1-8B-Instruct" in words


@pytest.mark.parametrize("name", SERVICES)
def test_no_image_is_whatever_is_newest_and_the_file_says_why_it_is_that_one(
    name: str, plans: dict[str, Path], tmp_path: Path
) -> None:
    exported(plans[name], "kubernetes", tmp_path / "out")
    (text,) = (path.read_text() for path in (tmp_path / "out").iterdir())
    for one in yaml.safe_load_all(text):
        for words in words_of(one, "kubernetes"):
            version = words[0].rpartition(":")[2]
            assert version[0] in "v0123456789"
            assert ":latest" not in words[0]
            said = [
                line for line in text.splitlines() if line.startswith("# ") and version.lstrip("v") in line
            ]
            assert said


def test_the_version_is_the_profiles_where_it_names_one(plans: dict[str, Path], tmp_path: Path) -> None:
    """The default's L40S figures are of vLLM 0.24.0, simulated; the plan's profile says which."""
    from advisor.profiles.query import ProfileStore

    plan = json.loads(plans["default"].read_text())
    ids = {load["profile"]["id"] for one in plan["allocations"] for load in one["load"]}
    store = ProfileStore.load()
    known = {one.id: one.engine_version for one in store.profiles(load_facts().models["Llama-3.1-8B"])}
    versions = {known[one] for one in ids if known.get(one)}
    found = {
        words[0].rpartition(":v")[2]
        for one in exported(plans["default"], "kubernetes", tmp_path / "out")
        for words in words_of(one, "kubernetes")
    }
    assert versions
    assert found <= versions


def test_the_fallback_version_is_one_the_shipped_evidence_names() -> None:
    from advisor.profiles.query import ProfileStore

    named = {(one["engine"], one["engine_version"]) for one in ProfileStore.load().summaries()}
    assert {(engine, kind.newest) for engine, kind in ENGINES.items()} <= named


@pytest.mark.fast
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-Coder-7B-Instruct"),
        ("DeepSeek-R1-Distill-Llama-8B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"),
        ("Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-8B-Instruct"),
        ("mixtral-8x7b-instruct", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        ("meta-llama/llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "nvidia/Llama-3.1-8B-Instruct-FP8"),
        ("Llama-3.1-8B-Instruct-AWQ", "meta-llama/Llama-3.1-8B-Instruct"),
        ("Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-3B-Instruct"),
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_a_name_means_one_repository(asked: str, wanted: str) -> None:
    assert repository(load_facts().model(asked), asked) == wanted


@pytest.mark.fast
def test_base_weights_are_told_from_tuned_ones() -> None:
    facts = load_facts()
    base = {"meta-llama/Llama-3.1-8B", "mistralai/Mistral-7B-v0.3", "tiiuae/Falcon3-7B-Base"}
    tuned = {"meta-llama/Llama-3.1-8B-Instruct", "Qwen/QwQ-32B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"}
    for name in base | tuned:
        assert is_base(facts.model(name), name) == (name in base)


def test_base_weights_are_said_to_lack_a_chat_template(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    where = ["--region", "us-east-1", "--no-replay", "--format", "json", "-o", str(plan)]
    assert advisor("recommend", "--model", "Llama-3.1-8B", *where) == 0
    exported(plan, "kubernetes", tmp_path / "out")
    (text,) = (path.read_text() for path in (tmp_path / "out").iterdir())
    assert "no chat template" in text.partition("apiVersion")[0]
