"""The cost model as that of Apache TVM's MetaSchedule.

TVM extracts the features of its own programs (a vector for each store); the model ranks the programs.
The package ``apache-tvm`` is needed for this module alone, and imported by its first call.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from boost.atomic import write_bytes
from compiler import Target
from costmodel.learned import BoostedTreeCostModel, CostModel

# Features of a store by which the one with the most work is found: TVM counts operations first, in the order
# multiply-add, addition or subtraction, multiplication, division, comparison, mathematics, other, of floats
# and then of integers.
_OPERATIONS = slice(0, 14)


def metaschedule_model(
    model: CostModel | None = None, *, extractor: Any = None, warmup: int = 16, seed: int = 0
) -> Any:
    """Return a cost model for MetaSchedule that ranks programs by boosted trees.

    Parameters
    ----------
    model : CostModel, optional
        By default a new `BoostedTreeCostModel`.
    extractor : tvm.s_tir.meta_schedule.FeatureExtractor, optional
        By default TVM's features of stores.
    warmup : int
        Number of measured programs from which on the model predicts; the scores before are random.
    seed : int
        Of these scores, and of the default model.

    Returns
    -------
    tvm.s_tir.meta_schedule.CostModel
        The argument ``cost_model`` of MetaSchedule's functions. It has ``load`` and ``save``, which keep the
        measurements, and fit the model to them again.

    Raises
    ------
    ImportError
        If apache-tvm is not installed, or has no MetaSchedule.
    ValueError
        If `warmup` is less than 2.

    Examples
    --------
    >>> from tvm.s_tir import meta_schedule
    >>> target = tvm.target.Target(tvm_target("llvm -mcpu=x86-64-v3", cores=1))
    >>> database = meta_schedule.tune_tir(mod, target, "work", 64, cost_model=metaschedule_model())
    """
    if warmup < 2:
        raise ValueError(f"warmup must be at least 2, not {warmup}")
    if model is None:
        model = BoostedTreeCostModel(seed=seed)
    return _model_class()(
        model, extractor or _meta_schedule().feature_extractor.PerStoreFeature(), warmup, seed
    )


def tvm_target(target: str | Target = "llvm", *, cores: int | None = None) -> dict[str, Any]:
    """Return a target in TVM's form: a dictionary, the argument of ``tvm.target.Target``.

    Parameters
    ----------
    target : str or Target
        Of the kind ``llvm``.
    cores : int, optional
        For which MetaSchedule generates parallel loops; by default the threads of the target.

    Raises
    ------
    ValueError
        For another kind of target.

    Examples
    --------
    >>> tvm_target("llvm -mcpu=haswell -mtriple=x86_64-unknown-linux-gnu", cores=2)
    {'kind': 'llvm', 'mcpu': 'haswell', 'mtriple': 'x86_64-unknown-linux-gnu', 'num-cores': 2}
    """
    parsed = Target.parse(target)
    if parsed.kind != "llvm":
        raise ValueError(f"only targets of the kind 'llvm' are the same in TVM, not {parsed.kind!r}")
    options: dict[str, Any] = {name.removeprefix("-"): value for name, value in parsed.options}
    if "mattr" in options:
        options["mattr"] = options["mattr"].split(",")
    return {"kind": "llvm", **options, "num-cores": parsed.hardware.threads if cores is None else cores}


def pooled(stores: np.ndarray) -> np.ndarray:
    """Return the features of a program from those of its stores: a vector of fixed length.

    It has the features of the store with the most floating-point and integer operations, the largest and the
    mean value of each feature over all stores, and their number. TVM's features are logarithms.

    Parameters
    ----------
    stores : ndarray of float32, shape (stores, features)

    Returns
    -------
    ndarray of float32, shape (3 * features + 1,)
    """
    stores = np.asarray(stores, np.float32)
    if stores.ndim != 2 or stores.shape[1] < _OPERATIONS.stop:
        raise ValueError(
            f"features of each store, of shape (stores, features), are needed, not {stores.shape}"
        )
    if not len(stores):
        return np.zeros(3 * stores.shape[1] + 1, np.float32)
    main = np.argmax(np.exp2(stores[:, _OPERATIONS].astype(np.float64)).sum(axis=1))
    return np.concatenate([stores[main], stores.max(axis=0), stores.mean(axis=0), [len(stores)]]).astype(
        np.float32
    )


def _meta_schedule() -> Any:
    try:
        from tvm.s_tir import meta_schedule
    except ImportError as error:
        raise ImportError(
            "the cost model of MetaSchedule needs the package apache-tvm, 0.25 or newer: "
            f"pip install 'espalier[metaschedule]' ({error})"
        ) from error
    return meta_schedule


class _Measured:
    """The programs that a search of MetaSchedule measured, and the model that is fitted to them."""

    def __init__(self, model: CostModel, warmup: int, seed: int) -> None:
        self.model = model
        self.warmup = warmup
        self.rng = np.random.default_rng(seed)
        self.rows: list[np.ndarray] = []
        self.throughputs: list[float] = []
        self.groups: list[int] = []
        self.tasks: list[str] = []

    def add(self, task: str, rows: Sequence[np.ndarray], seconds: Sequence[Sequence[float]]) -> None:
        if task not in self.tasks:
            self.tasks.append(task)
        group = self.tasks.index(task)
        for row, costs in zip(rows, seconds, strict=True):
            self.rows.append(row)
            self.throughputs.append(1.0 / float(np.median(costs)) if len(costs) else 0.0)
            self.groups.append(group)
        self.fit()

    def fit(self) -> None:
        throughputs = np.array(self.throughputs)
        if len(throughputs) >= self.warmup and throughputs.max() > throughputs.min():
            self.model.fit(np.stack(self.rows), throughputs, np.array(self.groups))

    def scores(self, rows: Sequence[np.ndarray]) -> np.ndarray:
        if not rows:
            return np.zeros(0)
        if len(self.rows) < self.warmup or not self.model.fitted:
            return self.rng.uniform(size=len(rows))
        return np.asarray(self.model.predict(np.stack(rows)), np.float64)

    def save(self, path: str | os.PathLike[str]) -> None:
        raw = io.BytesIO()
        np.savez_compressed(
            raw,
            features=np.stack(self.rows) if self.rows else np.zeros((0, 0), np.float32),
            throughputs=np.array(self.throughputs, np.float64),
            groups=np.array(self.groups, np.int64),
            tasks=np.array(self.tasks, dtype=np.str_),
        )
        write_bytes(path, raw.getvalue())

    def load(self, path: str | os.PathLike[str]) -> None:
        try:
            with np.load(path, allow_pickle=False) as file:
                features, throughputs, groups, tasks = (
                    file[name] for name in ("features", "throughputs", "groups", "tasks")
                )
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} does not hold the measurements of a cost model: {error}") from error
        self.rows, self.throughputs = list(features), throughputs.tolist()
        self.groups, self.tasks = groups.tolist(), tasks.tolist()
        self.fit()


@lru_cache(maxsize=1)
def _model_class() -> Any:
    """Return the class whose objects TVM calls; its bases are TVM's."""
    meta_schedule = _meta_schedule()
    from tvm.ir.utils import derived_object

    @derived_object
    class EspalierModel(meta_schedule.cost_model.PyCostModel):  # type: ignore[name-defined]
        """Boosted trees on the features of TVM's programs."""

        def __init__(self, model: CostModel, extractor: Any, warmup: int, seed: int) -> None:
            super().__init__()
            self.extractor = extractor
            self.measured = _Measured(model, warmup, seed)

        def load(self, path: str) -> None:
            self.measured.load(path)

        def save(self, path: str) -> None:
            self.measured.save(path)

        def update(self, context: Any, candidates: Any, results: Any) -> None:
            costs = [[float(s) for s in result.run_secs or ()] for result in results]
            self.measured.add(
                str(meta_schedule.utils.shash2hex(context.mod)), self._rows(context, candidates), costs
            )

        def predict(self, context: Any, candidates: Any) -> np.ndarray:
            return self.measured.scores(self._rows(context, candidates))

        def _rows(self, context: Any, candidates: Any) -> list[np.ndarray]:
            return [pooled(features.numpy()) for features in self.extractor.extract_from(context, candidates)]

    return EspalierModel
