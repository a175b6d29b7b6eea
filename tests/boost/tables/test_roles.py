"""What columns hold: dates, text that names rows, numbers of rows; and roles that contradict each other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.tables.examples import read_examples
from boost.tables.roles import Roles, review, short_list

ROWS = 100
FRAME = pd.DataFrame(
    {
        "name": [f"person {i}" for i in range(ROWS)],
        "town": ["Ely", "Bath"] * 50,
        "sold": pd.date_range("2020-01-01", periods=ROWS).strftime("%m/%d/%Y"),
        "born": pd.date_range("2020-01-01", periods=ROWS, tz="Europe/Paris"),
        "number": np.arange(1, ROWS + 1),
        "size": ["?", *map(str, np.arange(1, ROWS) % 7)],
        "w": 1.0,
        "y": np.linspace(0, 1, ROWS),
    }
)


def notes_of(**roles) -> list[str]:
    return read_examples(FRAME, Roles(target="y", **roles))[1].notes


def test_text_that_names_rows_is_left_out_unless_kept():
    examples, seen = read_examples(FRAME, Roles(target="y"))
    assert seen.left_out == ["name"] and "name" not in examples.features
    assert any(
        "'name' is left out: it is text that names rows, 100 values in 100 rows" in n for n in seen.notes
    )
    for kept in ({"kept": ("name",)}, {"categorical": ("name",)}):
        assert "name" in read_examples(FRAME, Roles(target="y", **kept))[0].features


def test_dates_are_recognized():
    seen = read_examples(FRAME, Roles(target="y"))[1]
    assert seen.dates == {"sold": "%m/%d/%Y", "born": None}
    assert any("'born' holds dates in Europe/Paris: used as" in n for n in seen.notes)
    assert "sold" not in read_examples(FRAME, Roles(target="y", categorical=("sold",)))[1].dates


def test_a_date_of_two_readings_is_announced():
    days = FRAME.assign(sold=pd.date_range("2020-01-01", periods=ROWS, freq="35D").strftime("%m/01/%Y"))
    seen = review(days[["sold"]], Roles(target="y"))
    assert "it could be %d/%m/%Y as well: --date 'sold=%d/%m/%Y'" in seen.notes[0]
    assert review(days[["sold"]], Roles(target="y", dates={"sold": "%d/%m/%Y"})).dates == {"sold": "%d/%m/%Y"}


def test_numbers_of_rows_and_numbers_in_text_are_announced():
    notes = "\n".join(notes_of())
    assert "column 'number' numbers the rows" in notes and "--id number keeps it out" in notes
    assert "column 'size' is read as text: '?' in 1 of its 100 values are no numbers" in notes
    assert "number" not in "\n".join(notes_of(ids=("number",), ignored=("size",)))


@pytest.mark.parametrize(
    "roles, message",
    [
        ({"weight": "weight"}, "unknown column 'weight'"),
        ({"ignored": ("y",)}, "'y' is the target: it cannot be"),
        ({"ids": ("town",), "categorical": ("town",)}, "'town' is given as a feature and as no feature"),
        ({"objective": "rank:ndcg"}, "rank:ndcg needs --group COLUMN"),
        ({"event": "w"}, "--event is for --objective survival:cox"),
        ({"task": "survival", "event": "w"}, "survival times need --objective"),
        ({"group": "w"}, "all rows have the group '1.0' of 'w'"),
        ({"weight": "town"}, "the weight 'town' holds text, such as 'Ely'"),
        ({"dates": {"town": None}}, "column 'town' holds no dates in a known format"),
        ({"ids": tuple(c for c in FRAME if c not in ("y", "name"))}, "no features are left: column 'name'"),
    ],
)
def test_roles_that_do_not_fit(roles, message):
    with pytest.raises(ValueError, match=message):
        read_examples(FRAME, Roles(target="y", **roles))


def test_rows_without_a_target_are_left_out_and_counted():
    gaps = FRAME.assign(y=FRAME["y"].where(FRAME.index > 4))
    examples, seen = read_examples(gaps, Roles(target="y"))
    assert len(examples) == 95 and "5 of 100 rows have no 'y': they are left out" in seen.notes[0]


def test_short_lists():
    assert short_list(["a", 2, "c"], 2) == "'a', 2, ... 1 more"
