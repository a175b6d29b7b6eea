"""The HTML page about records."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from costmodel import records as record_file
from costmodel.records import Record
from costmodel.report import study, write_report
from costmodel.report.insight import calibrate, hardware, insight
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task

TAGS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a", "b", "br", "span"}
TAGS |= {"table", "tr", "th", "td", "dl", "div", "dt", "dd", "details", "summary", "pre"}
TAGS |= {"svg", "path", "rect", "circle", "g", "text"}
HOSTILE = '</pre></title><script>alert(1)</script><img src="http://example.com/x" onerror="alert(1)">'


@pytest.fixture(scope="module")
def big() -> Task:
    return Task("matmul", (64, 64, 64))


def area(task: Task, index: int) -> int:
    """The elements of a configuration's tile."""
    return int(np.prod(task.space.at(index)["tile"]))


def trials(task: Task, n: int, **changes: Any) -> list[Record]:
    """Trials whose time is in proportion to the elements of a tile, and depends on no other knob."""
    indices = [task.space.default.index, *task.space.random(np.random.default_rng(0), n - 1)]
    records = []
    for trial, index in enumerate(indices, 1):
        cost = 1e-6 * area(task, index)
        outcome = MeasureResult(
            Reason.OK, (cost,), timestamp=float(trial), noise=0.01, drift=1.0 + trial / 100
        )
        if trial % 8 == 0:
            outcome = MeasureResult(Reason.CRASH, message="signal 11", timestamp=float(trial))
        record = Record.of(task, task.space.at(index), outcome, cpu="CPU", source="model", trial=trial)
        records.append(dataclasses.replace(record, **changes))
    return records


@pytest.fixture(scope="module")
def file(big, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("records") / "records.jsonl"
    record_file.rewrite(path, trials(big, 40))
    return path


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_all_of_a_task(file, big, tmp_path):
    path = tmp_path / "report.html"
    found = write_report(path, file)
    assert list(tmp_path.iterdir()) == [path]
    text = Page(path.read_text()).text
    (one,) = found.tasks
    assert one.best is not None
    for part in (
        "40 trials of 1 task from 1 file",
        big.call,
        f"{big.space.size:,} configurations",
        f"{one.best.cost * 1e3:.4g}",
        f"{one.speedup:.2f}x",
        "Best speed by trial",
        "Loop nest of the best program",
        "parallel" if "parallel" in str(one.task.instantiate(one.best_config)) else "for ",
        "Knobs that matter",
        "Features that matter",
        "Rank correlation +",
        "signal 11",
        "From 1.01x to 1.39x, median",
        "noise of a time1.0%",
    ):
        assert part in text, part


def test_the_same_records_make_the_same_bytes(file, tmp_path):
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for path in pages:
        write_report(path, [file])
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_the_page_needs_nothing_but_itself(file, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, file)
    parsed = Page(path.read_text())
    assert parsed.tags <= TAGS
    assert all(value.startswith("#") for name, value in parsed.attributes if name in ("href", "src"))
    assert "url(" not in path.read_text() and "http" not in re.sub("http-equiv", "", path.read_text())


def test_a_hostile_record_is_text(big, tmp_path):
    records = trials(big, 20, cpu=HOSTILE, source=HOSTILE)
    broken = MeasureResult(Reason.BUILD, message=HOSTILE + "\ud800\x00")
    records.append(Record.of(big, big.space.at(1), broken, cpu=HOSTILE, source=HOSTILE, trial=10**18))
    stranger = dataclasses.replace(records[0], task=HOSTILE, operator=HOSTILE, trial=1)
    odd = dataclasses.replace(records[1], hardware={"vector_bits": HOSTILE, "caches": [HOSTILE]})
    record_file.rewrite(tmp_path / "records.jsonl", [odd, *records, stranger])
    path = tmp_path / "report.html"
    write_report(path, tmp_path / "records.jsonl")
    parsed = Page(path.read_text(encoding="utf-8"))
    assert parsed.tags <= TAGS and not {"script", "img"} & parsed.tags
    assert not any(name.startswith("on") or name == "src" for name, _ in parsed.attributes)
    # as text it is all there: of the machine, the explorer, the message, and the unknown task
    assert parsed.text.count("<script>alert(1)</script>") >= 4
    assert "1 of operators or shapes that are unknown here" in parsed.text


def test_tasks_without_a_program_and_without_enough_trials(result, tmp_path):
    failed = [dataclasses.replace(r, costs=(), reason="timeout", cpu="B") for r in result.records]
    record_file.rewrite(tmp_path / "records.jsonl", [*result.records, *failed])
    write_report(tmp_path / "report.html", tmp_path / "records.jsonl")
    text = Page((tmp_path / "report.html").read_text()).text
    assert "Every trial failed" in text and "A model needs 16 programs" in text


def test_no_page_is_written_without_records(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ValueError, match="no record"):
        write_report(tmp_path / "report.html", tmp_path / "empty.jsonl")
    assert not (tmp_path / "report.html").exists()


def test_the_knob_that_decides_is_found(big):
    learned = insight(big, trials(big, 200))
    assert learned is not None
    first = learned.knobs[0]
    assert first.name == "tile"
    areas = [int(np.prod(value)) for value in first.values]
    assert int(np.prod(first.best)) <= np.quantile(areas, 0.25)
    assert 0.4 < first.range / (max(areas) / min(areas)) < 1.5
    assert all(effect.range < 1.5 for effect in learned.knobs[1:])
    assert sum(learned.importance.values()) == pytest.approx(1.0)


def test_calibration_is_of_programs_that_the_model_was_not_fitted_to():
    rng = np.random.default_rng(0)
    features = rng.random((150, 8), dtype=np.float32)
    learnable = calibrate(features, np.exp(3.0 * features[:, 0]), 0.01)
    assert learnable.rank_correlation > 0.7 and learnable.pairwise_accuracy > 0.75
    # times that do not depend on the features: a model reproduces those that it was fitted to, but no others
    chance = calibrate(features, rng.random(150) + 0.5, 0.01)
    assert abs(chance.rank_correlation) < 0.3 and abs(chance.pairwise_accuracy - 0.5) < 0.1
    # predictions of the five models are on one scale: that of what was measured
    assert abs(float(np.mean(learnable.predicted - learnable.measured))) < 0.1


def test_hardware_of_records(big):
    (record, _) = trials(big, 2)
    stated = {"vector_bits": 256, "vector_registers": 16, "caches": [32768], "threads": 2}
    has = hardware(dataclasses.replace(record, hardware=stated))
    assert has is not None and (has.vector_bits, has.caches, has.threads) == (256, (32768,), 2)
    for wrong in ({}, {**stated, "vector_bits": "256"}, {**stated, "caches": 1}, {**stated, "caches": [-1]}):
        assert hardware(dataclasses.replace(record, hardware=wrong)) is None


def test_a_study_of_one_file_is_that_of_its_path(file):
    assert len(study([file]).tasks) == 1
