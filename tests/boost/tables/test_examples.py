"""What a table becomes for `boost.DMatrix`: weights, groups, bounds; other tables of the same columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.examples import read_examples, read_more, shared_rows
from boost.tables.roles import Roles

FRAME = pd.DataFrame(
    {
        "a": [1.0, 2.0, 3.0, 4.0],
        "town": ["x", "y", "x", "y"],
        "time": [5.0, 6.0, 7.0, 8.0],
        "died": [1, 0, 1, 0],
        "w": [1.0, 2.0, 1.0, 2.0],
        "query": [7, 3, 7, 3],
    }
)


def test_censored_times():
    roles = Roles(target="time", objective="survival:aft", event="died", weight="w")
    fields = read_examples(FRAME, roles)[0].fields("survival:aft")
    assert fields["label_lower_bound"].tolist() == [5, 6, 7, 8]
    assert fields["label_upper_bound"].tolist() == [5, np.inf, 7, np.inf]
    assert fields["weight"].tolist() == [1, 2, 1, 2]
    fields = read_examples(FRAME, roles)[0].fields("survival:cox")
    assert fields["label"].tolist() == [5, -6, 7, -8] and "label_lower_bound" not in fields


def test_queries_are_together_and_have_one_weight_each():
    roles = Roles(target="died", objective="rank:ndcg", group="query", weight="w")
    examples = read_examples(FRAME, roles)[0]
    assert examples.features["a"].tolist() == [1, 3, 2, 4]
    fields = examples.fields("rank:ndcg")
    assert fields["qid"].tolist() == [0, 0, 1, 1] and fields["weight"].tolist() == [1, 2]
    roles = Roles(target="time", group="query", weight="w")  # not a ranking: groups only stay together
    fields = read_examples(FRAME, roles)[0].fields("reg:squarederror")
    assert "qid" not in fields and fields["weight"].tolist() == [1, 1, 2, 2]


def test_another_table_of_the_same_columns():
    roles = Roles(target="time", ignored=("w", "query", "died"))
    first = read_examples(FRAME, roles)[0]
    more = read_more(FRAME.iloc[:3], first, roles, "new.csv")
    assert more.target.labels.tolist() == [5, 6, 7] and list(more.features) == ["a", "town"]
    assert shared_rows(first, more) == 3
    changed = FRAME.assign(a=[1.0, 2.5, 3.0, 9.0], time=[5.0, 6.0, 7.5, 8.0])
    assert shared_rows(first, read_more(changed, first, roles, "new.csv")) == 1
    with pytest.raises(TableError, match="new.csv: the columns 'town' are missing"):
        read_more(FRAME.drop(columns="town"), first, roles, "new.csv")
