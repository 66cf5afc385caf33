"""``lile archive``, ``lile index``, ``lile captions``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lile_engine.cli.output import add_output_options, emit_event, emit_result, progress_printer, to_plain

if TYPE_CHECKING:
    from lile_engine.archive.rows import SlideRow
    from lile_engine.model.protocol import ImageTextModel

FACTS = ("case", "organ", "stain", "tags")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds this room's commands."""
    archive = commands.add_parser("archive", help="make, look after and copy an archive")
    _add_archive_actions(archive.add_subparsers(dest="action", metavar="ACTION", required=True))
    _add_index(commands.add_parser("index", help="add slides to an archive"))
    captions = commands.add_parser("captions", help="caption libraries of an archive")
    actions = captions.add_subparsers(dest="action", metavar="ACTION", required=True)
    reading = actions.add_parser("import", help="add captions from jsonl, csv or an ARCH folder")
    _add_dir(reading)
    reading.add_argument("file", type=Path, metavar="FILE")
    add_model_options(reading)
    add_output_options(reading, progress=True)
    reading.set_defaults(run=_captions_import)
    writing = actions.add_parser("export", help="write all captions as .jsonl or .csv")
    _add_dir(writing)
    writing.add_argument("file", type=Path, metavar="FILE")
    add_output_options(writing)
    writing.set_defaults(run=_captions_export)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """``--model`` and ``--device`` of a command that embeds."""
    parser.add_argument("--model", metavar="NAME|DIR", help="the archive's own unless named")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")


def archive_model(args: argparse.Namespace) -> ImageTextModel:
    """The model named on the command line, or the one the archive was made with."""
    from lile_engine.archive import open_archive
    from lile_engine.model.load import load_model

    if args.model is not None:
        return load_model(args.model, args.device)
    with open_archive(args.dir) as archive:
        path = archive.status().model_path
    return load_model(path, args.device)


def _add_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dir", type=Path, metavar="DIR", help="the archive")


def _add_archive_actions(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = actions.add_parser("init", help="make an empty archive")
    _add_dir(init)
    init.add_argument("--model", metavar="NAME|DIR", help="the bundled one unless named")
    init.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    init.add_argument("--group", help="let this group of users read and write it too")
    add_output_options(init)
    init.set_defaults(run=_init)

    status = actions.add_parser("status", help="what is in it")
    _add_dir(status)
    add_output_options(status)
    status.set_defaults(run=_status)

    runs = actions.add_parser("runs", help="what the last runs of indexing did, slide by slide")
    _add_dir(runs)
    runs.add_argument("--last", type=int, default=1, metavar="N", help="so many runs, the newest first")
    add_output_options(runs)
    runs.set_defaults(run=_runs)

    check = actions.add_parser("check", help="read everything and compare it with its checksums")
    _add_dir(check)
    check.add_argument("--repair", action="store_true", help="mend what is found")
    add_model_options(check)
    add_output_options(check, progress=True)
    check.set_defaults(run=_check)

    describe = actions.add_parser("describe", help="set case, organ, stain or tags of slides that are in it")
    _add_dir(describe)
    describe.add_argument("slides", nargs="+", metavar="SLIDE", help="identity, path, or name")
    for fact in FACTS:
        kind = "words parted by ;" if fact == "tags" else "its new value"
        describe.add_argument(f"--{fact}", metavar="TEXT", help=f'{kind}; "" takes it away, without this it stays')
    add_output_options(describe, progress=True)
    describe.set_defaults(run=_describe)

    remove = actions.add_parser("remove", help="remove a slide or a case for good")
    _add_dir(remove)
    what = remove.add_mutually_exclusive_group(required=True)
    what.add_argument("--slide", help="identity, name or path")
    what.add_argument("--case")
    add_output_options(remove, progress=True)
    remove.set_defaults(run=_remove)

    copy = actions.add_parser("copy", help="copy it to another folder, checking it")
    copy.add_argument("source", type=Path, metavar="FROM")
    copy.add_argument("target", type=Path, metavar="TO")
    add_output_options(copy, progress=True)
    copy.set_defaults(run=_copy)

    again = actions.add_parser("reembed", help="embed everything with another model, then switch to it")
    _add_dir(again)
    again.add_argument("--model", required=True, metavar="NAME|DIR", help="the new model")
    again.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    again.add_argument("--batch", type=int, default=32, metavar="N")
    add_output_options(again, progress=True)
    again.set_defaults(run=_reembed)


def _add_index(index: argparse.ArgumentParser) -> None:
    _add_dir(index)
    index.add_argument("slides", type=Path, nargs="*", metavar="SLIDE", help="slides, folders, or .txt lists of them")
    index.add_argument("--mpp", type=float, metavar="M", help="microns per pixel of the tiles (the model's)")
    index.add_argument("--tile-px", type=int, metavar="N", help="side of a tile in pixels (the model's)")
    index.add_argument("--overlap", type=float, default=0.0, metavar="F", help="of neighbouring tiles, 0 to below 1")
    index.add_argument("--min-tissue", type=float, default=0.25, metavar="F", help="least share of tissue in a tile")
    index.add_argument("--slide-mpp", type=float, metavar="M", help="microns per pixel of slides that do not say")
    index.add_argument("--batch", type=int, default=32, metavar="N", help="tiles embedded at once")
    index.add_argument("--metadata", type=Path, metavar="FILE.csv", help="columns slide, case, organ, stain, tags")
    index.add_argument("--case-from", metavar="REGEX", help="the case in the file name: group 'case' or the first")
    index.add_argument("--watch", type=Path, metavar="FOLDER", help="go on with slides that arrive in a folder")
    add_model_options(index)
    add_output_options(index, progress=True)
    index.set_defaults(run=_index)


def _init(args: argparse.Namespace) -> int:
    from lile_engine.archive import create_archive
    from lile_engine.model.load import load_model, resolve_model

    model = load_model(args.model, args.device)
    # The bundled model is found again wherever the program lies; any other is kept by its full path.
    path = None if args.model is None else str(resolve_model(args.model).resolve())
    create_archive(args.dir, model.identity, path, group=args.group)
    result = {"archive": str(args.dir), "model": to_plain(model.identity)}
    emit_result(args, result, f"made {args.dir} for {model.identity.name} ({model.identity.id})")
    return 0


def _status(args: argparse.Namespace) -> int:
    from lile_engine.archive import open_archive

    with open_archive(args.dir) as archive:
        status, slides = archive.status(), archive.slides()
    lines = [
        f"{status.path}: {status.slides} slides ({status.slides_complete} complete) of {status.cases} cases, "
        f"{status.tiles} tiles, {status.captions} captions, {status.bytes / 1e6:.1f} MB",
        f"model {status.model.name} ({status.model.id}), generation {status.generation}, index of generation "
        f"{status.index_generation if status.index_generation is not None else 'none'}",
        f"being written by {status.writer}" if status.writer else "nobody writes",
        *(
            f"  {row.name}  {row.tiles} {_tiles_word(row)}  case {row.case or '-'}  "
            f"organ {row.organ or '-'}  stain {row.stain or '-'}  tags {', '.join(row.tags) or '-'}"
            for row in slides
        ),
    ]
    emit_result(args, {**to_plain(status), "slide_list": to_plain(slides)}, "\n".join(lines))
    return 0


def _tiles_word(row: SlideRow) -> str:
    if row.complete:
        return "tiles"
    return f"of {row.planned} tiles (not complete)" if row.planned else "tiles (not complete)"


def _runs(args: argparse.Namespace) -> int:
    from lile_engine.archive import open_archive

    with open_archive(args.dir) as archive:
        runs = archive.runs(max(1, args.last))
    text = "\n\n".join(run.to_text() for run in runs) or "nothing was indexed yet"
    emit_result(args, {"archive": str(args.dir), "runs": to_plain(runs)}, text)
    return 0


def _check(args: argparse.Namespace) -> int:
    from lile_engine.archive.check import check_archive
    from lile_engine.errors import ArchiveError
    from lile_engine.model.load import load_model
    from lile_engine.retrieval.mending import mend_archive

    if args.repair:
        named = args.model
        report = mend_archive(args.dir, lambda path: load_model(named or path, args.device), progress_printer(args))
    else:
        report = check_archive(args.dir, progress=progress_printer(args))
    emit_result(args, {**to_plain(report), "clean": report.clean}, report.to_text())
    if not report.clean:
        problems = sum(finding.level == "problem" and not finding.mended for finding in report.findings)
        raise ArchiveError(
            f"The archive {args.dir} has {problems} problem{'' if problems == 1 else 's'}"
            + (" that cannot be mended; restore it from a copy." if args.repair else "; mend it with --repair.")
        )
    return 0


def _describe(args: argparse.Namespace) -> int:
    from lile_engine.archive import open_archive
    from lile_engine.archive.rows import join_tags
    from lile_engine.errors import ArchiveError
    from lile_engine.retrieval.metadata import describe_slides

    facts = {name: getattr(args, name) for name in FACTS if getattr(args, name) is not None}
    if not facts:
        raise ArchiveError("Nothing was said of the slides; give --case, --organ, --stain or --tags.")
    with open_archive(args.dir, write=True) as archive:
        rows = describe_slides(archive, args.slides, facts)
    lines = [
        f"{row.name}: case {row.case or '-'}, organ {row.organ or '-'}, stain {row.stain or '-'}, "
        f"tags {join_tags(row.tags) or '-'}"
        for row in rows
    ]
    emit_result(args, {"archive": str(args.dir), "slides": to_plain(rows)}, "\n".join(lines))
    return 0


def _remove(args: argparse.Namespace) -> int:
    from lile_engine.retrieval.erasing import erase

    erasure = erase(args.dir, slide=args.slide, case=args.case)
    emit_result(args, erasure, erasure.to_text())
    return 0


def _copy(args: argparse.Namespace) -> int:
    from lile_engine.archive.copying import copy_archive

    size = copy_archive(args.source, args.target, progress=progress_printer(args))
    emit_result(args, {"archive": str(args.target), "bytes": size}, f"copied to {args.target} ({size / 1e6:.1f} MB)")
    return 0


def _reembed(args: argparse.Namespace) -> int:
    from lile_engine.errors import ArchiveError
    from lile_engine.model.load import load_model, resolve_model
    from lile_engine.paths import bundled_model_dir
    from lile_engine.retrieval.reembedding import reembed

    folder = resolve_model(args.model).resolve()
    path = None if folder == bundled_model_dir().resolve() else str(folder)
    model = load_model(folder, args.device)
    report = reembed(args.dir, model, path, batch=args.batch, progress=progress_printer(args))
    emit_result(args, report, report.to_text())
    if not report.switched:
        raise ArchiveError(f"The archive {args.dir} keeps its old vectors: {report.missing[0]}")
    return 0


def _index(args: argparse.Namespace) -> int:
    from lile_engine.archive.rows import RunSlide
    from lile_engine.errors import SlideError
    from lile_engine.retrieval.indexing import index_slides
    from lile_engine.retrieval.metadata import SlideMetadata
    from lile_engine.retrieval.watching import watch_folder
    from lile_engine.slides import TileSpec

    if not args.slides and args.watch is None:
        raise SlideError("No slide was named; give slides, folders, or --watch FOLDER.")
    metadata = SlideMetadata(args.metadata, args.case_from)
    model = archive_model(args)
    spec = TileSpec(
        model.identity.mpp if args.mpp is None else args.mpp,
        model.identity.input_px if args.tile_px is None else args.tile_px,
        args.overlap,
        args.min_tissue,
    )

    def named(slide: RunSlide) -> str:
        if args.progress == "jsonl" and Path(slide.path).name in slide.message:
            return slide.message  # it names the slide; the path stands in the slide's own event
        return f"{slide.path}: {slide.message}"

    def run(slides: list[Path]) -> int:
        report = index_slides(
            args.dir, slides, model, spec, metadata=metadata, slide_mpp=args.slide_mpp, batch=args.batch,
            progress=progress_printer(args), on_slide=lambda slide: emit_event(args, "slide", **to_plain(slide)),
        )  # fmt: skip
        for note in report.notes if args.progress == "jsonl" else ():  # the text names them itself
            emit_event(args, "warning", message=note)
        for slide in report.failed if len(report.slides) > 1 else ():
            emit_event(args, "warning", message=named(slide))
        for slide in report.without_tissue if args.progress == "jsonl" else ():
            name = Path(slide.path).name
            emit_event(args, "warning", message=f"No tissue was found on {name}, so no question finds it.")
        for slide in report.dark if args.progress == "jsonl" else ():
            name = Path(slide.path).name
            sentence = f"{name} is dark, as in fluorescence; the model learned from H&E"
            emit_event(args, "warning", message=f"{sentence}, so what it says of this slide means little.")
        if report.slides and len(report.failed) == len(report.slides):
            first = report.failed[0].message
            if len(report.failed) > 1:  # its reader has the sentence of each
                first = "No slide could be indexed" + ("." if args.progress == "jsonl" else f": {first}")
            raise SlideError(first)
        emit_result(args, report, report.to_text())
        return 0

    if args.slides:
        run(args.slides)
    if args.watch is not None:
        watch_folder(args.watch, run, tell=lambda sentence: emit_event(args, "warning", message=sentence))
    return 0


def _captions_import(args: argparse.Namespace) -> int:
    from lile_engine.retrieval.captions import import_captions

    report = import_captions(args.dir, args.file, archive_model(args), progress=progress_printer(args))
    for row in report.bad if args.json or args.progress == "jsonl" else ():  # the text names them itself
        emit_event(args, "warning", message=f"{args.file}, line {row.line}: {row.reason}")
    emit_result(args, report, report.to_text())
    return 0


def _captions_export(args: argparse.Namespace) -> int:
    from lile_engine.archive import open_archive
    from lile_engine.retrieval.captions import export_captions

    with open_archive(args.dir) as archive:
        count = export_captions(archive, args.file)
    emit_result(args, {"file": str(args.file), "captions": count}, f"{count} captions written to {args.file}")
    return 0
