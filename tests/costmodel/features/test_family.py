from __future__ import annotations

import numpy as np
import pytest

from compiler import Target, loop_nest
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Seq
from costmodel import Task
from costmodel.features import (
    FAMILIES,
    KnobFeatures,
    check_version,
    extract,
    feature_names,
    feature_version,
    features_of,
)
from costmodel.features.family import scaled, version_of

TASKS = [
    ("matmul", (24, 40, 32)),
    ("conv2d", (1, 8, 10, 10, 16, 3, 1, 1)),
    ("depthwise_conv2d", (1, 8, 9, 9, 3, 1, 1)),
    ("softmax", (6, 20)),
    ("reduction", ((6, 20), (1,))),
    ("transpose", ((9, 20), (1, 0))),
]


@pytest.mark.parametrize("family", ["store", "loop"])
def test_length_is_fixed_over_random_schedules_of_all_operators(family):
    """The length of AutoTVM's loop features followed the number of loops."""
    hardware = Target.parse("llvm").hardware
    features = features_of(family, hardware)
    depths = set()
    for operator, shape in TASKS:
        task = Task(operator, shape)
        for index in task.space.random(np.random.default_rng(0), 12):
            function = loop_nest(*task.instantiate(index))
            vector = features.extract(function)
            assert vector.dtype == np.float32 and vector.shape == (len(features.names),)
            assert np.isfinite(vector).all()
            depths.add(str(function).count("for "))
    assert len(depths) > 10
    assert features.extract(PrimFunc("main", (), Seq(()))).shape == (len(features.names),)


@pytest.mark.parametrize("family", ["store", "loop"])
def test_programs_of_a_task_differ(family):
    task = Task("matmul", (64, 64, 64))
    nests = [loop_nest(*task.instantiate(i)) for i in task.space.random(np.random.default_rng(1), 30)]
    rows = {str(nest): extract(nest, family=family).tobytes() for nest in nests}
    # programs of the same loops and accesses in another text are rare
    assert len(set(rows.values())) > 0.8 * len(rows)


@pytest.mark.parametrize("family", ["store", "loop"])
def test_names(family):
    names = feature_names(family)
    assert len(set(names)) == len(names)
    assert feature_version(family).startswith(f"{family}-")


def test_families():
    space = Task("matmul", (8, 8, 8)).space
    assert [features_of(f, space=space).family for f in FAMILIES] == list(FAMILIES)
    assert isinstance(features_of("knob", space=space), KnobFeatures)
    with pytest.raises(ValueError, match="unknown family of features 'stroe'; did you mean 'store'"):
        features_of("stroe")
    with pytest.raises(ValueError, match="the features 'knob' are those of a space"):
        feature_names("knob")


def test_version_differs_with_names_order_number_and_family():
    versions = {
        version_of("store", 1, ("a", "b")),
        version_of("store", 1, ("b", "a")),
        version_of("store", 2, ("a", "b")),
        version_of("loop", 1, ("a", "b")),
    }
    assert len(versions) == 4


def test_a_model_of_other_features_is_refused():
    check_version(feature_version(), feature_version("store"))
    with pytest.raises(
        ValueError, match=r"trained on the features 'loop-.*', but these are 'store-.*train it"
    ):
        check_version(feature_version("loop"), feature_version())


def test_scale_is_symmetric_and_takes_large_integers():
    assert scaled([0, 1, -1, 3, -3]).tolist() == [0, 1, -1, 2, -2]
    assert scaled([2**80]).tolist() == [80]
