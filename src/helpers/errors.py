"""The exceptions that users are meant to see."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do.

    The command line prints it as one line and exits with status 2; a notebook shows it as the last line of its
    traceback.
    """


class DeadWorkersError(UserError):
    """Workers died, again and again, while they computed one task. Other tasks are not concerned."""
