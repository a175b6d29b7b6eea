"""Operators, shapes and files of tasks as the command line spells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.cli.operator import find_operator, make_task, parse_shape, read_tasks, split_file
from costmodel.registry import operator


@pytest.mark.parametrize(
    "text, expected",
    [
        ("matmul", ("", "matmul")),
        ("mine.py", ("mine.py", "")),
        ("a/mine.py:matvec", ("a/mine.py", "matvec")),
        ("C:/a/mine.py:two words", ("C:/a/mine.py", "two words")),
        ("a:b", ("", "a:b")),
    ],
)
def test_a_file_and_a_name(text, expected):
    assert split_file(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("4,5,6", (4, 5, 6, 0, "NN", "none", "float32")),
        ("4x5x6", (4, 5, 6, 0, "NN", "none", "float32")),
        ("4,5,6,batch=2,dtype=int8", (4, 5, 6, 2, "NN", "none", "int8")),
    ],
)
def test_shapes(text, expected):
    assert parse_shape(operator("matmul"), text) == expected


def test_a_shape_with_a_tuple():
    assert parse_shape(operator("conv2d"), "1,4,8,8,4,3,pad=1x2")[7] == (1, 2)


def test_an_operator_of_a_file(run, operators, tmp_path):
    assert find_operator(f"mine.py:{operators}").name == operators
    with pytest.raises(ValueError, match=f"mine.py: unknown operator '.*x'; did you mean '{operators}'"):
        find_operator(f"mine.py:{operators}x")
    with pytest.raises(ValueError, match=f"registers {operators}, {operators} broken: name one of them"):
        find_operator("mine.py")
    # a file of one operator needs no name
    text = (tmp_path / "mine.py").read_text().split("@register")
    (tmp_path / "one.py").write_text("@register".join(text[:2]).replace(operators, f"{operators} one"))
    assert find_operator("one.py").name == f"{operators} one"


def test_a_changed_file_is_read_again(run, operators, tmp_path):
    import os

    first = find_operator(f"mine.py:{operators}")
    assert find_operator(f"mine.py:{operators}") is first
    path = tmp_path / "mine.py"
    path.write_text(path.read_text().replace("flops=lambda n: n", "flops=lambda n: 5 * n"))
    os.utime(path, ns=(1, 1))
    assert (first.flops(3), find_operator(f"mine.py:{operators}").flops(3)) == (3, 15)


def test_a_template_that_raises_is_wrong_input(run, tmp_path):
    (tmp_path / "raising.py").write_text(
        "from costmodel import register\n"
        "@register(reference=None, flops=None, name='raising')\n"
        "def raising(knobs, n):\n"
        "    return {}['no key']\n"
    )
    message = r"the template of raising raised KeyError \(.*raising.py, line 4\): 'no key'"
    with pytest.raises(ValueError, match=message):
        make_task("raising.py:raising", "4", "llvm")
    output = run("tune", "raising.py:raising", "--shape", "4", status=2)
    assert "raised KeyError" in output and "Traceback" not in output


def test_a_file_of_tasks(run, operators, tmp_path):
    (tmp_path / "nets").mkdir()
    path = tmp_path / "nets" / "net.txt"
    (tmp_path / "mine.py").rename(tmp_path / "nets" / "mine.py")
    path.write_text(f"# first\n\nmatmul 4,5,6 x2.5  # twice\nmine.py:{operators} 8\nmatmul 4,5,6\n")
    tasks, weights = read_tasks(Path("nets/net.txt"), "llvm")
    assert [t.call for t in tasks] == ["matmul(4, 5, 6)", f"{operators}(8)", "matmul(4, 5, 6)"]
    assert weights == [2.5, 1.0, 1.0]


@pytest.mark.parametrize(
    "line, message",
    [
        ("matmul", r"line 2: a line is OPERATOR SHAPE, or OPERATOR SHAPE xWEIGHT, not 'matmul'"),
        ("matmul 4,5,6 3", "not 'matmul 4,5,6 3'"),
        ("matmul 4,5,6 xx", "line 2: could not convert string to float"),
        ("matmul 4,5", "line 2: matmul needs M, N, K; K is missing"),
        ("no.py:x 4", r"line 2: .*no.py: no such file"),
    ],
)
def test_lines_that_are_no_tasks(tmp_path, line, message):
    path = tmp_path / "net.txt"
    path.write_text(f"matmul 4,5,6\n{line}\n")
    with pytest.raises(ValueError, match=message):
        read_tasks(path, "llvm")
