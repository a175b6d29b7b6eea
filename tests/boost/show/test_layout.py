"""The layout of trees: the properties that Reingold and Tilford require of a tidy drawing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boost.show.layout import tidy
from tests.boost.random_trees import random_tree

GAP = 3.0


def drawn(seed: int, splits: int, chain: bool = False) -> tuple[list[int], list[int], list[int], list[float]]:
    """Children, depths and widths of a random tree."""
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, splits, chain=chain)
    depth = [0] * tree.size
    for n in range(tree.size):
        if tree.left[n] >= 0:
            depth[tree.left[n]] = depth[tree.right[n]] = depth[n] + 1
    return tree.left.tolist(), tree.right.tolist(), depth, rng.uniform(1, 20, tree.size).tolist()


def test_by_hand() -> None:
    # Three leaves, two of them one level lower: boxes are 10 wide and 2 apart.
    place = tidy([1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [10.0] * 5, 2.0)
    assert place.tolist() == [11, 5, 17, 11, 23]
    assert tidy([-1], [-1], [8.0], 2.0).tolist() == [4]


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 7, 40]), st.booleans())
def test_a_tidy_drawing(seed: int, splits: int, chain: bool) -> None:
    left, right, depth, width = drawn(seed, splits, chain)
    place = tidy(left, right, width, GAP)
    assert min(place - np.array(width) / 2) >= -1e-9
    for level in range(max(depth) + 1):
        row = sorted((n for n in range(len(left)) if depth[n] == level), key=lambda n: place[n])
        for a, b in zip(row, row[1:], strict=False):
            assert place[b] - width[b] / 2 >= place[a] + width[a] / 2 + GAP - 1e-9
    for n in range(len(left)):
        if left[n] >= 0:
            assert place[left[n]] < place[right[n]]
            np.testing.assert_allclose(place[n], (place[left[n]] + place[right[n]]) / 2, atol=1e-9)


@given(st.integers(0, 2**32), st.sampled_from([1, 7, 40]))
def test_the_mirror_image_is_drawn_as_such(seed: int, splits: int) -> None:
    left, right, _, width = drawn(seed, splits)
    place, mirrored = tidy(left, right, width, GAP), tidy(right, left, width, GAP)
    np.testing.assert_allclose(place - place[0], -(mirrored - mirrored[0]), atol=1e-9)


def test_equal_subtrees_are_drawn_alike() -> None:
    # Two copies of one subtree: nodes 1 to 5 and 6 to 10, in one order.
    left = [1, 2, -1, 4, -1, -1, 7, -1, 9, -1, -1]
    right = [6, 3, -1, 5, -1, -1, 8, -1, 10, -1, -1]
    width = [5.0, 4.0, 3.0, 9.0, 2.0, 7.0, 4.0, 3.0, 9.0, 2.0, 7.0]
    place = tidy(left, right, width, GAP)
    np.testing.assert_allclose(place[1:6] - place[1], place[6:11] - place[6], atol=1e-12)


def test_a_long_chain() -> None:
    left, right, depth, width = drawn(0, 3000, chain=True)
    place = tidy(left, right, width, GAP)
    assert max(depth) == 3000 and np.isfinite(place).all()
