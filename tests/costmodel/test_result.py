"""The outcome of a measurement."""

from __future__ import annotations

import pickle

import pytest

from costmodel.result import MeasureResult, Reason, common_failure

# made by the version in which `costmodel.measure` was a file
PICKLE = (
    b"ccopy_reg\n_reconstructor\np0\n(ccostmodel.measure\nMeasureResult\np1\nc__builtin__\nobject\np2\nNtp3\nRp4\n"
    b"(dp5\nVreason\np6\nccostmodel.measure\nReason\np7\n(Vtimeout\np8\ntp9\nRp10\nsVcosts\np11\n(tsVmessage\np12\n"
    b"Vslow\np13\nsVbuild_seconds\np14\nF0.1\nsVtotal_seconds\np15\nF0.2\nsVtimestamp\np16\nF3.0\nsb."
)


def test_a_pickle_of_an_earlier_version() -> None:
    expected = MeasureResult(Reason.TIMEOUT, (), "slow", 0.1, 0.2, 3.0)
    assert pickle.loads(PICKLE) == expected
    assert pickle.loads(pickle.dumps(expected)) == expected


def test_cost() -> None:
    assert MeasureResult(Reason.OK, (3.0, 1.0, 2.0)).cost == 2.0
    failed = MeasureResult(Reason.CRASH)
    assert failed.cost == float("inf") and not failed.ok
    assert str(failed.reason) == "crash"


def test_an_unknown_name_of_the_package() -> None:
    import costmodel.measure

    with pytest.raises(AttributeError, match="has no attribute 'Measure'"):
        costmodel.measure.Measure  # noqa: B018


def test_a_common_failure():
    first = MeasureResult(Reason.TEMPLATE, message="ValueError: 16 is not 3", detail="the traceback")
    second = MeasureResult(Reason.TEMPLATE, message="ValueError: 4 is not 5")
    assert common_failure([first, second]) is first
    assert common_failure([]) is None
    assert common_failure([first, MeasureResult(Reason.OK, (1.0,))]) is None
    assert common_failure([first, MeasureResult(Reason.CRASH, message=first.message)]) is None
    assert common_failure([first, MeasureResult(Reason.TEMPLATE, message="TypeError: 16 is not 3")]) is None
