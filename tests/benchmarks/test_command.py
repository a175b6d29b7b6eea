from __future__ import annotations

from benchmarks.__main__ import command


def test_a_recorded_command_has_no_path_of_a_machine():
    assert command("latency", ["--models", "/home/me/zoo", "--rounds", "7"]) == (
        "python -m benchmarks latency --models PATH --rounds 7"
    )
    assert command("matmul", ["512", "../layers.txt"]) == "python -m benchmarks matmul 512 ../layers.txt"
