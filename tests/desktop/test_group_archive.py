"""What the window keeps of a slide in a group's archive is the group's."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from lile_desktop.bookmarks import Bookmark, read_bookmarks, write_bookmarks
from lile_desktop.viewer.annotation_files import write_annotations
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.autosave import own_file, regions_file
from lile_engine.archive import create_archive
from lile_engine.model.protocol import ModelIdentity
from lile_engine.slides import Region

MODEL = ModelIdentity("0123456789abcdef", "random", 32, image_tokens=4, token_width=8, input_px=224, mpp=0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="no groups of this kind")
@pytest.mark.parametrize("shared", [True, False])
def test_regions_and_bookmarks(tmp_path: Path, lile_home: Path, shared: bool) -> None:
    import grp

    group = grp.getgrgid(os.getgid()).gr_name if shared else None
    create_archive(tmp_path / "archive", MODEL, group=group)
    region = Annotation(1, Region.rectangle(0, 0, 9, 9), name="mine")
    own = own_file("drawn-before")
    own.parent.mkdir(parents=True)
    write_annotations(own, [region])
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    regions = regions_file("drawn-before", tmp_path / "archive")  # moves there
    assert not own.exists()
    marks = regions_file("drawn-before", tmp_path / "archive", "bookmarks.json")
    mark = Bookmark("here", 1.0, 2.0, 3.0)
    write_bookmarks(marks, [mark])
    assert read_bookmarks(marks) == [mark]
    for path in (regions, marks):
        assert stat.S_IMODE(path.stat().st_mode) == (0o660 if shared else 0o600)
    for folder in (marks.parent, marks.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == (0o2770 if shared else 0o700)
