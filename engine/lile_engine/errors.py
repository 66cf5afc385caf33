"""The errors that reach a person. Each message is one sentence that names the thing and what to do.

Details (a traceback, a library's own words) belong in the log or in ``__cause__``, not in the message.
"""


class LileError(Exception):
    """Base of every error that is shown to the user as it stands."""


class SlideError(LileError):
    """A slide that cannot be opened or read."""


class MppUnknownError(SlideError):
    """A slide whose microns per pixel are not known and were not given."""


class ModelError(LileError):
    """A checkpoint that is missing, damaged, foreign or not a checkpoint at all."""


class ArchiveError(LileError):
    """An archive that is missing, damaged, foreign, or cannot be written."""


class ArchiveLockedError(ArchiveError):
    """Another process writes to the archive; the message says which."""


class QueryError(LileError):
    """A question that cannot be asked: empty, only stop words, no tissue, nothing to search in."""


class DataError(LileError):
    """Training pairs, captions or metadata that cannot be used; the message names file and line."""


class ConfigError(LileError):
    """A setting or configuration file that cannot be used."""


class Cancelled(LileError):
    """The user cancelled; what was committed stays."""
