"""UserError: a mistake that the user can mend, told in one line with the remedy."""


class UserError(Exception):
    """Raised for what the user can mend; the command line prints it without a traceback and exits with 2.

    The message is one line: what was given, what was expected, what to do.
    """
