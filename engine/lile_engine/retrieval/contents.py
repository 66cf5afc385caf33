"""Whether a slide that comes to an archive is the one that is there, to the last byte.

The identity of a large file is made of samples (`lile_engine.slides.identity`). The archive keeps a digest of the
whole file beside it, made after the slide was indexed, which has read most of it anyhow. A file that was not touched
since is not read again.
"""

from __future__ import annotations

from pathlib import Path

from lile_engine.archive import SlideRow, WritableArchive
from lile_engine.errors import SlideError
from lile_engine.progress import CancelToken
from lile_engine.slides.identity import content_digest, file_identity, is_sampled


def keep_digest(archive: WritableArchive, row: SlideRow, cancel: CancelToken) -> None:
    """Has the archive keep the digest of a slide's file; nothing to do where its identity covers every byte."""
    path = Path(row.path)
    if archive.content_of(row.id) is None and is_sampled(path, row.identity):
        mtime_ns = path.stat().st_mtime_ns
        archive.set_content(row.id, content_digest(path, cancel.raise_if_cancelled), mtime_ns)


def check_twin(path: Path, other: Path, identity: str, cancel: CancelToken) -> None:
    """Raises `SlideError` unless both files, of one identity, have the same content."""
    if is_sampled(path, identity) and _digest(path, cancel) != _digest(other, cancel):
        raise _differs(path, other)


def has_changed(archive: WritableArchive, known: SlideRow, path: Path, cancel: CancelToken) -> bool:
    """Whether the file at ``path`` differs from what was indexed as ``known``, which has its identity.

    Raises `SlideError` where it differs and the file that was indexed is still there, for then these are two slides.
    Of a slide that was indexed before archives kept digests nothing is known but the file itself.
    """
    if not is_sampled(path, known.identity):
        return False
    before = Path(known.path)
    stored, mtime_ns = archive.content_of(known.id), path.stat().st_mtime_ns
    if path != before and _holds(before, known.identity) and not before.samefile(path):
        untouched = stored is not None and stored[1] == before.stat().st_mtime_ns
        if _digest(path, cancel) != (stored[0] if stored is not None and untouched else _digest(before, cancel)):
            raise _differs(path, before)
        return False
    if stored is None or stored[1] == mtime_ns:
        return False
    digest = _digest(path, cancel)
    if digest == stored[0]:
        archive.set_content(known.id, digest, mtime_ns)
    return digest != stored[0]


def still_at(archive: WritableArchive, identity: str) -> str | None:
    """Another place where the slide was seen and still lies."""
    return next((path for path in sorted(archive.paths_of(identity)) if _holds(Path(path), identity)), None)


def _holds(path: Path, identity: str) -> bool:
    """Whether the file at ``path`` is, as far as identities tell, that slide (by now it may be another)."""
    try:
        return file_identity(path) == identity
    except OSError:
        return False


def _digest(path: Path, cancel: CancelToken) -> str:
    return content_digest(path, cancel.raise_if_cancelled)


def _differs(path: Path, other: Path) -> SlideError:
    return SlideError(
        f"{path.name} is as large as {other} and differs from it only where slides are not told apart, so both cannot "
        "be in one archive; index one of them into another archive."
    )
