"""The errors that several packages of the compiler raise."""


class ScheduleError(ValueError):
    """A schedule is illegal; the message names the stage and the axis, and what would be legal."""
