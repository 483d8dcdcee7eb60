"""The block "Serving Benchmark Result" that ``vllm bench serve``, SGLang's ``bench_serving`` and their kin
print, alone or anywhere in a longer log: one load per block.

What the log says before a block is read too: the arguments (``Namespace(...)``, the command line), the
traffic offered, the server's tensor parallelism and version where the log states one alone. Line prefixes,
colours and comment marks do not matter. vLLM prints no load where neither limit nor rate was set, older ones
print it above the block: where nothing is found, it has to be given.
"""

from __future__ import annotations

import re
from typing import Any, Final

from advisor.profiles.importers import run_words
from advisor.profiles.importers.reading import Document, ImportedFile, ImportedRow, Payload
from advisor.profiles.importers.vllm_bench import serving_load

TOOL: Final = "Serving Benchmark Result (printed)"
SOURCE: Final = (
    "vllm 0.33.0 (PyPI), vllm/benchmarks/serve.py, and sgl-project/sglang 0.5.5, "
    "python/sglang/bench_serving.py, read on 2026-12-01"
)
HEAD: Final = "Serving Benchmark Result"
MARKS: Final = frozenset({HEAD, "Successful requests", "Request throughput"})

_COLOUR: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BLOCK: Final = re.compile(rf"=\s*{HEAD}[^=\n]*=")
_END: Final = re.compile(r"={40,}\s*$", re.MULTILINE)
_COUNTS: Final = {
    "Backend": "backend",
    "Successful requests": "completed",
    "Failed requests": "failed",
    "Maximum request concurrency": "max_concurrency",
    "Max request concurrency": "max_concurrency",
    "Max reqeuest concurrency": "max_concurrency",
    "Request rate configured (RPS)": "request_rate",
    "Traffic request rate": "request_rate",
    "Total input tokens": "total_input_tokens",
    "Total generated tokens": "total_output_tokens",
    "Request throughput (req/s)": "request_throughput",
    "Output token throughput (tok/s)": "output_throughput",
}
_COUNT: Final = re.compile(rf"({'|'.join(map(re.escape, _COUNTS))}):[ \t]+(\S+)")
_LATENCY: Final = re.compile(
    r"(Mean|Median|P\d+(?:\.\d+)?) (TTFT|TPOT|ITL|E2EL|E2E Latency) \(ms\):[ \t]+(\S+)"
)
_BEFORE: Final = re.compile(r"(Traffic request rate|Max\w* req\w+ concurrency): *(\S+)")
_ARGUMENT: Final = re.compile(
    r"(?:\b(model|max_concurrency|request_rate)=|--(model|max-concurrency|request-rate)[ =])'?([^\s,')]+)"
)
_SERVER: Final = {
    "tensor_parallel": re.compile(r"tensor[_-]parallel[_-]size[=: ]+'?(\d{1,4})\b"),
    "engine_version": re.compile(r"vLLM API server version v?(\d[\w.]*)"),
}
_UNSET: Final = frozenset({"none", "not", "null", "n/a"})


def recognises(document: Document) -> bool:
    """By the block's head and what it counts."""
    return not document.records and HEAD in document.text and _BLOCK.search(document.text) is not None


def read(document: Document) -> ImportedFile:
    """One load per block."""
    text = _COLOUR.sub("", document.text).replace("\r\n", "\n").replace("\r", "\n")
    heads = [*_BLOCK.finditer(text)]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    server = {name: _alone(pattern, text) for name, pattern in _SERVER.items()}
    loads, before = [], 0
    for i, (head, end) in enumerate(zip(heads, ends, strict=True)):
        closed = _END.search(text, head.end(), end)
        last = closed.start() if closed else end
        loads.append(
            _load(document.name, i + 1, text[before : head.start()], text[head.end() : last], server)
        )
        before = last
    return ImportedFile(document.name, TOOL, None, tuple(loads))


def _load(file: str, number: int, before: str, block: str, server: dict[str, str | None]) -> ImportedRow:
    content: dict[str, Any] = _arguments(before)
    content |= {_COUNTS[name]: value for name, value in _COUNT.findall(block)}
    for statistic, metric, value in _LATENCY.findall(block):
        content[f"{statistic}_{metric.replace(' ', '_')}_ms".casefold()] = value
    content = {name: value for name, value in content.items() if value.casefold() not in _UNSET}
    content["model_id"] = content.get("model")
    said: dict[str, Any] = {"engine_version": server["engine_version"]}
    if server["tensor_parallel"]:
        said["tensor_parallel"] = int(server["tensor_parallel"])
    if "backend" in content:
        said["engine"] = run_words.engine_of(content["backend"])
    elif server["engine_version"]:
        said["engine"] = "vLLM"
    return serving_load(Payload(file, content, f"block {number}"), **said)


def _arguments(before: str) -> dict[str, Any]:
    """What was asked for, the last word first; the printed traffic over the arguments."""
    found = {(a or b).replace("-", "_"): value for a, b, value in _ARGUMENT.findall(before)}
    for name, value in _BEFORE.findall(before):
        found["request_rate" if name.startswith("Traffic") else "max_concurrency"] = value
    return found


def _alone(pattern: re.Pattern[str], text: str) -> str | None:
    """The one value a log has for it; None where it has several."""
    values = set(pattern.findall(text))
    return values.pop() if len(values) == 1 else None
