"""Looks an archive over and mends it; captions that lost their vectors are embedded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lile_engine.archive import open_archive
from lile_engine.archive.check import CheckReport, after_mending, check_archive
from lile_engine.model.protocol import ImageTextModel
from lile_engine.progress import ProgressCallback, no_progress
from lile_engine.retrieval.search import check_model

_AT_ONCE = 128


def mend_archive(
    archive_dir: Path | str, load: Callable[[str | None], ImageTextModel], progress: ProgressCallback = no_progress
) -> CheckReport:
    """``check --repair``; ``load`` opens the model of the archive, and is called only if captions need it."""
    folder = Path(archive_dir)
    report = check_archive(folder, repair=True, progress=progress)
    with open_archive(folder, write=True) as archive:
        missing = archive.missing_vectors("caption", in_use=True)
        if not len(missing):
            return report
        model = load(archive.status().model_path)
        check_model(archive, model)
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            encoded = model.encode_texts([row.text for row in archive.captions(part)])
            archive.put_vectors("caption", part, encoded.vectors, encoded.tokens, encoded.mask, in_use=True)
    return after_mending(report, check_archive(folder))
