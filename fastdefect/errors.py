"""Errors that the user can fix.

Each of them ends the program with one message and one hint. Any other exception is a bug and
shows its traceback.
"""

_LONGEST = 3000


class FastdefectError(Exception):
    """An error that the user can fix.

    ``message`` states what was expected, what was found and where; ``hint`` states what to do.
    A text of thousands of characters, as from a damaged file, is cut.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        if len(message) > _LONGEST:
            message = f"{message[:_LONGEST]}... ({len(message):,} characters)"
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FastdefectError):
    """An invalid flag or config value."""

    exit_code = 2


class DataError(FastdefectError):
    """Photos, labels or a split that are not usable for training."""


class DivergedError(DataError):
    """A training that diverged: a loss, a gradient or a prediction is no longer finite.

    ``photos`` are those of the batch, if it is known.
    """

    def __init__(self, message: str, hint: str = "", photos: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.photos = photos


class ModelError(FastdefectError):
    """An architecture or a weights file that is not usable."""


class RunError(FastdefectError):
    """A run folder that is missing, damaged or of the wrong kind."""


class BundleError(FastdefectError):
    """A bundle that is missing, damaged, newer than this version, or not a bundle."""


class StoreError(FastdefectError):
    """The store of a line that is missing, damaged, in use, or can't be read or written."""


class ObjectStoreError(FastdefectError):
    """An object store that does not answer, or refuses the credentials; the work can continue."""


class StoreFullError(StoreError):
    """The disk of the store is full; what was to be stored is not stored."""
