from __future__ import annotations

import numpy as np
import pytest

from costmodel.learned import pairwise_accuracy, rank_correlation, top_recall


def test_rank_correlation_by_hand():
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # differences of ranks 1, 1, 0, 0: 1 - 6 * 2 / (4 * 15)
    assert rank_correlation([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(0.8)


def test_rank_correlation_of_constant_sequences_is_nan():
    assert np.isnan(rank_correlation([1.0], [2.0]))
    assert np.isnan(rank_correlation([1.0, 1.0], [2.0, 3.0]))


def test_rank_correlation_of_different_lengths():
    with pytest.raises(ValueError, match="two sequences of equal length"):
        rank_correlation([1, 2], [1, 2, 3])


def test_pairwise_accuracy_by_hand():
    # of the pairs (0, 1), (0, 2), (1, 2) the first is in the wrong order and the last a tie of the scores
    assert pairwise_accuracy([1.0, 2.0, 2.0], [2.0, 1.0, 3.0]) == pytest.approx((0 + 1 + 0.5) / 3)
    assert pairwise_accuracy([1, 2, 3], [10, 20, 30]) == 1.0
    assert pairwise_accuracy([1, 2, 3], [3, 2, 1]) == 0.0


def test_pairs_within_the_noise_are_left_out():
    # 1.00 and 1.02 differ by less than 3 %: only the pairs with 2 remain
    assert pairwise_accuracy([2.0, 1.0, 3.0], [1.0, 1.02, 2.0], noise=0.03) == 1.0
    assert pairwise_accuracy([2.0, 1.0, 3.0], [1.0, 1.02, 2.0]) == pytest.approx(2 / 3)
    assert np.isnan(pairwise_accuracy([1, 2], [1.0, 1.01], noise=0.03))
    assert np.isnan(pairwise_accuracy([1], [1]))
    with pytest.raises(ValueError, match="noise is a share, .* not 3"):
        pairwise_accuracy([1, 2], [1, 2], noise=3)


def test_top_recall_by_hand():
    scores, throughputs = [9.0, 8.0, 7.0, 1.0], [4.0, 1.0, 3.0, 2.0]
    assert [top_recall(scores, throughputs, n) for n in (1, 2, 3, 4)] == pytest.approx([1.0, 0.5, 2 / 3, 1.0])
    with pytest.raises(ValueError, match="n must be between 1 and the number of programs, 4, not 5"):
        top_recall(scores, throughputs, 5)
