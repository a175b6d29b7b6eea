"""Drawings of trees: their texts and positions, and well-formed SVG for any names."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import boost
from boost import Booster
from boost.forest.forest import Forest
from boost.show.drawing import TreeDrawing
from tests.boost.random_trees import FEATURES, random_tree
from tests.boost.show.test_dump import hand_made
from tests.boost.small_models import KINDS, model_of

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing: TreeDrawing) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]


def test_texts_of_the_hand_made_tree() -> None:
    booster = hand_made()
    booster.categories = {1: [f"town {i}" for i in range(40)]}
    drawing = boost.plot_tree(booster)
    assert texts(drawing) == [
        *("yes, missing", "no", "no", "yes, missing"),
        *("a < 1.5", "10", "b", "in {town 2, town 33}", "30", "20"),
    ]
    assert "cover = 1e-07" in texts(boost.plot_tree(booster, with_stats=True))


@given(
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 5, 30]),
    st.booleans(),
    st.sampled_from(["TB", "LR"]),
    st.sampled_from([None, 0, 2]),
)
def test_boxes_do_not_overlap(
    seed: int, splits: int, categorical: bool, rankdir: str, most: int | None
) -> None:
    booster = Booster()
    booster.model.n_features = FEATURES
    booster.forest.add(random_tree(np.random.default_rng(seed), splits, categorical), 0)
    drawing = boost.plot_tree(booster, rankdir=rankdir, max_depth=most, with_stats=True)
    for k, a in enumerate(drawing.boxes):
        assert a.width / 2 <= a.x <= drawing.width - a.width / 2
        assert a.height / 2 <= a.y <= drawing.height - a.height / 2
        for b in drawing.boxes[k + 1 :]:
            apart = abs(a.x - b.x) - (a.width + b.width) / 2, abs(a.y - b.y) - (a.height + b.height) / 2
            assert max(apart) > 0
    assert len(drawing.edges) == len(drawing.boxes) - 1
    ElementTree.fromstring(drawing.svg)


def test_omitted_nodes_are_counted() -> None:
    booster = hand_made()
    assert "… 4 more nodes" in texts(boost.plot_tree(booster, max_depth=0))
    assert "… 2 more nodes" in texts(boost.plot_tree(booster, max_depth=1))
    assert len(boost.plot_tree(booster, max_depth=1).boxes) == 3


def test_many_categories_are_counted() -> None:
    booster = hand_made()
    starts = np.array([0, 0, 0, 6, 6, 6])
    many = replace(booster.forest[0], categories=np.arange(6, dtype=np.int32), category_starts=starts)
    booster.forest = Forest()
    booster.forest.add(many, 0)
    assert "in {0, 1, 2, 3, 2 more}" in texts(boost.plot_tree(booster))


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_every_kind(kind: str, tmp_path: Path) -> None:
    drawing = boost.plot_tree(model_of(kind))
    assert drawing._repr_svg_() == drawing.svg
    drawing.save(tmp_path / "tree.svg")
    assert (tmp_path / "tree.svg").read_text(encoding="utf-8") == drawing.svg
    assert os.listdir(tmp_path) == ["tree.svg"]


def test_names_are_escaped() -> None:
    booster = hand_made()
    booster.feature_names = ["<script>alert('1')</script>", 'b & "c"']
    shown = boost.plot_tree(booster)
    assert "<script" not in shown.svg
    assert 'b & "c"' in texts(shown)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tree_idx must lie within 0 and 0, got 1"):
        boost.plot_tree(hand_made(), tree_idx=1)
    with pytest.raises(ValueError, match="rankdir must be 'TB' or 'LR', got 'UP'"):
        boost.plot_tree(hand_made(), rankdir="UP")
    with pytest.raises(ValueError, match="max_depth must be an integer of at least 0, got -1"):
        boost.plot_tree(hand_made(), max_depth=-1)
    with pytest.raises(ValueError, match="a name that ends in '.svg', got"):
        boost.plot_tree(hand_made()).save(tmp_path / "tree.png")
    with pytest.raises(ValueError, match="give a Booster or a fitted estimator, got dict"):
        boost.plot_tree({})
