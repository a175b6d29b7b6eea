from __future__ import annotations

import numpy as np

from costmodel.learned.labels import FAILED, log_speeds, relative_speeds


def test_labels_by_hand():
    throughputs = np.array([8.0, 2.0, 0.0, 100.0, 10.0])
    groups = np.array([7, 7, 7, 2, 2])
    np.testing.assert_allclose(relative_speeds(throughputs, groups), [1, 0.25, 0, 1, 0.1])
    np.testing.assert_allclose(
        log_speeds(throughputs, groups), [0, np.log(0.25), np.log(0.25) - FAILED, 0, np.log(0.1)]
    )


def test_a_group_of_failures_alone():
    np.testing.assert_array_equal(log_speeds(np.zeros(2), np.zeros(2, np.int64)), [-FAILED, -FAILED])
