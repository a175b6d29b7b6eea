"""The table of parameters: defaults, names, documentation and types for editors."""

from __future__ import annotations

from boost.params import BY_NAME, TABLE, describe, resolve
from boost.params.stub import PATH, stub


def test_defaults_pass_their_own_checks() -> None:
    values = resolve(None)
    assert set(values) == {p.name for p in TABLE}
    for p in TABLE:
        assert p.check(p.default) == p.default
        assert p.doc.endswith(".") and p.allowed


def test_names_and_aliases_are_unique() -> None:
    names = [n for p in TABLE for n in (p.name, *p.aliases)]
    assert len(names) == len(set(names)) == len(BY_NAME)
    assert all(p.estimator in (None, p.name, *p.aliases) for p in TABLE)


def test_text_comes_from_the_table() -> None:
    text = describe("train")
    assert "eta : a number of at least 0, default 0.3" in text and "Also learning_rate." in text
    assert "the number of outputs. For multi:softmax and multi:softprob only." in " ".join(text.split())
    assert "learning_rate :" in describe("estimator") and "validate_parameters :" not in describe("estimator")


def test_types_for_editors_are_up_to_date() -> None:
    assert PATH.read_text(encoding="utf-8") == stub(), "run python -m boost.params.stub"
    assert "def lambda(" not in stub() and "def reg_lambda(self) -> float" in stub()
