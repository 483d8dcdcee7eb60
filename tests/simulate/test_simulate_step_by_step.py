"""Taking many steps at once changes nothing: a replica against a naive one that takes them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate_builders import a_fleet, a_spec, requests_of, served

from advisor.simulate.gaps import Gaps

STEP, CONTEXT, TOKEN, PAIR = 0.01, 1e-7, 2e-5, 1e-9


def one_by_one(
    rows: list[tuple[float, int, int]], batch: int, chunk: int, cache: int
) -> tuple[list[tuple[float, float, float]], list[list[float]]]:
    """(admitted, first token, finished) of each request, and when each of its tokens came, step by step.

    Written from the rules alone: prompts are read in order of arrival within the step's tokens, one token per
    running sequence and step, the youngest is put back when the cache cannot take one more token of each.
    """
    now, turn = 0.0, 0
    waiting, reading, running = list(range(len(rows))), [], []
    seen: list[list[float]] = [[np.nan] * 3 for _ in rows]
    tokens_at: list[list[float]] = [[] for _ in rows]
    read, grown, made, since = ([0] * len(rows) for _ in range(4))

    def held() -> int:
        whole = sum(rows[r][1] + made[r] for r in reading)
        return sum(grown[r] for r in running) + whole

    while waiting or reading or running:
        if not reading and not running:
            now = max(now, rows[waiting[0]][0])
        while running and held() + len(running) > cache:
            back = (
                reading.pop() if reading else running.pop(running.index(max(running, key=since.__getitem__)))
            )
            read[back], grown[back] = 0, 0
            waiting.insert(0, back)
        budget, took, extra = max(chunk - len(running), 1), [], 0.0
        queue = list(reading)
        while budget > 0:
            if not queue:
                fits = waiting and rows[waiting[0]][0] <= now and len(reading) + len(running) < batch
                if (
                    not fits
                    or held() + rows[waiting[0]][1] + made[waiting[0]] + len(reading) + len(running) + 1
                    > cache
                ):
                    break
                reading.append(waiting.pop(0))
                queue.append(reading[-1])
                seen[reading[-1]][0] = now if np.isnan(seen[reading[-1]][0]) else seen[reading[-1]][0]
            request = queue.pop(0)
            tokens = min(rows[request][1] + made[request] - read[request], budget)
            extra += TOKEN * tokens + PAIR * ((read[request] + tokens) ** 2 - read[request] ** 2)
            read[request] += tokens
            budget -= tokens
            took.append(request)
        now += STEP + CONTEXT * sum(grown[r] for r in running) + extra
        for request in list(running):
            tokens_at[request].append(now)
            made[request] += 1
            grown[request] += 1
            if made[request] >= rows[request][2]:
                seen[request][2] = now
                running.remove(request)
        for request in took:
            if read[request] < rows[request][1] + made[request]:
                continue
            reading.remove(request)
            tokens_at[request].append(now)
            grown[request] = rows[request][1] + made[request] + 1
            made[request] += 1
            seen[request][1] = now if np.isnan(seen[request][1]) else seen[request][1]
            turn += 1
            since[request] = turn
            if made[request] >= rows[request][2]:
                seen[request][2] = now
            else:
                running.append(request)
    return [(a, b, c) for a, b, c in seen], tokens_at


requests = st.lists(
    st.tuples(st.floats(0.0011, 0.6), st.integers(1, 900), st.integers(1, 60)), min_size=1, max_size=25
)


@given(requests, st.integers(1, 6), st.integers(16, 1200), st.integers(1000, 3000))
@settings(max_examples=150, deadline=None)
def test_events_and_single_steps_agree(
    rows: list[tuple[float, int, int]], batch: int, chunk: int, cache: int
) -> None:
    arrivals = np.cumsum([gap for gap, _, _ in rows])
    sizes = [
        (float(at), size_in, size_out) for at, (_, size_in, size_out) in zip(arrivals, rows, strict=True)
    ]
    spec = a_spec(
        base_s=(STEP,) * (batch + 1), context_s=CONTEXT, token_s=TOKEN, pair_s=PAIR, max_sequences=batch,
        chunk_tokens=chunk, kv_tokens=cache,
    )  # fmt: skip
    outcome = served(a_fleet((spec, 1)), requests_of(arrivals, [r[1] for r in rows], [r[2] for r in rows]))
    ours = np.column_stack([outcome.admitted_s, outcome.first_s, outcome.finished_s])
    theirs, tokens_at = one_by_one(sizes, batch, chunk, cache)
    assert ours == pytest.approx(np.array(theirs), rel=1e-9, abs=1e-9)
    assert_same_gaps(Gaps(outcome.gaps, len(rows)), [np.diff(times) for times in tokens_at])


def assert_same_gaps(ours: Gaps, theirs: list[np.ndarray]) -> None:
    """Of all requests together and of one of them; steps between two events count at their mean."""
    for chosen in (np.ones(len(theirs), dtype=np.bool_), np.arange(len(theirs)) == 0):
        sample = ours.pick(chosen)
        gaps = 1e3 * np.concatenate([gap for gap, mine in zip(theirs, chosen, strict=True) if mine])
        assert sample.total == len(gaps)
        if len(gaps):
            assert sample.statistics([None])[0] == pytest.approx(gaps.mean(), rel=1e-9)
            for quantile in (0.5, 0.9, 0.99, 0.999):
                assert sample.statistics([quantile])[0] == pytest.approx(
                    np.quantile(gaps, quantile), rel=0.01
                )
