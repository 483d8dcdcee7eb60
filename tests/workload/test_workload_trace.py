"""Reading traces: what is understood, and what is refused by file, line, column, value."""

from __future__ import annotations

import gzip
import json
import os
import re
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import InputFileError, UsageError
from advisor.workload.columns import TraceColumns
from advisor.workload.trace import Trace, read_trace
from advisor.workload.trace_files import MAX_LINE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

TRUNCATED_GZIP = gzip.compress(b"input_tokens,output_tokens\n" + b"1,2\n" * 50, mtime=0)[:-12]
SECOND_OUTPUT = "line 2, output_tokens"
TOKENS = "a whole number of tokens from"


def a_trace(folder: Path, text: str | bytes, name: str = "t.csv", **columns: str) -> Trace:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_trace(path, TraceColumns(**columns))  # type: ignore[arg-type]


def lengths(trace: Trace) -> list[tuple[int, int]]:
    return list(zip(trace.input_tokens, trace.output_tokens, strict=True))


@pytest.mark.parametrize(
    "header",
    [
        "input_tokens,output_tokens",
        "prompt_tokens,completion_tokens",
        "ContextTokens,GeneratedTokens",
        "num_prefill_tokens,num_decode_tokens",
        "Request tokens,Response tokens",
        " INPUT_TOKENS , Output_Tokens ",
    ],
)
def test_usual_column_names_are_recognised(tmp_path: Path, header: str) -> None:
    assert lengths(a_trace(tmp_path, f"{header}\n5,6\n7,8\n")) == [(5, 6), (7, 8)]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfinput_tokens,output_tokens\r\n5,6\r\n7,8\r\n",  # byte order mark, CRLF
        b"input_tokens,output_tokens\n5,6\n\n7,8",  # an empty line, no newline at the end
        b'"input_tokens","output_tokens"\n"5"," 6 "\n7.0,8.\n',  # quotes, blanks, whole floats
        b"id,output_tokens,model,input_tokens\n1,6,x,5\n2,8,y,7\n",  # other columns, other order
    ],
)
def test_spellings_of_the_same_csv(tmp_path: Path, text: bytes) -> None:
    assert lengths(a_trace(tmp_path, text)) == [(5, 6), (7, 8)]
    assert lengths(a_trace(tmp_path, gzip.compress(text), "t.csv.gz")) == [(5, 6), (7, 8)]


def test_jsonl_and_tsv_read_like_csv(tmp_path: Path) -> None:
    first = '{"prompt_tokens": 5, "completion_tokens": 6, "x": []}'
    jsonl = f'{first}\n\n{{"completion_tokens": 8.0, "prompt_tokens": 7}}\n'
    assert lengths(a_trace(tmp_path, jsonl, "t.jsonl")) == [(5, 6), (7, 8)]
    assert lengths(a_trace(tmp_path, "input_tokens\toutput_tokens\n5\t6\n", "t.TSV")) == [(5, 6)]


def test_columns_can_be_named(tmp_path: Path) -> None:
    trace = a_trace(
        tmp_path,
        "a,b,c\n1500,5,6\n3500,7,8\n",
        input_tokens="b",
        output_tokens="c",
        timestamp="a",
        timestamp_unit="ms",
    )
    assert lengths(trace) == [(5, 6), (7, 8)]
    assert list(trace.timestamps_s or ()) == [0.0, 2.0]


def a_parquet(folder: Path, select: str) -> Path:
    path = folder / "t.parquet"
    path.unlink(missing_ok=True)
    duckdb.connect().sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    select = (
        "SELECT * FROM (VALUES (TIMESTAMP '2026-01-01 00:00:00', 5, 6.0), "
        "(TIMESTAMP '2026-01-01 00:00:02.5', 7, 8.0)) "
        'AS t("timestamp", input_tokens, output_tokens)'
    )
    trace = read_trace(a_parquet(tmp_path, select))
    assert lengths(trace) == [(5, 6), (7, 8)]
    assert trace.duration_s == 2.5


@pytest.mark.parametrize(
    ("select", "field"),
    [
        ("SELECT 5 AS input_tokens, -1 AS output_tokens", "row 1, output_tokens"),
        ("SELECT unnest([5, NULL]) AS input_tokens, 1 AS output_tokens", "row 2, input_tokens"),
        ("SELECT 'NaN'::DOUBLE AS input_tokens, 1 AS output_tokens", "row 1, input_tokens"),
        ("SELECT 5 AS input_tokens", "header"),
    ],
)
def test_bad_parquet_is_refused_by_row(tmp_path: Path, select: str, field: str) -> None:
    with pytest.raises(InputFileError) as refused:
        read_trace(a_parquet(tmp_path, select))
    assert refused.value.field == field


def test_a_file_that_only_calls_itself_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="readable Parquet file"):
        a_trace(tmp_path, "input_tokens,output_tokens\n1,2\n", "t.parquet")


@pytest.mark.parametrize(
    ("header", "first", "second"),
    [
        ("timestamp_s,input_tokens,output_tokens", "10", "12.5"),
        ("timestamp_ms,input_tokens,output_tokens", "10000", "12500"),
        ("arrived_at,num_prefill_tokens,num_decode_tokens", "0.5", "3"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens",
            "2023-11-16 18:15:46.6805900",
            "2023-11-16 18:15:49.1805900",
        ),
        ("timestamp,input_tokens,output_tokens", "2024-05-10T00:00:00+00:00", "2024-05-10T02:00:02.5+02:00"),
        ("timestamp,input_length,output_length", "3000", "5500"),  # Mooncake: milliseconds
        ("Timestamp,Request tokens,Response tokens", "5", "7.5"),  # BurstGPT: seconds
    ],
)
def test_times_are_seconds_since_the_first_request(
    tmp_path: Path, header: str, first: str, second: str
) -> None:
    trace = a_trace(tmp_path, f"{header}\n{first},5,6\n{second},7,8\n")
    assert list(trace.timestamps_s or ()) == pytest.approx([0, 2.5], abs=1e-6)
    assert trace.rate_requests_per_s == pytest.approx(0.4)


MOONCAKE = "timestamp,input_length,output_length"
CHATS = "chat_id,parent_chat_id,turn,timestamp,input_length,output_length"


def unit_of(folder: Path, header: str, *moments: str) -> str:
    """The unit a trace of these moments is read in; empty where no column is read as arrival times."""
    lead = "1,-1,1," if header is CHATS else ""
    rows = "".join(f"{lead}{moment},5,6\n" for moment in moments)
    return a_trace(folder, f"{header}\n{rows}").arrivals_from.partition(", ")[2]


def test_the_turns_of_a_chat_tell_seconds_from_mooncakes_milliseconds(tmp_path: Path) -> None:
    assert unit_of(tmp_path, MOONCAKE, "0", "3000", "5500") == "milliseconds"
    assert unit_of(tmp_path, CHATS, "0.078", "0.289", "61.114") == "seconds"


def test_fractions_in_a_span_of_seconds_are_seconds(tmp_path: Path) -> None:
    assert unit_of(tmp_path, MOONCAKE, "0.078", "0.289", "0.309") == "seconds"  # else 8,700 requests/s


@pytest.mark.parametrize(
    ("header", "moments"),
    [
        (CHATS, ("0", "61", "73")),  # seconds by its columns, milliseconds by its whole numbers
        (MOONCAKE, ("0", "0", "1", "1", "2")),  # milliseconds by its names, 2,000 requests/s in them
        (MOONCAKE, ("0.5", "3000.25", "5500")),  # one request per second in milliseconds, or few in seconds
    ],
)
def test_where_nothing_tells_the_unit_is_asked_for(
    tmp_path: Path, header: str, moments: tuple[str, ...]
) -> None:
    with pytest.raises(InputFileError, match="--timestamp-unit"):
        unit_of(tmp_path, header, *moments)


@pytest.mark.parametrize(
    ("unit", "zeros"), [("seconds", 0), ("milliseconds", 3), ("microseconds", 6), ("nanoseconds", 9)]
)
def test_moments_since_1970_show_their_unit(tmp_path: Path, unit: str, zeros: int) -> None:
    first, second = (f"{seconds}{'0' * zeros}" for seconds in (1_780_000_000, 1_780_000_005))
    for name in ("timestamp", "created", "ts"):
        assert unit_of(tmp_path, f"{name},input_tokens,output_tokens", first, second) == unit
    trace = a_trace(tmp_path, f"created,input_tokens,output_tokens\n{first},5,6\n{second},7,8\n")
    assert trace.duration_s == pytest.approx(5)


@pytest.mark.parametrize(
    "name",
    ["startTime", "start_time", "created", "created_at", "createdAt", "ts", "request_time", "Start Time",
     "arrival_time", "@timestamp"],
)  # fmt: skip
def test_logs_of_other_tools_have_arrival_times_under_their_own_names(tmp_path: Path, name: str) -> None:
    text = f"endTime,{name},prompt_tokens,completion_tokens\n"
    text += "".join(f"2026-06-01T00:00:09+00:00,2026-06-01T00:00:0{s}+00:00,5,6\n" for s in range(5))
    trace = a_trace(tmp_path, text)
    assert trace.rate_requests_per_s == pytest.approx(1.0)
    assert trace.arrivals_from == f"{name}, dates and times"
    assert trace.unread_times == ()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps_ms=st.lists(st.integers(0, 10**7), min_size=1, max_size=5),
    order=st.permutations(range(4)),
    upper=st.booleans(),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_order_case_and_unit_of_a_trace_do_not_matter(
    tmp_path: Path, gaps_ms: list[int], order: list[int], upper: bool, unit: str
) -> None:
    moments_ms = [1_780_000_000_000 + sum(gaps_ms[:place]) for place in range(len(gaps_ms) + 1)]
    scale = {"s": 0.001, "ms": 1, "us": 10**3, "ns": 10**6}[unit]
    names = ["created_at", "prompt_tokens", "completion_tokens", "model"]
    rows = [[str(moment * scale), "5", "6", "m"] for moment in moments_ms]
    text = "\n".join(",".join(row[at] for at in order) for row in [names, *rows])
    head, _, body = text.partition("\n")
    trace = a_trace(tmp_path, f"{head.upper() if upper else head}\n{body}\n")
    assert trace.duration_s == pytest.approx(sum(gaps_ms) / 1000, abs=1e-3)


@pytest.mark.parametrize("cells", [("0.25", "1.5"), ("7", "8"), ("", "2026-06-01T00:00:00"), ("x", "y")])
def test_a_column_that_may_be_times_and_is_not_read_is_named(tmp_path: Path, cells: tuple[str, str]) -> None:
    rows = "".join(f"{cell},5,6\n" for cell in cells)
    trace = a_trace(tmp_path, f"request_time,input_tokens,output_tokens\n{rows}")  # web servers: a duration
    assert (trace.timestamps_s, trace.unread_times) == (None, ("request_time",))


def test_token_counts_are_no_times(tmp_path: Path) -> None:
    trace = a_trace(tmp_path, "input_tokens,output_tokens,latency_ms,attempt\n1,2,3,4\n")
    assert trace.unread_times == ()


def test_rows_out_of_order_are_sorted_and_counted(tmp_path: Path) -> None:
    trace = a_trace(tmp_path, "timestamp_s,input_tokens,output_tokens\n5,1,1\n3,2,2\n3,3,3\n9,4,4\n")
    assert lengths(trace) == [(2, 2), (3, 3), (1, 1), (4, 4)]
    assert list(trace.timestamps_s or ()) == [0, 0, 2, 6]
    assert (trace.out_of_order, trace.rate_requests_per_s) == (1, 0.5)


@pytest.mark.parametrize("rows", ["5,1,1\n", "5,1,1\n5,2,2\n"])
def test_without_a_duration_there_is_no_rate(tmp_path: Path, rows: str) -> None:
    assert a_trace(tmp_path, f"timestamp_s,input_tokens,output_tokens\n{rows}").rate_requests_per_s is None


@pytest.mark.parametrize(
    "value", ["", "-1", "NaN", "nan", "inf", "1.5", "abc", "10000001", "9" * 400, "1e3", "1_0", "٣", "true"]
)
def test_bad_token_counts_are_refused_by_line(tmp_path: Path, value: str) -> None:
    for name, column, least in (("a.csv", "input_tokens", 1), ("b.csv", "output_tokens", 0)):
        row = f"{value},6" if least else f"5,{value}"
        with pytest.raises(InputFileError) as refused:
            a_trace(tmp_path, f"input_tokens,output_tokens\n5,6\n{row}\n", name)
        error = refused.value
        assert (error.file, error.field, error.value) == (str(tmp_path / name), f"line 3, {column}", value)
        assert error.allowed == f"{TOKENS} {least} to 10,000,000"


def test_a_prompt_has_at_least_one_token_but_an_output_may_be_empty(tmp_path: Path) -> None:
    assert a_trace(tmp_path, "input_tokens,output_tokens\n1,0\n").zero_outputs == 1
    with pytest.raises(InputFileError, match="line 2, input_tokens"):
        a_trace(tmp_path, "input_tokens,output_tokens\n0,1\n")


@pytest.mark.parametrize(
    "value", ["null", "-1", "NaN", "Infinity", "1.5", "true", '"x"', "1e300", "[]", "10000001"]
)
def test_bad_json_token_counts_are_refused_by_line(tmp_path: Path, value: str) -> None:
    text = '{"input_tokens": 1, "output_tokens": 2}\n{"input_tokens": 1, "output_tokens": %s}\n'
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, text % value, "t.jsonl")
    assert refused.value.field == "line 2, output_tokens"


@pytest.mark.parametrize("value", ["", "-1", "nan", "inf", "x", "1e300", "1_0"])
def test_bad_times_are_refused_by_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, f"timestamp_s,input_tokens,output_tokens\n1,5,6\n{value},5,6\n")
    assert (refused.value.field, refused.value.value) == ("line 3, timestamp_s", value)


def test_a_bare_number_as_time_is_ambiguous(tmp_path: Path) -> None:
    text = "timestamp,input_tokens,output_tokens\n1,5,6\n2,5,6\n"
    with pytest.raises(InputFileError, match=r"line 2, timestamp: '1' .*--timestamp-unit s\|ms"):
        a_trace(tmp_path, text)
    assert a_trace(tmp_path, text, timestamp_unit="s").duration_s == 1


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("t.csv", "", "line 1"),
        ("t.csv", "\n\n", "line 1"),
        ("t.csv", "input_tokens,output_tokens\n", ""),
        ("t.csv", "1,2\n3,4\n", "header"),
        ("t.csv", "input_tokens\n1\n", "header"),
        ("t.csv", "input_tokens,prompt_tokens,output_tokens\n1,1,1\n", "header"),
        ("t.csv", "input_tokens,input_tokens,output_tokens\n1,1,1\n", "header"),
        ("t.csv", "input_tokens,output_tokens\n1,2,3\n", "line 2"),
        ("t.csv", "input_tokens,output_tokens\n1\n", "line 2"),
        ("t.csv", 'input_tokens,output_tokens\n1,"2\n', "line 2"),
        ("t.csv", b"input_tokens,output_tokens\n1,\xff\n", ""),
        ("t.csv.gz", b"not gzip", ""),
        ("t.csv.gz", TRUNCATED_GZIP, ""),
        ("t.jsonl", "", "line 1"),
        ("t.jsonl", "[1, 2]\n", "line 1"),
        ("t.jsonl", '{"input_tokens": 1, "output_tokens": 2}\n{"input_tokens": 1\n', "line 2"),
        ("t.jsonl", '{"input_tokens": 1, "input_tokens": 2, "output_tokens": 2}\n', "line 1"),
        ("t.jsonl", "[" * 100_000, "line 1"),
        ("t.jsonl", '{"input_tokens": 1, "output_tokens": 2}\n{"input_tokens": 2}\n', SECOND_OUTPUT),
        ("t.txt", "input_tokens,output_tokens\n1,2\n", ""),
    ],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path: Path, name: str, text: str | bytes, field: str) -> None:
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, text, name)
    assert (refused.value.file, refused.value.field) == (str(tmp_path / name), field)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name, said in (
        ("gone.csv", "No such file or directory"),
        ("folder.csv", "a folder"),
        ("pipe.jsonl", "a named pipe (FIFO)"),
    ):
        with pytest.raises(InputFileError) as refused:
            read_trace(tmp_path / name)
        assert refused.value.value == said


def test_a_named_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="--output-column names 'tokens', which is not a column"):
        a_trace(tmp_path, "input_tokens,output_tokens\n1,2\n", output_tokens="tokens")
    with pytest.raises(UsageError, match="--timestamp-unit"):
        TraceColumns(timestamp_unit="minutes")  # type: ignore[arg-type]


def test_a_long_bad_line_does_not_flood_the_message(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, json.dumps({"x": "y" * 10_000}) + "\n", "t.jsonl")
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_name_is_a_file_not_a_pattern(tmp_path: Path, ending: str) -> None:
    for name, tokens in (("ab", 1), ("a[b]", 2)):
        select = f"SELECT {tokens} AS input_tokens, 1 AS output_tokens"
        options = "HEADER" if ending == "csv" else f"FORMAT {'json' if ending == 'jsonl' else ending}"
        duckdb.connect().sql(f"COPY ({select}) TO '{tmp_path}/{name}.{ending}' ({options})")
    assert lengths(read_trace(tmp_path / f"a[b].{ending}")) == [(2, 1)]
    with pytest.raises(InputFileError, match="No such file"):
        read_trace(tmp_path / f"a[bc].{ending}")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("t.csv.gz", "input_tokens,output_tokens\\n1,{}2\\n"),
        ("t.jsonl.gz", '{{"input_tokens": 1, "x": "{}"}}\\n'),
    ],
)
def test_one_line_of_a_small_gzip_cannot_fill_the_memory(tmp_path: Path, name: str, line: str) -> None:
    packed = gzip.compress(line.format("0" * MAX_LINE_BYTES).encode())
    assert len(packed) < 20_000
    with pytest.raises(InputFileError, match="lines of at most 8 MiB"):
        a_trace(tmp_path, packed, name)


def test_line_ends_of_two_kinds_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    mixed = b"\xef\xbb\xbfinput_tokens,output_tokens\r\n5,6\n7,8\r\n"
    assert lengths(a_trace(tmp_path, mixed)) == [(5, 6), (7, 8)]
    objects = (
        b'\xef\xbb\xbf{"input_tokens": 5, "output_tokens": 6}\r\n \n{"input_tokens": "7", "output_tokens": 8}'
    )
    assert lengths(a_trace(tmp_path, objects, "t.jsonl")) == [(5, 6), (7, 8)]


def test_names_that_mean_something_to_a_query_are_names(tmp_path: Path) -> None:
    odd = "a/b~c'd\"; --"
    record = json.dumps({odd: 5, "output_tokens": 6})
    assert lengths(a_trace(tmp_path, record, "it's.jsonl", input_tokens=odd)) == [(5, 6)]
    header = '"' + odd.replace('"', '""') + '"'
    assert lengths(a_trace(tmp_path, f"{header},output_tokens\n5,6\n", input_tokens=odd)) == [(5, 6)]


def test_a_key_that_is_there_twice_is_refused_on_its_line(tmp_path: Path) -> None:
    good = '{"input_tokens": 1, "output_tokens": 2}\n'
    with pytest.raises(InputFileError, match=r"line 3: .*one JSON object \(key 'x' is there twice\)"):
        a_trace(tmp_path, good + "\n" + good.replace("{", '{"x": 1, "x": 1, '), "t.jsonl")


def test_a_row_is_named_by_the_line_it_ends_on_whatever_stands_before_it(tmp_path: Path) -> None:
    text = '\nid,input_tokens,output_tokens\n"a\nb",1,2\n\nc,1,x\n'
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, text)
    assert (refused.value.field, refused.value.value) == ("line 6, output_tokens", "x")


CELL = st.text("0123456789.eE+-_ ainfNxl٣", max_size=6) | st.integers(-5, 10**8).map(str)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELL, min_size=1, max_size=6))
def test_a_cell_is_a_whole_token_count_or_the_first_that_is_none_is_refused(
    tmp_path: Path, cells: list[str]
) -> None:
    text = "input_tokens,output_tokens\n" + "".join(f"1,{cell}\n" for cell in cells)
    whole = [
        bool(re.fullmatch(r" *[0-9]+(\.0*)? *", cell, re.ASCII)) and float(cell) <= 10**7 for cell in cells
    ]
    if all(whole):
        assert [size for _, size in lengths(a_trace(tmp_path, text))] == [int(float(cell)) for cell in cells]
        return
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, text)
    first = whole.index(False)
    assert (refused.value.field, refused.value.value) == (f"line {first + 2}, output_tokens", cells[first])


USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 50},
}


def a_log(folder: Path, name: str, records: list[object], **columns: str) -> Trace:
    whole = json.dumps(records, indent=1) if name.endswith(".json") else "\n".join(map(json.dumps, records))
    return a_trace(folder, whole, name, **columns)


@pytest.mark.parametrize("name", ["log.jsonl", "log.json"])
@pytest.mark.parametrize("above", [(), ("response",), ("response", "body")])
def test_the_usage_object_of_a_request_log_is_found(
    tmp_path: Path, name: str, above: tuple[str, ...]
) -> None:
    records: list[object] = []
    for second in range(3):
        record: dict[str, object] = {"usage": USAGE}
        for key in reversed(above):
            record = {key: record}
        records.append({"created": 1_780_000_000 + second, "model": "m", **record})
    trace = a_log(tmp_path, name, records)
    assert lengths(trace) == [(100, 5)] * 3
    assert (trace.rate_requests_per_s, trace.prefix_cache_hit_rate) == (1.0, 0.5)


def test_langfuse_names_input_and_output(tmp_path: Path) -> None:
    observed: list[object] = [
        {"startTime": f"2026-06-01T00:00:0{second}Z", "usage": {"input": 10, "output": 3, "total": 13}}
        for second in range(3)
    ]
    trace = a_log(tmp_path, "observations.json", observed)
    assert lengths(trace) == [(10, 3)] * 3
    assert (trace.rate_requests_per_s, trace.prefix_cache_hit_rate) == (1.0, None)


def test_a_name_with_a_point_is_not_a_way_into_an_object(tmp_path: Path) -> None:
    record = {"a.b": 7, "a": {"b": 8}, "output_tokens": 1}
    assert lengths(a_log(tmp_path, "t.jsonl", [record], input_tokens="a.b")) == [(7, 1)]


@pytest.mark.parametrize(("name", "place"), [("log.jsonl", "line 2"), ("log.json", "item 2")])
@pytest.mark.parametrize("cached", [101, -1, 1.5, "many"])
def test_no_more_input_is_cached_than_there_is(tmp_path: Path, name: str, place: str, cached: object) -> None:
    bad = USAGE | {"prompt_tokens_details": {"cached_tokens": cached}}
    with pytest.raises(InputFileError) as refused:
        a_log(tmp_path, name, [{"usage": USAGE}, {"usage": bad}])
    assert refused.value.field == f"{place}, usage.prompt_tokens_details.cached_tokens"


def test_a_request_that_says_nothing_of_the_cache_had_nothing_in_it(tmp_path: Path) -> None:
    silent = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": None}
    trace = a_log(tmp_path, "t.jsonl", [{"usage": USAGE}, {"usage": silent}])
    assert trace.prefix_cache_hit_rate == 0.25


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", ""),
        ("[1]", "item 1"),
        ('[{"input_tokens": 1, "output_tokens": 2}, 7]', "item 2"),
        ('[{"input_tokens": 1, "output_tokens": 2}, {"output_tokens": 2}]', "item 2, input_tokens"),
        ('[{"input_tokens": 1, "output_tokens": 2}, {"input_tokens": 1, "x": 1, "x": 1}]', "item 2"),
        ('[{"input_tokens": 1, "output_tokens": 2}', ""),
    ],
)  # fmt: skip
def test_a_broken_array_is_refused_by_item(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputFileError) as refused:
        a_trace(tmp_path, text, "t.json")
    assert refused.value.field == field
