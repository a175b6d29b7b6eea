"""The rules of the presets: what they choose, what they leave to the user, and the reasons."""

from __future__ import annotations

import pytest

from boost.params import MULTI
from boost.preset import Choice, Task, choose
from boost.preset.preset import CHOSEN, DIVISIBLE, MOST_ROUNDS, RATE, ROUNDS, SIZES


def test_xgboost_chooses_nothing() -> None:
    assert choose("xgboost", Task(1000, 5)) == Choice("xgboost", {}, ROUNDS)


def test_an_unknown_preset() -> None:
    with pytest.raises(ValueError, match="preset must be 'espalier' or 'xgboost', got 'espaliers'.*espalier"):
        choose("espaliers", Task(1000, 5))


@pytest.mark.parametrize("size", SIZES)
def test_the_number_of_rows_decides_members_and_depths(size: object) -> None:
    rows = int(min(size.rows, 10**9))  # type: ignore[attr-defined]
    choice = choose("espalier", Task(rows, 5))
    assert (choice.members, choice.parts, choice.patience) == size[1:3] + size[4:]  # type: ignore[index]
    assert choice.varied == {"max_depth": size.depths}  # type: ignore[attr-defined]
    assert set(choice.params) == set(CHOSEN)
    larger = choose("espalier", Task(rows + 1, 5))
    assert larger.varied != choice.varied or rows == 10**9


def test_few_rows_or_groups_are_not_divided() -> None:
    for task in (Task(DIVISIBLE - 1, 5), Task(1000, 5, objective="rank:ndcg", groups=3)):
        choice = choose("espalier", task)
        assert choice.members == choice.parts == 1 and "too few" in choice.reasons["rounds"]
    assert choose("espalier", Task(DIVISIBLE, 5)).members > 1


def test_what_is_given_is_not_chosen() -> None:
    choice = choose("espalier", Task(1000, 5), {"max_depth": 2, "reg_lambda": 9.0, "objective": "reg:gamma"})
    assert not {"max_depth", "lambda"} & {*choice.params, *choice.varied, *choice.reasons}
    assert {"eta", "subsample"} <= set(choice.params)
    slow = choose("espalier", Task(1000, 5), {"learning_rate": RATE / 4})
    assert "eta" not in slow.params and slow.rounds == 4 * MOST_ROUNDS
    assert slow.patience == 4 * choice.patience


def test_the_least_leaf_depends_on_the_scale_of_the_hessians() -> None:
    def least(objective: str) -> float:
        return float(choose("espalier", Task(1000, 5, objective=objective)).params["min_child_weight"])

    assert least(MULTI[0]) < least("reg:gamma") < least("binary:logistic")


def test_one_model_learns_slower_for_more_rounds() -> None:
    choice = choose("espalier", Task(1000, 5))
    few, many = choice.alone(10), choice.alone(1000)
    assert (few.members, few.rounds, many.rounds) == (1, 10, 1000)
    assert few.params["eta"] == RATE > many.params["eta"]
    assert choose("xgboost", Task(1000, 5)).alone(7) == Choice("xgboost", {}, 7)


def test_a_choice_prints_its_reasons() -> None:
    text = str(choose("espalier", Task(1500, 5)))
    assert text.splitlines()[0] == "preset espalier"
    assert "  max_depth = (3, 5, 4, 3, 6): 1,500 rows" in text and "members = 5: 1,500 rows" in text
