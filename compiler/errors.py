"""The errors and warnings that several packages of the compiler raise."""


class ScheduleError(ValueError):
    """A schedule is illegal; the message names the stage and the axis, and what would be legal."""


class ScheduleWarning(UserWarning):
    """A mark of a legal schedule is not followed, or a template is not used; says which and why."""
