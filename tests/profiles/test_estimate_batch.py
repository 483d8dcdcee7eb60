"""`advisor profile estimate --batch`: the file comes back as it was, with an estimate or a reason per row."""

from __future__ import annotations

import csv
import io
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.facts import load_facts
from advisor.catalog.model_spelling import stated_precision
from advisor.errors import InputFileError
from advisor.profiles import calibration
from advisor.profiles.batch_file import ADDED, NEEDED
from advisor.profiles.estimate_batch import BatchNames, estimated_text

FACTS = load_facts()
NAMES = BatchNames(cache(FACTS.model), cache(FACTS.accelerator), stated_precision)
KNOWN = calibration.load()
COLUMNS = (
    "model,precision,engine,engine_version,gpu,gpu_count,tp,input_tokens,output_tokens,load_mode,concurrency,"
    "request_rate_offered"
)
ROW = {
    "model": "Llama-3.1-8B", "precision": "bf16", "engine": "vLLM", "engine_version": "0.12.0",
    "gpu": "H100-80GB-SXM", "gpu_count": "1", "tp": "1", "input_tokens": "1000", "output_tokens": "250",
    "load_mode": "concurrency", "concurrency": "32", "request_rate_offered": "",
}  # fmt: skip


def a_file(*rows, columns=COLUMNS):
    lines = [
        columns,
        *(",".join({**ROW, **row}.get(name, "") for name in columns.split(",")) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def done(text):
    return estimated_text(text, "runs.csv", NAMES, KNOWN)


def records(text):
    return list(csv.DictReader(io.StringIO(done(text)[0])))


def only(**changes):
    (found,) = records(a_file(changes))
    return found


class TestTheFileComesBack:
    @settings(max_examples=100)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12), min_size=1))
    def test_every_cell_that_came_in_goes_out_byte_for_byte(self, notes):
        row = ",".join(ROW[name] for name in COLUMNS.split(","))
        lines = [COLUMNS + ",note", *(row + ',"' + note.replace('"', '""') + '"' for note in notes)]
        written = done("\r\n".join(lines))[0].split("\r\n")
        assert [after[: len(before) + 1] for before, after in zip(lines, written, strict=True)] == [
            before + "," for before in lines
        ]

    @pytest.mark.parametrize("ending", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", [True, False])
    def test_line_endings_quotes_blank_lines_and_the_byte_order_mark_stay(self, ending, last):
        row = ",".join(ROW[name] for name in COLUMNS.split(","))
        lines = ["\ufeff" + COLUMNS + ",note", row + ',"two\nlines, quoted ""so"""', "", row + ",  spaced "]
        text = ending.join(lines) + (ending if last else "")
        written, rows, declined = done(text)
        assert (rows, declined) == (2, 0)
        assert written.startswith(lines[0] + "," + ",".join(ADDED) + ending)
        assert lines[1] + "," in written
        assert ending + ending in written
        assert "  spaced ," in written
        assert written.endswith(ending) == last

    def test_columns_may_stand_in_any_order(self):
        turned = ",".join(reversed(COLUMNS.split(",")))
        plain, other = records(a_file({})), records(a_file({}, columns=turned))
        assert [plain[0][name] for name in ADDED] == [other[0][name] for name in ADDED]

    def test_other_rows_do_not_change_a_rows_estimate(self):
        alone = records(a_file({"concurrency": "8"}))[0]
        others = records(
            a_file({}, {"concurrency": "8"}, {"model": "Llama-3.1-70B", "tp": "4", "gpu_count": "4"})
        )
        assert [alone[name] for name in ADDED] == [others[1][name] for name in ADDED]


class TestARow:
    def test_has_a_rate_in_its_interval_and_latencies(self):
        found = only()
        low, rate, high = (
            float(found[n]) for n in ("low_requests_per_s", "predicted_requests_per_s", "high_requests_per_s")
        )
        assert low < rate < high
        seconds = (float(found["predicted_ttft_ms"]) + 249 * float(found["predicted_tpot_ms"])) / 1e3
        assert rate * seconds == pytest.approx(32, rel=1e-4)
        assert found["reason"] == ""

    def test_what_it_says_was_measured_is_not_looked_at(self):
        columns = COLUMNS + ",requests_per_s,tpot_mean_ms"
        told = records(a_file({"requests_per_s": "999", "tpot_mean_ms": "1"}, columns=columns))[0]
        assert [told[name] for name in ADDED] == [only()[name] for name in ADDED]

    def test_gpus_beyond_the_degree_are_replicas(self):
        one, two = only(), only(gpu_count="2", concurrency="64")
        assert float(two["predicted_requests_per_s"]) == pytest.approx(
            2 * float(one["predicted_requests_per_s"]), rel=1e-4
        )

    def test_an_open_stream_gets_what_it_offers_or_what_there_is(self):
        calm = only(load_mode="rate", request_rate_offered="2", concurrency="")
        rushed = only(load_mode="rate", request_rate_offered="2000", concurrency="")
        assert float(calm["predicted_requests_per_s"]) == 2.0
        assert float(rushed["predicted_requests_per_s"]) < 100
        assert rushed["predicted_ttft_ms"] == ""
        assert "queue grows" in rushed["reason"]

    def test_names_are_understood_as_everywhere(self):
        assert only(model="meta-llama/Llama-3.1-8B-Instruct", gpu="h100-sxm-80gb")["predicted_requests_per_s"]

    def test_precisions_may_be_spelt_as_frameworks_do(self):
        same = [
            only(precision=name)["predicted_requests_per_s"] for name in ("bf16", "BF16", "bfloat16", "auto")
        ]
        assert len(set(same)) == 1
        assert same[0]

    @pytest.mark.parametrize(
        ("spelt", "plain"),
        [("NVFP4", "fp4"), ("fp8_e4m3", "fp8"), ("awq_marlin", "int4"), ("GPTQ", "int4"), ("w4a16", "int4")],
    )
    def test_a_quantisation_method_is_the_precision_it_stores_in(self, spelt, plain):
        gpu = "B200-180GB-SXM"
        assert [only(precision=spelt, gpu=gpu)[name] for name in ADDED] == [
            only(precision=plain, gpu=gpu)[name] for name in ADDED
        ]

    def test_a_blank_precision_is_the_one_the_models_name_states(self):
        named = only(model="RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", precision="")
        stated = only(precision="fp8")
        assert [named[name] for name in ADDED[:-1]] == [stated[name] for name in ADDED[:-1]]
        assert named["reason"] == "assumed: fp8 weights, as the model's name says"
        other = only(model="RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", precision="bf16")
        assert other["predicted_requests_per_s"] == only()["predicted_requests_per_s"]

    def test_a_column_of_precisions_or_load_modes_may_be_missing(self):
        columns = COLUMNS.replace("precision,", "").replace("load_mode,", "")
        (bare,), plain = records(a_file({}, columns=columns)), only()
        assert [bare[name] for name in ADDED[:-1]] == [plain[name] for name in ADDED[:-1]]
        assert bare["reason"] == "assumed: load_mode concurrency, whose load is given"

    @pytest.mark.parametrize(
        ("spelt", "plain"),
        [
            ({"load_mode": "Max_Concurrency"}, {}),
            ({"load_mode": "request_rate", "request_rate_offered": "3"},
             {"load_mode": "rate", "request_rate_offered": "3"}),
            ({"load_mode": "offline"}, {"load_mode": "offline-saturation"}),
            ({"load_mode": "inf"}, {"load_mode": "offline-saturation"}),
            ({"concurrency": "inf"}, {"load_mode": "offline-saturation"}),
        ],
    )  # fmt: skip
    def test_load_modes_may_be_spelt_as_load_generators_do(self, spelt, plain):
        assert [only(**spelt)[name] for name in ADDED] == [only(**plain)[name] for name in ADDED]

    def test_one_bad_cell_costs_its_row_alone(self):
        bad, good = records(a_file({"input_tokens": "n/a"}, {}))
        assert bad["reason"] == "input_tokens: n/a is not a positive number"
        assert [good[name] for name in ADDED] == [only()[name] for name in ADDED]

    @pytest.mark.parametrize(
        ("changes", "because"),
        [
            ({"model": "Lama-3.1-8B"}, "did you mean Llama-3.1-8B"),
            ({"gpu": "H100"}, "say which"),
            ({"gpu": "SN40L"}, "unknown accelerator"),
            ({"gpu": "Intel-Max-1550-128GB"}, "do not transfer"),
            ({"gpu": "MI250-128GB"}, "CDNA3 and CDNA4 chips alone"),
            ({"engine": "llama.cpp"}, "engine llama.cpp: not one the constants are of"),
            ({"precision": "fp3"}, "precision: fp3 is not one of"),
            ({"load_mode": "bursts"}, "load_mode: bursts is not one of"),
            ({"load_mode": "", "concurrency": ""}, "load_mode: blank"),
            ({"load_mode": "", "request_rate_offered": "2"}, "load_mode: blank"),
            ({"concurrency": ""}, "concurrency: blank"),
            ({"load_mode": "rate"}, "request_rate_offered: blank"),
            ({"output_tokens": ""}, "output_tokens: blank"),
            ({"gpu_count": "3", "tp": "2"}, "not a multiple"),
            ({"tp": "16", "gpu_count": "16"}, "beyond 8"),
            ({"model": "Qwen3-235B-A22B", "precision": "fp8", "gpu": "H200-141GB-SXM"}, "does not fit"),
            ({"input_tokens": "900000"}, "does not fit"),
            ({"input_tokens": "many"}, "input_tokens: many is not a positive number"),
            ({"output_tokens": "-1"}, "output_tokens: -1 is not a positive number"),
            ({"concurrency": "nan"}, "concurrency: nan is not a positive number"),
            ({"tp": "1.5"}, "tp: 1.5 is not a whole number"),
        ],
    )
    def test_that_cannot_be_estimated_says_why_and_has_no_figures(self, changes, because):
        found = only(**changes)
        assert because in found["reason"]
        assert [found[name] for name in ADDED[:-1]] == [""] * 5

    def test_pipelines_and_data_parallel_attention_are_not_guessed(self):
        columns = COLUMNS + ",pp,flags"
        piped, spread = records(a_file({"pp": "2"}, {"flags": "x;attn-dp=4"}, columns=columns))
        assert "pipeline parallelism (2)" in piped["reason"]
        assert "data-parallel attention" in spread["reason"]

    def test_without_a_degree_it_is_a_submission_at_its_best_one(self):
        found = only(tp="", precision="", gpu_count="8", model="Llama-2-70B", load_mode="offline-saturation")
        assert found["reason"].endswith("best degree (2), fp8 weights, 8-bit cache")
        stated = {"precision": "fp8", "gpu_count": "8", "model": "Llama-2-70B", "kv_precision": "fp8"}
        rows = [{**stated, "tp": tp, "load_mode": "offline-saturation"} for tp in "1248"]
        each = [
            r["predicted_requests_per_s"] for r in records(a_file(*rows, columns=COLUMNS + ",kv_precision"))
        ]
        assert max(each, key=lambda rate: float(rate or 0)) == each[1] == found["predicted_requests_per_s"]


class TestABadFile:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", ("runs.csv", "empty", "model")),
            ("model,precision\n", ("runs.csv", "no column gpu")),
            (",".join(NEEDED) + "\n", ("no column tp or gpu_count",)),
            (COLUMNS + ",reason\n", ("reason", "there already")),
            (COLUMNS + ",tp\n", ("tp", "there twice")),
            (COLUMNS + "\na,b\n", ("row 2", "2 cells", "12")),
            (COLUMNS + '\n"a', ("row 2",)),
        ],
    )
    def test_is_refused_in_one_line_with_column_and_row(self, text, words):
        with pytest.raises(InputFileError) as refused:
            done(text)
        assert "\n" not in str(refused.value)
        assert all(word in str(refused.value) for word in words), str(refused.value)


def test_ten_thousand_rows_take_seconds():
    """2 s on an idle core, and a generous limit for a busy one."""
    rows = [{"input_tokens": str(100 + i % 977), "concurrency": str(1 + i % 211)} for i in range(10_000)]
    text = a_file(*rows)
    started = time.process_time()
    assert done(text)[1:] == (10_000, 0)
    assert time.process_time() - started < 6.0
