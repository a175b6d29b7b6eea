"""The error of an illegal schedule."""


class ScheduleError(ValueError):
    """A primitive was used where it is not legal; names the stage, the axis and what would be legal."""
