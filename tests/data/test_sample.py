from __future__ import annotations

import random

from danlu.data.sample import Sample

DOCUMENTS = [(f"f{n % 7}.txt#{n}", "x" * (n % 50 + 1)) for n in range(2000)]


def drawn(documents, **limits) -> list[str]:
    sample = Sample(**limits)
    for own_id, text in documents:
        sample.add(own_id, text, "en")
    return [own_id for own_id, _, _ in sample.rows()]


def test_the_order_and_the_parts_make_no_difference():
    for limits in ({"most": 50}, {"max_bytes": 900}, {"most": 30, "max_bytes": 700}):
        whole = drawn(DOCUMENTS, **limits)
        mixed = random.Random(1).sample(DOCUMENTS, len(DOCUMENTS))
        assert drawn(mixed, **limits) == whole
        merged = Sample(**limits)
        for start in range(3):
            part = Sample(**limits)
            for own_id, text in DOCUMENTS[start::3]:
                assert part.wants(own_id) or part.add(own_id, text) is None
                part.add(own_id, text)
            merged.merge(part)
        assert [row[0] for row in merged.rows()] == whole


def test_the_limits():
    texts = dict(DOCUMENTS)
    assert len(drawn(DOCUMENTS, most=50)) == 50
    sizes = [len(texts[own_id]) for own_id in drawn(DOCUMENTS, max_bytes=900)]
    assert sum(sizes) >= 900 > sum(sizes[:-1])
    assert drawn(DOCUMENTS[:9], most=50) != [] and len(drawn(DOCUMENTS[:9], most=50)) == 9
    assert drawn([("huge", "x" * 10_000)], max_bytes=10) == ["huge"]


def test_another_seed_is_another_sample_and_each_is_fair():
    assert drawn(DOCUMENTS, most=50) != drawn(DOCUMENTS, most=50, seed=1)
    times = dict.fromkeys(range(10), 0)
    for seed in range(300):
        for own_id in drawn(DOCUMENTS[:10], most=3, seed=seed):
            times[int(own_id.split("#")[1])] += 1
    assert all(55 < n < 130 for n in times.values()), times  # 90 expected, deviation 8


def test_what_was_turned_away_changes_nothing():
    sample = Sample(most=5)
    for own_id, text in DOCUMENTS:
        if sample.wants(own_id):
            sample.add(own_id, text)
    assert [row[0] for row in sample.rows()] == drawn(DOCUMENTS, most=5)
