"""Documents people hand in: YAML and JSON are read alike, within bounds, and never end in a traceback."""

from __future__ import annotations

import json
import os
import socket
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from advisor.documents import (
    MAX_DEPTH,
    RepeatedKey,
    Scalars,
    kind_of,
    parse,
    read_bytes,
    read_document,
    read_text,
    unique_keys,
)
from advisor.documents.records import check, field_path
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.documents import Kind

pytestmark = pytest.mark.fast

KINDS: tuple[Kind, ...] = ("yaml", "json")


def refusal(text: str, kind: Kind, scalars: Scalars = Scalars.PLAIN) -> InputFileError:
    with pytest.raises(InputFileError) as refused:
        parse(text, "given", kind, scalars)
    assert refused.value.file == "given"
    assert "\n" not in str(refused.value)
    return refused.value


# --- what is read

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text("abnoty~1", min_size=1, max_size=6), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(_PLAIN)
def test_json_means_the_same_read_as_yaml(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False)
    assert parse(text, "f", "yaml") == parse(text, "f", "json") == data


@pytest.mark.parametrize("kind", KINDS)
def test_an_exact_number_keeps_every_digit_and_a_whole_one_stays_whole(kind: Kind) -> None:
    found: Any = parse('{"a": 0.12345678901234567890, "b": 12, "c": 1e3}', "f", kind, Scalars.EXACT)
    assert str(found["a"]) == "0.12345678901234567890"
    assert (found["b"], type(found["b"])) == (12, int)
    assert found["c"] == Decimal(1000)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exponent_no_decimal_can_hold_is_infinite_not_a_traceback(kind: Kind) -> None:
    assert parse('{"a": 1e99999999999999999999}', "f", kind, Scalars.EXACT) == {"a": float("inf")}


def test_as_text_every_scalar_is_as_written() -> None:
    text = "a: 0.10\nb: no\nc: null\nd: 2026-01-01\ne:\nf: '1'\n<<: x\n=: y\n"
    assert parse(text, "f", "yaml", Scalars.TEXT) == {
        "a": "0.10", "b": "no", "c": "null", "d": "2026-01-01", "e": "", "f": "1", "<<": "x", "=": "y",
    }  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_document(tmp_path / "a.json", "a file") == {"a": 1}


# --- what is refused


@pytest.mark.parametrize("scalars", Scalars)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "aliases"),
        ("a: 1\nb: !!python/name:os.system", "tags"),
        ("a: 1\na: 2", "'a' is there twice"),
        ("a: 1\n'a': 2", "'a' is there twice"),
        ("a: 1\n? [b]\n: 2", "is not a word"),
        ("a: 1\nb: [", "expected"),
    ],
)
def test_yaml_that_is_more_than_plain_data_is_refused_by_line(
    text: str, problem: str, scalars: Scalars
) -> None:
    error = refusal(text, "yaml", scalars)
    assert error.field in ("line 2", "line 3" if problem == "expected" else "line 2")
    assert "the file must be YAML: " in error.allowed
    assert problem in error.allowed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inner", ["", "1"])
def test_the_same_depth_is_read_of_both(kind: Kind, inner: str) -> None:
    most = MAX_DEPTH - len(inner)
    parse("[" * most + inner + "]" * most, "f", kind)
    assert "nested" in str(refusal("[" * (most + 1) + inner + "]" * (most + 1), kind))


def test_a_key_twice_in_json_is_the_field(tmp_path: Path) -> None:
    error = refusal('{"x": {"a\\u001b": 1, "a\\u001b": 2}}', "json")
    assert (error.field, error.value) == ("a\\x1b", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_an_integer_of_thousands_of_digits_is_refused(kind: Kind) -> None:
    assert "huge integer" in str(refusal(f'{{"a": {"9" * 5000}}}', kind))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.sampled_from(KINDS))
def test_any_text_is_read_or_refused(text: str, kind: Kind) -> None:
    for scalars in (Scalars.PLAIN, Scalars.EXACT):
        try:
            parse(text, "f", kind, scalars)
        except InputFileError as error:
            assert error.allowed  # noqa: PT017


def test_more_bytes_than_allowed_are_refused_with_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x" * 10)
    assert read_text(path, 10, "a note") == "x" * 10
    with pytest.raises(InputFileError, match=r"a\.yaml: 10 bytes; at most 9 bytes; a note is far smaller"):
        read_bytes(path, 9, "a note")


def test_a_pipe_is_read_within_the_same_bound(tmp_path: Path) -> None:
    end, start = os.pipe()
    try:
        os.write(start, b"x" * 10)
        os.close(start)
        with pytest.raises(InputFileError, match="over 9 bytes; at most 9 bytes"):
            read_bytes(tmp_path / f"/dev/fd/{end}", 9, "a note")
    finally:
        os.close(end)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [(os.mkfifo, "a named pipe (FIFO)"), (os.mkdir, "a folder"), (a_socket, "a socket")],
)
def test_what_is_no_file_is_named_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path / "a.yaml")
    with pytest.raises(InputFileError) as refused:
        read_document(tmp_path / "a.yaml", "a note")
    assert str(refused.value) == f"{tmp_path}/a.yaml: {kind}; a readable file is needed"


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_named(device: str) -> None:
    with pytest.raises(InputFileError, match=f"{device}: a device; a readable file is needed"):
        read_bytes(Path(device), 10, "a note")


@pytest.mark.parametrize("name", ["absent.yaml", ".", "nul\0.yaml", "x" * 5000])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match="a readable file is needed"):
        read_text(tmp_path / name, 10, "a note")


def test_text_that_is_not_utf_8_is_placed_by_byte(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"ab\xff")
    with pytest.raises(InputFileError, match=r"byte 2: b'\\xff' is not allowed; UTF-8 text"):
        read_text(tmp_path / "a.yaml", 10, "a note")


def test_unique_keys_names_the_first_key_that_returns() -> None:
    assert unique_keys([("a", 1), ("b", 2)]) == {"a": 1, "b": 2}
    with pytest.raises(RepeatedKey, match="key 'b' is there twice") as repeated:
        unique_keys([("a", 1), ("b", 2), ("b", 3), ("a", 4)])
    assert (repeated.value.key, repeated.value.value) == ("b", 3)


def test_the_ending_tells_the_kind(tmp_path: Path) -> None:
    assert [kind_of(tmp_path / name) for name in ("a.JSON", "a.yml", "a")] == ["json", "yaml", "yaml"]


# --- complaints about fields


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: Decimal = Field(ge=0, allow_inf_nan=False, description="a size from 0")


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: list[_Inner] = Field(description="a list of parts")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "f: parts: None is not allowed; it is required: a list of parts"),
        ({"parts": 1}, "f: parts: 1 is not allowed; a list of parts"),
        ({"parts": [1]}, "f: parts[0]: 1 is not allowed; a mapping with the keys size"),
        ({"parts": [{"size": Decimal("-0.50")}]}, "f: parts[0].size: -0.50 is not allowed; a size from 0"),
        ({"parts": [{"size": 1, "b\n": 2}]},
         r"f: parts[0].b\n: 2 is not allowed; no such field; known here: size"),
        ([], "f: []; a mapping with the keys parts"),
    ],
)  # fmt: skip
def test_the_first_wrong_field_is_told_by_path_with_its_value_and_what_is_allowed(
    data: object, said: str
) -> None:
    with pytest.raises(InputFileError) as refused:
        check(_Outer, data, "f")
    assert str(refused.value) == said


def test_a_path_is_written_as_one_would_say_it() -> None:
    assert field_path(["a", 0, "b", 1, 2]) == "a[0].b[1][2]"
