"""The one exception that users are meant to see."""


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do.

    The command line prints it as one line and exits with status 2; a notebook shows it as the last line of its
    traceback.
    """
