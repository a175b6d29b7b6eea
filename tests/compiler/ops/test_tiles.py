"""Register tiles and cache blocks: oracles worked out by hand, for each kind of register file."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.backend import Target
from compiler.ops.tiles import (
    Registers,
    Tile,
    block_in_cache,
    cache_bytes,
    covering,
    ranked_tiles,
    step_cycles,
)
from tests.compiler.backend.llvm.compiled import NEON, X86

AVX2, AVX512, ASIMD = Registers(8, 16), Registers(16, 32), Registers(4, 32, by_lane=True)


@pytest.mark.parametrize(
    ("target", "dtype", "registers"),
    [
        (X86 + "x86-64-v3", "float32", Registers(8, 16)),
        (X86 + "x86-64-v3", "float64", Registers(4, 16)),
        (X86 + "skylake-avx512", "float32", Registers(16, 32)),
        (X86 + "skylake-avx512", "int32", Registers(16, 32)),
        (NEON, "float32", ASIMD),
        (NEON, "float64", Registers(2, 32, by_lane=True)),
        (X86 + "x86-64-v2", "float32", Registers(4, 16)),
    ],
)
def test_registers_of_targets(target: str, dtype: str, registers: Registers) -> None:
    assert Registers.of(Target.parse(target), dtype) == registers


@pytest.mark.parametrize(
    ("registers", "fitting", "too_large"),
    [
        # sums, vectors and one broadcast element: 6 * 2 + 2 + 1 = 15, 4 * 3 + 3 + 1 = 16, 7 * 2 + 2 + 1 = 17
        (AVX2, [(6, 2), (4, 3), (2, 5)], [(7, 2), (5, 3), (3, 4), (2, 6)]),
        (AVX512, [(14, 2), (9, 3), (6, 4), (5, 5)], [(15, 2), (10, 3), (7, 4), (8, 4)]),
        # two vectors of elements for six rows, and one ahead: 6 * 4 + 4 + 3 = 31, 12 * 2 + 2 + 4 = 30
        (ASIMD, [(12, 2), (8, 3), (6, 4), (4, 5)], [(13, 2), (9, 3), (7, 4), (5, 5)]),
        # an element of its own for each product with the only vector
        (AVX2, [(8, 1)], [(9, 1)]),
        (AVX512, [(16, 1)], [(17, 1)]),
        # the vectors of one row are read by the instruction that multiplies them
        (AVX2, [(1, 15)], [(1, 16)]),
    ],
)
def test_which_tiles_fit(registers: Registers, fitting: list, too_large: list) -> None:
    tiles = registers.tiles()
    assert set(fitting) <= set(tiles)
    assert not set(too_large) & set(tiles)
    assert all(registers.fits(tile) for tile in tiles)


def test_the_cycles_of_a_step() -> None:
    # 12 multiply-adds on two ports, and 8 loads: the arithmetic limits it, the loads cost a little
    assert step_cycles(Tile(6, 2)) == pytest.approx(6 * (1 + 0.15 * 8 / 12))
    assert step_cycles(Tile(4, 3)) == pytest.approx(6 * (1 + 0.15 * 7 / 12))
    # four sums wait for their own latency of five cycles
    assert step_cycles(Tile(2, 2)) == pytest.approx(5 * (1 + 0.15 * 4 / 4))
    # 16 loads of elements and one of a vector on two ports are 8.5 cycles for 16 multiply-adds
    assert step_cycles(Tile(16, 1)) == pytest.approx(8.5 * (1 + 0.15 * 17 / 16))


def square(size: int, lanes: int):
    return lambda tile: covering(size, tile.rows) * covering(size, tile.vectors * lanes)


@pytest.mark.parametrize(
    ("registers", "best"),
    [(AVX2, (4, 3)), (AVX512, (5, 5)), (ASIMD, (6, 4)), (Registers(2, 32, by_lane=True), (6, 4))],
)
def test_the_best_tile_of_a_result_without_padding(registers: Registers, best: tuple[int, int]) -> None:
    whole = 720720 * registers.lanes  # every tile of up to 16 rows or vectors divides it
    assert ranked_tiles(registers, square(whole, registers.lanes))[0] == best


def test_padding_decides_between_tiles() -> None:
    # 14 columns of 8: with two vectors a tile, 7; with three, 5, of which the last is padding for a third
    assert ranked_tiles(AVX2, lambda t: covering(6, t.rows) * covering(14, t.vectors))[0] == (6, 2)
    # a result of one row takes no tile of several rows
    assert ranked_tiles(AVX512, lambda t: covering(1, t.rows) * covering(64, t.vectors))[0].rows == 1


@given(
    st.sampled_from([AVX2, AVX512, ASIMD, Registers(2, 32), Registers(1, 8)]),
    st.integers(1, 300),
    st.integers(1, 300),
)
def test_ranked_tiles_fit_and_are_in_order(registers: Registers, rows: int, columns: int) -> None:
    def steps(tile: Tile) -> int:
        return covering(rows, tile.rows) * covering(columns, tile.vectors * registers.lanes)

    tiles = ranked_tiles(registers, steps, each=3)
    costs = [steps(tile) * step_cycles(tile) for tile in tiles]
    assert tiles
    assert costs == sorted(costs)
    assert min(steps(tile) * step_cycles(tile) for tile in registers.tiles()) == costs[0]
    assert all(registers.fits(tile) for tile in tiles)
    assert all(sum(t.vectors == v for t in tiles) <= 3 for v in {t.vectors for t in tiles})


def test_tiles_that_are_not_admitted_are_left_out() -> None:
    tiles = ranked_tiles(AVX2, lambda tile: inf if tile.vectors % 2 else 1.0)
    assert {tile.vectors for tile in tiles} == {2, 4, 6, 8, 10, 12, 14}


def target_with_caches(monkeypatch: pytest.MonkeyPatch, *caches: int) -> Target:
    target = Target.parse(NEON)
    hardware = replace(target.hardware, caches=caches)
    monkeypatch.setattr(Target, "hardware", property(lambda self: hardware))
    return target


def test_blocks_in_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_with_caches(monkeypatch, 32 * 1024, 512 * 1024)
    assert [cache_bytes(target, level) for level in range(3)] == [32 * 1024, 512 * 1024, 512 * 1024]
    # half of 32 KiB holds 256 steps of 64 bytes
    assert block_in_cache(target, 0, 64, 256) == 256
    # 300 steps are two blocks of 150, of which one is 152 in multiples of 8
    assert block_in_cache(target, 0, 64, 300) == 150
    assert block_in_cache(target, 0, 64, 300, multiple=8) == 152
    # in half of 512 KiB, 4096 of 64 bytes
    assert block_in_cache(target, 1, 64, 5000) == 2500
    assert block_in_cache(target, 1, 64, 5000, share=1.0) == 5000
    # never less than one multiple, nor more than there is
    assert block_in_cache(target, 0, 10**6, 300, multiple=64) == 64
    assert block_in_cache(target, 0, 10**6, 30, multiple=64) == 30


def test_a_target_without_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_with_caches(monkeypatch)
    assert (cache_bytes(target, 0), cache_bytes(target, 1)) == (32 * 1024, 256 * 1024)
