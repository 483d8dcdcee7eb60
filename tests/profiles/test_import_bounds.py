"""Files that are no results: bounded, and told so in one line; spellings of columns that lose nothing."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from import_builders import EVERYTHING, RECORDED, a_csv, one

from advisor.errors import InputFileError
from advisor.profiles.importers.reading import MOST_RESULTS
from advisor.profiles.importers.registry import read_text
from advisor.profiles.importing import Given

pytestmark = pytest.mark.fast

PLAIN = (RECORDED / "csv/plain.csv").read_text(encoding="utf-8")
MOST_BYTES_PER_CHARACTER = 3


def test_more_objects_than_a_benchmark_has_are_a_trace() -> None:
    line = json.dumps({"timestamp": 1})
    with pytest.raises(InputFileError, match=f"more than {MOST_RESULTS:,} objects.*advisor workload fit"):
        read_text("trace.jsonl", f"{line}\n" * (MOST_RESULTS + 1))


def test_more_rows_than_a_benchmark_has_are_a_trace() -> None:
    text = "input_tokens,output_tokens,requests_per_s\n" + "1,1,1\n" * (MOST_RESULTS + 1)
    with pytest.raises(InputFileError, match=f"more than {MOST_RESULTS:,} rows.*advisor workload fit"):
        read_text("trace.csv", text)


@pytest.mark.parametrize("line", ["timestamp,tokens,user\n", "INFO, nothing of ours: 1, 2, 3\n"])
def test_a_long_file_of_no_format_takes_no_more_memory_than_its_text_a_few_times(line: str) -> None:
    text = line * 200_000
    tracemalloc.start()
    try:
        with pytest.raises(InputFileError, match="known formats"):
            read_text("long.log", text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES_PER_CHARACTER * len(text)


def test_case_and_separators_of_columns_do_not_matter() -> None:
    head, rest = PLAIN.split("\n", 1)
    for other in (head.upper(), head.replace("_", " "), head.replace("_", "-").title()):
        assert read_text("plain.csv", f"{other}\n{rest}").rows == read_text("plain.csv", PLAIN).rows


def test_a_column_there_twice_and_a_row_with_too_many_cells_are_refused() -> None:
    head, rest = PLAIN.split("\n", 1)
    with pytest.raises(InputFileError, match="input_tokens; each column once"):
        read_text("plain.csv", f"{head},Input Tokens\n{rest}")
    with pytest.raises(InputFileError, match=r"row 2: .* cells.*decimal"):
        read_text("plain.csv", f"{head}\n{rest.splitlines()[0]},5\n")


def test_precisions_are_read_as_engines_write_them() -> None:
    for word, ours in (("bfloat16", "bf16"), ("W4A16", "int4"), ("nvfp4", "fp4"), ("FP8", "fp8")):
        given = Given(draft_tokens=8)
        assert one(a_csv(precision=word, gpu="b200-sxm-180gb"), given=given).rows[0]["precision"] == ours
        assert one(a_csv(precision="", gpu="b200-sxm-180gb"), given=Given(precision=word)).rows


def test_a_sweeps_summary_says_as_csv_what_it_says_as_json() -> None:
    result = json.loads((RECORDED / "vllm_bench/concurrency-4.json").read_text(encoding="utf-8"))
    plain = {name: value for name, value in result.items() if not isinstance(value, (list, dict))}
    columns = ",".join(plain)
    cells = ",".join("" if value is None else str(value) for value in plain.values())
    (table,) = one(read_text("summary.csv", f"{columns}\n{cells}\n"), given=EVERYTHING).rows
    (document,) = one(read_text("summary.json", json.dumps([plain])), given=EVERYTHING).rows
    differ = {name for name in document if table[name] != document[name]}
    assert differ <= {"profile_id", "source_id", "source"}
