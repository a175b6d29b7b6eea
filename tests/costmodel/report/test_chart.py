"""Diagrams as SVG."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from costmodel.report.chart import Chart, escaped, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0, 23.5, [0, 5, 10, 15, 20]), (0.9, 1.1, [0.9, 0.95, 1.0, 1.05, 1.1])],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_of_an_axis_without_length():
    assert ticks(1, 1) == [] and ticks(0, math.inf) == []


def test_a_diagram_is_well_formed_and_its_marks_are_inside():
    chart = Chart("a <title>", ("x & y", 0, 10), ("speed", 0, 4), width=400, height=200)
    chart.line([(0, 0), (5, 2), (10, 4)], "#000", "<line>", steps=True)
    chart.points([(0, 0), (10, 4)], "#000", "points")
    chart.points([(5, 2)], "#000", "failed", cross=True)
    root = ElementTree.fromstring(chart.svg())
    assert root[0].text == "a <title>"
    texts = [element.text for element in root.iter("text")]
    assert {"x & y", "speed", "<line>", "points", "failed"} <= set(texts)
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in root.iter("circle")]
    # the corners of the axes, and the dot of the legend
    assert dots == [(56, 160), (388, 12), (9, 6)]


def test_an_axis_of_one_value():
    chart = Chart("one", ("x", 3, 3), ("y", 0, 0))
    chart.points([(3, 0)], "#000")
    ElementTree.fromstring(chart.svg())


def test_text_is_escaped():
    assert escaped("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert escaped("\ud800\x00\x1b[0m\nline") == "?\ufffd\ufffd[0m\nline"
