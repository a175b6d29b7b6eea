"""The errors that more than one wing of the compiler raises."""


class ScheduleError(ValueError):
    """A schedule is illegal; the message names the stage and the axis, and what would be legal."""
