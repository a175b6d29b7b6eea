"""How many cases of ONNX's own test suite pass, interpreted and compiled, and why are the others left out?"""

from __future__ import annotations

import argparse
import functools
from collections import Counter
from typing import Any

from benchmarks.models.suite import KINDS, cases, outcome, reason
from benchmarks.report import heading, table

QUESTION = "Cases of ONNX's own test suite that pass"


def session(model: Any, interpret: bool) -> Any:
    """A session on a model."""
    from compiler.relay.session import InferenceSession

    return InferenceSession(model, interpret=interpret)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", help="regular expression that the names match")
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=["node"])
    parser.add_argument("--interpret", action="store_true", help="by the definitions instead of compiled")
    parser.add_argument("--list", action="store_true", help="every case that does not pass")
    options = parser.parse_args()
    make = functools.partial(session, interpret=options.interpret)
    heading(QUESTION, "onnx")
    for kind in options.kind:
        found: Counter[str] = Counter()
        reasons: Counter[tuple[str, str]] = Counter()
        for case in cases(kind, options.pattern):
            state, why = outcome(case, make)
            found[state] += 1
            if state != "pass":
                reasons[state, reason(why)] += 1
                if options.list:
                    print(f"{case.name}: {state}: {why}", flush=True)
        way = "interpreted" if options.interpret else "compiled"
        numbers = [str(found[state]) for state in ("pass", "fail", "left out")]
        table(
            ("tests", "cases", "pass", "fail", "left out"),
            [(f"{kind}, {way}", str(sum(found.values())), *numbers)],
        )
        if reasons:
            print("\nnot passed:")
            for (state, why), count in reasons.most_common():
                print(f"{count:5} {state}: {why[:150]}")


if __name__ == "__main__":
    main()
