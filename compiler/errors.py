"""The errors and warnings that several packages of the compiler raise."""


class ScheduleError(ValueError):
    """A schedule is illegal; the message names the stage and the axis, and what would be legal."""


class ScheduleWarning(UserWarning):
    """A schedule is legal, but a mark of it is not followed, or a template is not used; says which and why."""
