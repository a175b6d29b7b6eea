"""Summaries of a model: one line of text, and HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import boost
from boost import Booster
from tests.boost.show.test_dump import hand_made
from tests.boost.small_models import KINDS, X, Y, model_of


class Tags(HTMLParser):
    """All tags, which must be closed, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_line() -> None:
    assert repr(Booster()) == "Booster(objective='reg:squarederror', rounds=0, trees=0, features=0)"
    assert repr(model_of("classes")) == (
        "Booster(objective='multi:softprob', outputs=3, rounds=4, trees=12, features=5)"
    )
    table = boost.DMatrix(X, Y)
    stopped = boost.train({}, table, 30, evals=[(table, "t")], early_stopping_rounds=2, verbose_eval=False)
    assert repr(stopped).endswith(f", best_iteration={stopped.best_iteration})")


@pytest.mark.parametrize("kind", KINDS)
def test_a_page(kind: str) -> None:
    model = model_of(kind)
    page = model._repr_html_()
    tags = Tags(page)
    assert "script" not in tags.seen
    assert {"objective", str(model.params["objective"]), "rounds", "4"} <= set(tags.text)
    if kind == "no split":
        assert "No tree has a split yet." in tags.text
    else:
        ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
        assert set(model.get_score()) <= set(tags.text)


def test_names_are_escaped_and_shortened() -> None:
    booster = hand_made()
    booster.feature_names = ["<script>x</script>", "long " * 20]
    page = booster._repr_html_()
    tags = Tags(page)
    assert "script" not in tags.seen and "<script>x</script>" in tags.text
    assert "long " * 20 in tags.text  # as the tooltip
    assert any(text.endswith("…") for text in tags.text)


def test_the_largest_of_many_bars() -> None:
    wide = np.random.default_rng(0).normal(size=(500, 14)).astype(np.float32)
    model = boost.train({"max_depth": 6}, boost.DMatrix(wide, wide @ np.arange(1.0, 15.0)), 10)
    page = model._repr_html_()
    score = model.get_score("total_gain")
    assert page.count("<rect") == 10 < len(score)
    assert f"the 10 largest of {len(score)}" in page
    best = sorted(score, key=lambda name: -score[name])
    assert [text for text in Tags(page).text if text in score][:2] == [best[0]] * 2
