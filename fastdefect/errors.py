"""What can go wrong for a user, told in a user's words.

An error of this family ends the program with one message and one hint; anything else is
a bug and shows its traceback.
"""


class FastdefectError(Exception):
    """A mistake or mishap that the user can mend.

    ``message`` says what was expected, what was found and where; ``hint`` says what to do.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FastdefectError):
    """A flag or a config value that can't be taken."""

    exit_code = 2


class DataError(FastdefectError):
    """Photos, labels or a split that can't be trained on."""


class DivergedError(DataError):
    """A training whose predictions are no numbers any more."""


class ModelError(FastdefectError):
    """An architecture or a weights file that can't be used."""


class RunError(FastdefectError):
    """A run folder that is missing, damaged or of another kind than was asked for."""
