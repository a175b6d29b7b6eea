"""What a fit does when the user says nothing: parameters, the number of rounds, members that are averaged."""

from boost.preset.preset import PRESETS, Choice, Task, choose
from boost.preset.rounds import Fit, Source, fit

__all__ = ["PRESETS", "Choice", "Fit", "Source", "Task", "choose", "fit"]
