"""Runs and final comparisons as JSON."""

from __future__ import annotations

import json

from costmodel.report import finals_summary, summary, write_json


def test_summary_is_json(result, finals, tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, [summary(result), finals_summary(finals)])
    run, final = json.loads(path.read_text())
    assert run["trials"] == 4 and run["curve_gflops"] == [1.0, 1.0, 2.0, 2.0]
    assert run["rank_correlations"] == [0.5, None]
    assert final["programs"][0]["gflops"] == 1.0
    assert final["programs"][1]["config"] is None
    assert list(tmp_path.iterdir()) == [path]
