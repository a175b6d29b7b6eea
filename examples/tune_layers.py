"""State what two layers compute, share a budget of trials between them, and write a page about the search."""

import numpy as np

from compiler import te
from costmodel import Measurer, Task, register, tune_all
from costmodel.report import TotalView, write_report


@register(
    reference=lambda x, w, b, m, n, k: np.maximum(x @ w + b, 0),
    flops=lambda m, n, k: 2 * m * n * k,
)
def dense_relu(m, n, k):
    """A dense layer with a bias and a ReLU; its schedules are derived."""
    X = te.placeholder((m, k), "X")
    W = te.placeholder((k, n), "W")
    B = te.placeholder((n,), "B")
    j = te.reduce_axis((0, k), "j")
    product = te.compute((m, n), lambda r, c: te.sum(X[r, j] * W[j, c], axis=j), "product")
    relu = te.compute((m, n), lambda r, c: te.maximum(product[r, c] + B[c], 0.0), "relu")
    return [X, W, B, relu]


def main() -> None:
    # how often each layer occurs
    layers = {Task("dense_relu", (32, 128, 64)): 3, Task("dense_relu", (32, 64, 128)): 1}
    with Measurer() as measurer, TotalView(context=measurer.context) as view:
        result = tune_all(
            layers, trials=16, batch_size=4, records="layers.jsonl", measurer=measurer, callback=view
        )
    for one in result.results:
        print(f"{one.task.call:28} {len(one.records):2} trials, best {one.best_gflops:.1f} GFLOP/s")
    write_report("layers.html", "layers.jsonl")
    print("the page: layers.html")


if __name__ == "__main__":
    main()
