"""The wording of errors about unknown names, and the classes of errors."""

from __future__ import annotations

import pytest

import boost
from boost import errors
from boost.errors import nearest, unknown


def test_the_nearest_name_is_suggested() -> None:
    assert nearest("max_dept", ["eta", "max_depth"]) == "; did you mean 'max_depth'?"
    assert nearest("zzz", ["eta", "max_depth"]) == ""


def test_an_unknown_name_is_reported_with_the_known_ones() -> None:
    assert unknown("column", "agee", ["age", "town"]) == (
        "unknown column 'agee'; did you mean 'age'? (known: age, town)"
    )
    assert unknown("column", 7, ["age"]) == "unknown column 7 (known: age)"


@pytest.mark.parametrize("name", ["DataError", "LabelError", "ModelError", "ParameterError"])
def test_errors_are_public_value_errors(name: str) -> None:
    assert getattr(boost, name) is getattr(errors, name)
    assert issubclass(getattr(boost, name), ValueError)
