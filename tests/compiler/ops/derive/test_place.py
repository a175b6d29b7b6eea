"""Places of stages in the loops of their consumers."""

from __future__ import annotations

from compiler import te
from compiler.ops.derive.place import INNER, OUTER, ROOT, Places


def chain(read):
    A = te.placeholder((16, 32), "A")
    B = te.compute((16, 32), lambda i, j: A[i, j] + 1.0, "B")
    C = te.compute((16, 32), lambda i, j: read(B, i, j), "C")
    s = te.create_schedule(C.op)
    places, (i, j) = Places(s, set()), C.op.axis
    places.add(s[C], i, {i.var: 1, j.var: 32}, 16)
    places.add(s[C], j, {i.var: 1, j.var: 1}, 512)
    return places, s[B], s[C], (i, j)


def test_the_innermost_and_the_outermost_place():
    places, b, c, (_, j) = chain(lambda B, i, j: B[i, j])
    assert places.put(b, INNER) == (1, 1) and b.attach == (c, j)
    places, b, c, (i, _) = chain(lambda B, i, j: B[i, j])
    assert places.put(b, OUTER) == (1, 32) and b.attach == (c, i)
    places, b, _, _ = chain(lambda B, i, j: B[i, j])
    assert places.put(b, ROOT) == (16, 32) and b.attach is None


def test_a_place_that_would_repeat_work_is_passed_over():
    # each element reads a whole row: in the inner loop, every row would be computed 32 times
    places, b, c, (i, _) = chain(lambda B, i, j: B[i, 31 - j] + B[i, 0])
    assert places.put(b, INNER) == (1, 32) and b.attach == (c, i)
    places, b, _, _ = chain(lambda B, i, j: B[15 - i, 0] + B[0, j] + B[15, j])
    assert places.put(b, INNER) == (16, 32) and b.attach is None


def test_parts_are_divided_into_whole_tiles():
    places, b, c, (i, _) = chain(lambda B, i, j: B[i, j])
    assert places.put(b, INNER, (1, 8)) == (1, 32) and b.attach == (c, i)


def test_a_stage_of_two_consumers_in_different_loops_stays_at_the_root():
    A = te.placeholder((16,), "A")
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((16,), lambda i: B[i] * 2.0, "C")
    D = te.compute((16,), lambda i: B[i] * 3.0, "D")
    s = te.create_schedule([C.op, D.op])
    places = Places(s, set())
    for t in (C, D):
        places.add(s[t], t.op.axis[0], {t.op.axis[0].var: 1}, 16)
    assert places.put(s[B], INNER) == (16,) and s[B].attach is None
