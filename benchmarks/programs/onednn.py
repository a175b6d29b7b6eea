"""Convolutions by oneDNN, as PyTorch calls it: the peer of our convolutions."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.programs.operators import report
from benchmarks.report import heading
from compiler.ops.conv.conv2d import Convolution
from compiler.ops.conv.direct import convolution as direct
from costmodel import Task

# PyTorch computes some convolutions by oneDNN, and some by matrix products of MKL
HOLD = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
INSTALL = "PyTorch is not installed, so there is no oneDNN to compare with: pip install '.[onednn]'"


def compare(
    title: str,
    document: str | None,
    layers: Iterable[str],
    tasks: Callable[[str], dict[str, Task]],
    convolution: Callable[..., Convolution] = direct,
) -> None:
    """Run a benchmark: our programs of the layers on the command line, and oneDNN's.

    Parameters
    ----------
    title, document : str
        Title of the table and text of the help.
    layers : iterable of str
        All layers.
    tasks : callable
        Name of a layer to the ways to compute it, ``direct`` among them.
    convolution : callable
        From the values of a task's parameters to the convolution that PyTorch computes.
    """
    parser = argparse.ArgumentParser(description=document)
    parser.add_argument("layers", nargs="*", default=list(layers))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading(f"{title}, float32, batch 1", "numpy", "llvmlite", "torch")
    if find_spec("torch") is None:
        print(INSTALL)
        return
    missing = [name for name in HOLD if name not in os.environ]
    if os.environ.get("ESPALIER_CPU") and missing:
        raise SystemExit(
            f"ESPALIER_CPU={os.environ['ESPALIER_CPU']} holds our side to that CPU, but not the peer: set "
            f"{' and '.join(missing)} too, to AVX2 for x86-64-v3"
        )

    def peers(name: str) -> dict[str, Callable[[], object]]:
        task = tasks(name)["direct"]
        data, weight = task.operator.inputs(np.random.default_rng(0), *task.shape)
        expected = task.operator.reference(data, weight, *task.shape)
        return ways(convolution(*task.shape), data, weight, expected)

    chosen = {name: tasks(name) for name in given.layers}
    report(f"{title} and oneDNN", chosen, peers, rounds=given.rounds, set_threads=set_threads)


def set_threads(threads: int) -> None:
    """Set the number of threads of PyTorch."""
    import torch

    torch.set_num_threads(threads)


def ways(
    conv: Convolution, data: np.ndarray, weight: np.ndarray, expected: np.ndarray
) -> dict[str, Callable[[], Any]]:
    """Return the ways of PyTorch to run a convolution (float32, without a bias); the caller takes the
    fastest.

    Parameters
    ----------
    conv : Convolution
    data, weight : ndarray
        NCHW, and (CO, CI / groups, KH, KW).
    expected : ndarray
        The exact result, NCHW; each way is compared with it before it is returned.
    """
    import torch

    image = torch.from_numpy(data)
    layer = torch.nn.Conv2d(
        conv.CI,
        conv.CO,
        (conv.KH, conv.KW),
        stride=(conv.SH, conv.SW),
        padding=(conv.top, conv.left),
        dilation=(conv.DH, conv.DW),
        groups=conv.groups,
        bias=False,
    ).eval()
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
    last: Any = deepcopy(layer)
    last = last.to(memory_format=torch.channels_last)
    image_last = image.to(memory_format=torch.channels_last)
    packed = _packed(layer, image)
    calls: dict[str, Callable[[], Any]] = {
        "NCHW": lambda: layer(image),
        "channels last": lambda: last(image_last),
        **({"packed weights and layout": packed} if packed is not None else {}),
    }

    def without_gradient(call: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            with torch.inference_mode():
                return call()

        return run

    checked = {name: without_gradient(call) for name, call in calls.items()}
    for name, call in checked.items():
        result = call()
        result = result.to_dense() if result.is_mkldnn else result
        if not np.allclose(result.numpy(), expected, rtol=1e-3, atol=1e-3 * float(np.abs(expected).max())):
            raise SystemExit(f"PyTorch ({name}) differs from NumPy")
    return checked


def _packed(layer: Any, image: Any) -> Callable[[], Any] | None:
    """Return the layer with weights and image in oneDNN's layouts, if this build of PyTorch has it."""
    import torch

    if not torch.backends.mkldnn.is_available():
        return None
    from torch.utils import mkldnn

    inside, blocked = mkldnn.to_mkldnn(deepcopy(layer)), image.to_mkldnn()
    return lambda: inside(blocked)
