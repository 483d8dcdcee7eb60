"""Stands in for GuideLLM where it is not installed: takes its settings, drives the endpoint, reports.

Run as a script: ``stand_in_guidellm.py run --backend {...} --profile {...} ...``. Only what the advisor uses.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    options: dict[str, Any] = {}
    for name, value in pairwise(arguments):
        if name.startswith("--") and value.startswith("{"):
            options[name] = json.loads(value)
    streams = options["--profile"]["streams"]
    count = options["--constraint"]["count"]
    times: list[tuple[float, float]] = []
    left = list(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not left:
                    return
                left.pop()
            taken = ask(options["--backend"], options["--data"])
            with lock:
                times.append(taken)

    started = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = a_report(options, streams, times, time.perf_counter() - started)
    Path(options["--output"]["path"]).write_text(json.dumps(report), encoding="utf-8")


def ask(backend: dict[str, Any], data: dict[str, Any]) -> tuple[float, float]:
    """Seconds to the first token and to the last."""
    body = {"model": backend["model"], "prompt": "x" * data["prompt_tokens"], "stream": True,
            "max_tokens": data["output_tokens"]}  # fmt: skip
    request = urllib.request.Request(f"{backend['target']}/v1/completions", json.dumps(body).encode())  # noqa: S310
    started, first, last = time.perf_counter(), 0.0, 0.0
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        for line in answer:
            if line.startswith(b"data: {"):
                last = time.perf_counter()
                first = first or last
    return first - started, last - started


def a_report(
    options: dict[str, Any], streams: int, times: list[tuple[float, float]], seconds: float
) -> dict[str, Any]:
    tokens = options["--data"]["output_tokens"]
    paces = sorted((last - first) / (tokens - 1) * 1e3 for first, last in times)
    waits = sorted(first * 1e3 for first, _ in times)
    metrics = {
        "requests_per_second": stats([len(times) / seconds]),
        "time_to_first_token_ms": stats(waits),
        "inter_token_latency_ms": stats(paces),
        "request_latency": stats(sorted(last for _, last in times)),
        "prompt_token_count": stats([options["--data"]["prompt_tokens"]]),
        "output_token_count": stats([tokens]),
        "output_tokens_per_second": stats([len(times) * tokens / seconds]),
        "request_totals": {"successful": len(times), "errored": 0, "incomplete": 0, "total": len(times)},
    }
    strategy = {"type_": "concurrent", "streams": streams}
    backend = {"model": options["--backend"]["model"]}
    return {
        "metadata": {"guidellm_version": "stand-in"},
        "benchmarks": [{"config": {"strategy": strategy, "backend": backend}, "metrics": metrics,
                        "start_time": time.time()}],
    }  # fmt: skip


def stats(values: list[float]) -> dict[str, Any]:
    middle = values[len(values) // 2]
    shares = {"p90": values[int(len(values) * 0.9)], "p99": values[-1]}
    return {"successful": {"mean": sum(values) / len(values), "median": middle, "percentiles": shares}}


if __name__ == "__main__":
    main(sys.argv[1:])
