"""Trees in words: conditions by hand, pages that fit, and what is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import boost
from boost.forest.tree import Tree
from boost.show.names import names_of
from boost.show.words import Page, fitting_depth, level_sizes, margin_words, page_lines, tree_rows
from tests.boost.small_models import KINDS, X, Y, model_of, table_of

PRICES = {"berlin": 3.0, "lyon": 3.0, "oslo": 1.0, "riga": 1.0, "bonn": 1.0, "bern": 1.0, "kyiv": 1.0}


@pytest.fixture(scope="module")
def by_hand() -> boost.Booster:
    """One tree: cities, then whether there is a garden, then the size."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "city": pd.Categorical(rng.choice(list(PRICES), 400), categories=list(PRICES)),
            "has garden": rng.random(400) < 0.5,
            "size": rng.integers(1, 100, 400),
        }
    )
    label = frame["city"].astype(str).map(PRICES) + 0.5 * frame["has garden"] + 0.1 * (frame["size"] > 50)
    params = {"max_depth": 3, "max_cat_to_onehot": 2, "eta": 1.0, "lambda": 0.0}
    table = boost.DMatrix(frame, label)
    table.feature_types = ["c", "i", "int"]
    return boost.train(params, table, 1)


def test_a_tree_in_words(by_hand: boost.Booster) -> None:
    lines = by_hand.get_dump(dump_format="words")[0].splitlines()
    assert lines[0] == "all rows"
    assert lines[1].startswith("├─ city is berlin or lyon") and "has garden is" in lines[2]
    assert [line for line in lines if line.startswith("└─ city is bern, bonn, kyiv, oslo or riga")]
    assert any("size is below 51" in line for line in lines)
    assert sum(": +" in line or ": -" in line for line in lines) == 8
    page = page_lines(by_hand.model.forest[0], names_of(by_hand.model), Page(width=80))
    assert any("city is one of the 5 others" in line for line in page)
    stats = by_hand.get_dump(dump_format="words", with_stats=True)[0]
    assert stats.startswith("all rows (cover 400, gain ")


def test_words_of_booleans(by_hand: boost.Booster) -> None:
    dump = by_hand.get_dump(dump_format="words")[0]
    assert "has garden is false" in dump and "has garden is true" in dump


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("no split", "sparse")])
def test_conditions_lead_each_row_to_its_leaf(kind: str) -> None:
    """The words of every node, evaluated for each row, contain the rows that reach it."""
    model = model_of(kind)
    tree, names = model.model.forest[0], names_of(model.model)
    table = table_of(kind)
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table, columns=names.names)
    reached = {0: np.ones(len(frame), dtype=bool)}
    parents = {int(c): n for n in range(len(tree.left)) for c in (tree.left[n], tree.right[n]) if c > 0}
    for row in tree_rows(tree, names):
        if row.n:
            reached[row.n] = reached[parents[row.n]] & _evaluate(row.condition, frame)
    leaves = model.predict(boost.DMatrix(table), pred_leaf=True, strict_shape=True).reshape(len(frame), -1)
    for n, rows in reached.items():
        if tree.left[n] < 0:
            assert np.array_equal(rows, leaves[:, 0] == n)


def _evaluate(condition: str, frame: pd.DataFrame) -> np.ndarray:
    """Read a condition as a person would."""
    name = max((c for c in frame if condition.startswith(f"{c} is ")), key=len)
    words, missing = condition.removeprefix(f"{name} is "), False
    if words.endswith(" or missing"):
        words, missing = words.removesuffix(" or missing"), True
    column = frame[name]
    if words.startswith("below "):
        inside = column.to_numpy(np.float32) < np.float32(words.removeprefix("below "))
    elif words.endswith(" or more"):
        inside = column.to_numpy(np.float32) >= np.float32(words.removesuffix(" or more"))
    else:
        categories = np.array([str(c) for c in column.cat.categories])
        inside = np.isin(categories[column.cat.codes], words.replace(" or ", ", ").split(", "))
    absent = column.isna().to_numpy()
    return np.where(absent, missing, inside)


@pytest.mark.parametrize("width", [30, 48, 64, 80, 200])
def test_a_page_is_no_wider_than_the_terminal(width: int) -> None:
    for kind in ("squared error", "categories", "vectors", "no split"):
        model = model_of(kind)
        lines = page_lines(model.model.forest[0], names_of(model.model), Page(width=width, depth=3))
        assert max(map(len, lines)) <= width
    ascii_lines = page_lines(model.model.forest[0], names_of(model.model), Page(width, ascii=True))
    assert not set("├└│") & set("".join(ascii_lines))


def test_levels_that_are_left_out_are_counted() -> None:
    model = model_of("squared error")
    tree, names = model.model.forest[0], names_of(model.model)
    sizes = level_sizes(tree)
    assert sum(sizes) == len(tree_rows(tree, names))
    assert (
        fitting_depth(tree, sum(sizes)) == len(sizes) - 1
        and fitting_depth(tree, sum(sizes) - 1) < len(sizes) - 1
    )
    assert fitting_depth(tree, 1) == 1
    lines = page_lines(tree, names, Page(width=80, depth=1))
    hidden = sum(int(line.split("(")[1].split()[0]) for line in lines if "leaves)" in line)
    shown = sum(1 for row in tree_rows(tree, names, Page(depth=1)) if tree.left[row.n] < 0)
    assert hidden + shown == int((tree.left < 0).sum()) and len(lines) == 4


def test_a_dictionary_that_is_absent(by_hand: boost.Booster) -> None:
    model = by_hand.copy()
    model.model.categories = {}
    lines = model.get_dump(dump_format="words")[0]
    assert "city is 1, 2, 3, 5 or 6\n" in lines and "city is not 1, 2, 3, 5 or 6 or missing" in lines


def test_many_long_categories() -> None:
    words = [f"a quite long name of category {i}" for i in range(300)]
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 300, 3000)
    frame = pd.DataFrame({"x" * 60: pd.Categorical.from_codes(codes, categories=words)})
    model = boost.train({"max_depth": 2}, boost.DMatrix(frame, codes % 7), 1)
    for line in page_lines(model.model.forest[0], names_of(model.model), Page(width=72)):
        assert len(line) <= 72
    assert any(
        " more" in line for line in page_lines(model.model.forest[0], names_of(model.model), Page(width=100))
    )


@pytest.mark.parametrize(
    ("kind", "output", "given", "words"),
    [
        ("squared error", 0, {"target": "price"}, "mean of price"),
        ("logistic", 0, {}, "log odds"),
        ("logistic", 0, {"target": "paid", "classes": ["no", "yes"]}, "log odds of paid = yes"),
        ("logistic", 0, {"target": "paid", "classes": [0, 1]}, "log odds of paid"),
        ("classes", 1, {"classes": [3, 5, 8]}, "log score of class 5"),
        ("poisson", 0, {"target": "claims"}, "log of the mean of claims"),
        ("classes", 2, {"classes": ["a", "b", "c"]}, "log score of c"),
        ("classes", 1, {}, "log score of class 1"),
        ("targets", 1, {}, "mean, output 1"),
    ],
)
def test_margins(kind: str, output: int, given: dict[str, object], words: str) -> None:
    assert margin_words(model_of(kind).model, output, **given) == words  # type: ignore[arg-type]


def test_margins_of_quantiles() -> None:
    model = boost.train(
        {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}, boost.DMatrix(X, Y), 1
    )
    assert margin_words(model.model, 1, target="y").startswith("quantile 0.9 of y")


def test_a_vector_leaf() -> None:
    tree: Tree = model_of("vectors").model.forest[0]
    dump = model_of("vectors").get_dump(dump_format="words")[0]
    values = [line.split(": ")[1] for line in dump.splitlines() if ": " in line]
    assert values and all(len(value.split(", ")) == tree.vectors.shape[1] for value in values)
