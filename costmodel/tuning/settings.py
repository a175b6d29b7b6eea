"""`Settings`: how the searches of a run propose and choose, the same for one task and for many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from compiler.suggest import unknown
from costmodel.explore import (
    AnnealingExplorer,
    Explorer,
    GeneticExplorer,
    GridExplorer,
    IrreversibleExplorer,
    RandomExplorer,
)
from costmodel.features import FAMILIES
from costmodel.learned import CostModel
from costmodel.select import ACQUISITIONS
from costmodel.task import Task

# Those that propose by the scores of the model, and those that need none.
SCORED = {"model": AnnealingExplorer, "genetic": GeneticExplorer, "irreversible": IrreversibleExplorer}
UNSCORED = {"random": RandomExplorer, "grid": GridExplorer}
EXPLORERS = (*SCORED, *UNSCORED)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How searches propose and choose; the parameters are those of `costmodel.tune`.

    Raises
    ------
    ValueError
        For an unknown explorer, acquisition or family of features, a batch size or a patience below 1,
        seconds that are not positive, or an optimism below 0, or a warm start of an explorer without a model.
    """

    explorer: str | Explorer = "model"
    model: CostModel | None = None
    warm: Any = None
    shipped: bool = True
    batch_size: int = 8
    seed: int = 0
    epsilon: float = 0.05
    optimism: float = 0.0
    features: str = "store"
    acquisition: str | None = None
    patience: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size {self.batch_size} must be at least 1")
        if not self.optimism >= 0:
            raise ValueError(f"optimism must be at least 0, not {self.optimism}")
        if self.features not in FAMILIES:
            raise ValueError(unknown("family of features", self.features, FAMILIES))
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1 trial, not {self.patience}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be positive, not {self.seconds}")
        if self.acquisition is not None and self.acquisition not in ACQUISITIONS:
            raise ValueError(unknown("acquisition", self.acquisition, ACQUISITIONS))
        if self.warm is not None and not self.scored:
            raise ValueError(f"the explorer {self.source!r} has no model that records could warm")
        if isinstance(self.explorer, str) and self.explorer not in EXPLORERS:
            raise ValueError(unknown("explorer", self.explorer, EXPLORERS))

    @property
    def source(self) -> str:
        """Name of the explorer in records."""
        return self.explorer if isinstance(self.explorer, str) else self.explorer.name

    @property
    def scored(self) -> bool:
        """Whether the explorer proposes by the scores of a model."""
        return self.source not in UNSCORED

    def explorer_of(self, task: Task) -> Explorer:
        """Return the explorer of a task's space."""
        if not isinstance(self.explorer, str):
            return self.explorer
        kinds: dict[str, Any] = {**SCORED, **UNSCORED}
        return kinds[self.explorer](task.space)
