"""Connects slide, regions, questions, answers and layers on the viewer page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from lile_desktop.actions import ActionRegistry
from lile_desktop.asked_region import AskedRegion
from lile_desktop.asker import Asker, Subject
from lile_desktop.engine_client import EngineState
from lile_desktop.hits import answer_texts
from lile_desktop.layers import (
    ATTENTION,
    HEAT,
    attention_overlay,
    heat_overlay,
    hit_boxes,
)
from lile_desktop.notices import Level, Notice
from lile_desktop.panels.viewer_page import ViewerPage
from lile_desktop.regions import estimate, estimate_text
from lile_desktop.settings import SettingsStore
from lile_desktop.slide_desk import SlideDesk
from lile_desktop.slide_list import SlideEntry
from lile_desktop.slide_trail import SlideTrail, Stop
from lile_desktop.text import tr
from lile_desktop.tissue_layer import TISSUE, TissueLayer
from lile_desktop.viewer import RasterOverlay
from lile_desktop.viewer.annotations import Annotation
from lile_desktop.viewer.autosave import FILE_NAME as REGIONS_FILE
from lile_desktop.viewer.autosave import Autosave, archived_file, own_file, regions_file
from lile_desktop.viewer.measures import region_title
from lile_desktop.viewer.view_state import Rect
from lile_desktop.words import PhraseWord
from lile_engine.slides import TileSpec

if TYPE_CHECKING:
    from lile_engine.answers import Answer, AttentionAnswer, EngineInfo, HeatAnswer
    from lile_engine.archive.rows import SlideRow
    from lile_engine.retrieval.results import Hit
    from lile_engine.slides import Region, SlideInfo

NO_SLIDE = "Open a slide with Ctrl+O, or drop one here."


class ViewerController(QObject):
    """``mpp_wanted`` asks for the scale of the slide in view and carries what to call once it is known; ``changed``
    tells that actions may be possible or not."""

    notice = Signal(object)
    mpp_wanted = Signal(object)  # a function without arguments
    changed = Signal()

    def __init__(
        self, page: ViewerPage, desk: SlideDesk, asker: Asker, actions: ActionRegistry, settings: SettingsStore
    ) -> None:
        super().__init__(page)
        self._page, self._desk, self._asker = page, desk, asker
        self._actions, self._settings = actions, settings
        self._known: dict[str, SlideRow] = {}
        self._engine: EngineInfo | None = None
        self._chosen: Hit | None = None
        self._heat = ""  # the phrase whose heat map lies over the slide or is being drawn
        self._left_selected: dict[str, frozenset[Region]] = {}  # by the path of a slide that was left
        self._attention: AttentionAnswer | None = None
        self._archive: Path | None = None
        self._trail = SlideTrail()
        self._returning: Stop | None = None
        self._grid = False
        view = page.view
        self._autosave = Autosave(view.annotations, self)
        self._autosave.failed.connect(lambda sentence: self.notice.emit(Notice(sentence)))
        self._autosave.loaded.connect(self._on_regions_read)
        self._asked = AskedRegion(view)
        page.slides.chosen.connect(desk.show)
        page.regions.visited.connect(self._visit_region)
        page.layers.visibility_changed.connect(view.set_overlay_visible)
        page.layers.opacity_changed.connect(view.set_overlay_opacity)
        page.layers.colormap_changed.connect(view.set_overlay_colormap)
        page.layers.range_changed.connect(view.set_overlay_range)
        page.layers.removed.connect(self._remove_layer)
        self._tissue_wanted = False
        self._tissue = TissueLayer(desk.readers, self)
        self._tissue.ready.connect(self._on_tissue)
        page.ask.phrase_entered.connect(self._ask_phrase)
        page.ask.mpp_chosen.connect(lambda mpp: settings.update(tile_mpp=mpp))
        page.answers.hit_chosen.connect(self._choose)
        page.answers.asked_wanted.connect(self._visit_asked)
        page.answers.words.word_chosen.connect(self._choose_word)
        view.region_drawn.connect(lambda _region: self._after_drawing())
        view.annotations.changed.connect(self.show_region)
        view.annotations.selection_changed.connect(self.show_region)
        view.tile_box_clicked.connect(lambda box: self._choose_number(box.id))
        view.slide_failed.connect(lambda sentence: self.notice.emit(Notice(sentence)))
        desk.current_changed.connect(self._on_slide)
        desk.fly_asked.connect(view.go_to)
        desk.landed.connect(view.start_at)
        asker.progressed.connect(page.ask.show_progress)
        asker.progressed.connect(lambda _doing, _progress: self.changed.emit())
        asker.idle.connect(page.ask.show_idle)
        asker.idle.connect(self._on_idle)
        asker.answered.connect(self._on_answer)
        asker.subject_changed.connect(self._on_subject)
        asker.attention_ready.connect(self._on_attention)
        asker.heat_ready.connect(self._on_heat)
        asker.fly_asked.connect(lambda place: desk.fly_to(place.slide, place.x, place.y, place.size))
        settings.changed.connect(lambda _settings: self._on_settings())
        view.show_message(tr(NO_SLIDE))
        self.show_region()

    # -- what can be done -------------------------------------------------------------------------------------------
    def set_engine(self, state: EngineState, info: EngineInfo | None) -> None:
        """The engine came up, went away or was loaded anew."""
        self._engine = info if state is EngineState.READY else None
        self.show_region()

    def set_archive(self, rows: list[SlideRow], folder: str = "") -> None:
        """The slides that are in the archive now (none yet while it is being loaded, or if it cannot be), and its
        folder; their regions are kept there."""
        self._known = {row.identity: row for row in rows}
        self._archive = Path(folder) if folder else None
        self._autosave.flush()  # what lies in the user's folder may move into the archive now
        self._keep_regions()
        self.show_region()  # which tells as well that other things may be possible now

    def let_go(self, paths: Collection[str]) -> None:
        """Slides are about to be erased: what is still to be written of them is written now, so that it goes with the
        rest, and nothing of them is remembered here."""
        self._autosave.flush()
        for path in paths:
            self._left_selected.pop(path, None)
        if self._asked.asked is not None and self._asked.asked.path in paths:
            self.forget_answers()

    def forget_answers(self) -> None:
        """Another model or archive: what was found before holds no more."""
        self._asker.forget()
        self._asked.forget()
        self._page.answers.clear()
        self.clear_layers()

    @property
    def can_ask(self) -> bool:
        """Whether a region is selected on a slide of known scale."""
        return self._region() is not None

    # -- questions --------------------------------------------------------------------------------------------------
    def ask_region(self) -> None:
        """Asks about the selected region; a slide without scale is asked for it first."""
        entry, annotation = self._desk.current, self._region()
        if entry is None or entry.info is None or annotation is None:
            self.notice.emit(Notice(tr("Draw a rectangle on a slide first (R), then ask about it."), level=Level.INFO))
        elif entry.info.mpp is None:
            self.mpp_wanted.emit(partial(self._ask_about, annotation))
        else:
            self._ask_about(annotation)

    def _ask_about(self, annotation: Annotation) -> None:
        """Asks about a region of the slide in view, selected still or not."""
        entry = self._desk.current
        if entry is None or entry.info is None or entry.info.mpp is None:
            return
        self.clear_layers()
        self._asked.ask(entry.path, annotation)
        self._page.answers.begin(self._asked.title(), region=True)
        from lile_engine.answers import RegionRequest

        request = RegionRequest(entry.path, entry.info.mpp, annotation.region, self._spec())
        self._asker.ask_region(request, self._settings.value.results)

    def _ask_phrase(self, typed: str) -> None:
        """Asks where the phrase is. What lay over the slide for the question before goes; a heat map of the same
        words stays."""
        text = typed.strip()
        if text:
            heat = self._heat if self._heat == text else ""
            for name in (ATTENTION,) if heat else (ATTENTION, HEAT):
                self._drop_layer(name)
            self._page.view.set_highlights([])
            self._chosen, self._heat = None, heat
            self._asked.forget()
            self._page.answers.begin(f"“{text}”", region=False)
        self._asker.ask_phrase(text, self._settings.value.results)

    def ask_heat(self) -> None:
        """Where on this slide the typed phrase is likely."""
        info = self._desk.current.info if self._desk.current is not None else None
        if info is None:
            self.notice.emit(Notice(tr("Open a slide first; the heat map is drawn over it."), level=Level.INFO))
        elif info.identity not in self._known:
            sentence = tr("{0} is not in the archive yet: choose Archive, Index this slide, then ask again.").format(
                info.name
            )
            self.notice.emit(Notice(sentence, level=Level.INFO))
        else:
            text = self._page.ask.field.text().strip()
            if text:
                self.clear_layers()
                self._heat = text
                self._show_boxes()
                self._page.answers.settle()
            self._reveal(HEAT)
            self._asker.ask_heat(info.path, info.identity, text)

    def _on_idle(self) -> None:
        """No question is under way any more, answered or not."""
        self._page.answers.settle()
        if HEAT not in self._page.layers.names():
            self._heat = ""
            self._show_boxes()  # which a map that did not come had hidden
        self.show_region()

    def _choose_word(self, word: PhraseWord | None) -> None:
        """Where a word of the chosen caption or phrase is seen (None: all of it)."""
        self._reveal(ATTENTION)
        self._asker.choose_word(word)

    # -- layers -----------------------------------------------------------------------------------------------------
    def _reveal(self, name: str) -> None:
        """Who asks for a map wants to see it, also where layers, or the one before under this name, were hidden."""
        self._page.view.set_overlays_visible(True)
        self._page.view.set_overlay_visible(name, True)

    def clear_layers(self) -> None:
        """Takes heat map, attention and hits off the slide."""
        for name in self._page.layers.names():
            if name != TISSUE:
                self._drop_layer(name)
        self._page.view.set_highlights([])
        self._chosen = None

    def _remove_layer(self, name: str) -> None:
        """Takes a layer off, as the user wants; the frames that it had hidden come back."""
        self._drop_layer(name)
        self._show_boxes()

    def _drop_layer(self, name: str) -> None:
        if name == ATTENTION:
            self._attention = None
        if name == HEAT:
            self._heat = ""
        if name == TISSUE and self._actions["toggle_tissue"].isChecked():
            self._actions["toggle_tissue"].setChecked(False)  # which comes here again
            return
        self._page.view.set_overlay(name, None)
        self._page.layers.drop_layer(name)

    # -- slide and region -------------------------------------------------------------------------------------------
    @property
    def can_go_back(self) -> bool:
        """Whether there is a place before this one, on this slide or on the one looked at before."""
        return self._page.view.can_go_back or self._trail.can_go_back

    @property
    def can_go_forward(self) -> bool:
        """Whether there is a place that was gone back from."""
        return self._page.view.can_go_forward or self._trail.can_go_forward

    def go_back(self) -> None:
        """To the place before this one; from the first place of a slide to the slide looked at before."""
        self._retrace(self._page.view.can_go_back, self._page.view.go_back, self._trail.back)

    def go_forward(self) -> None:
        """To the place gone back from."""
        self._retrace(self._page.view.can_go_forward, self._page.view.go_forward, self._trail.forward)

    def _retrace(self, on_slide: bool, move: Callable[[], None], step: Callable[[Stop], Stop | None]) -> None:
        view = self._page.view
        if on_slide:
            move()
        elif view.slide is not None and (stop := step(Stop(view.slide.path, view.view))) is not None:
            self._returning = stop
            self._desk.open([stop.path])
        self.changed.emit()

    def _on_slide(self, entry: SlideEntry | None) -> None:
        view = self._page.view
        returning, self._returning = self._returning, None
        other = view.slide is not None and (entry is None or entry.path != view.slide.path)
        if other and view.slide is not None:
            self._left_selected[view.slide.path] = frozenset(one.region for one in view.annotations.selected())
        if other and view.slide is not None and returning is None:
            self._trail.leave(Stop(view.slide.path, view.view))
        for name in self._page.layers.names():
            self._page.layers.drop_layer(name)
        view.set_overlay(HEAT, None)
        self._heat = ""
        view.set_slide(entry.info if entry is not None else None)
        if entry is None:
            view.show_message(tr(NO_SLIDE))
        elif returning is not None and returning.path == entry.path:
            view.set_view(replace(returning.view, width=view.view.width, height=view.view.height))
        self._keep_regions()
        self.show_grid(self._grid)
        self.show_tissue(self._tissue_wanted)
        if entry is not None:
            self._page.slides.select(entry.path)
        self._page.regions.set_mpp(entry.info.mpp if entry is not None and entry.info is not None else None)
        self._asked.refresh()
        self._show_boxes()
        if self._attention is not None:
            self._show_attention(self._attention)
        self.show_region()

    def _on_regions_read(self) -> None:
        """The regions of a slide are there: those that were selected when it was left are so again."""
        view = self._page.view
        before = self._left_selected.pop(view.slide.path, frozenset()) if view.slide is not None else ()
        self._asked.find_again()
        if before and not view.annotations.selection:
            view.annotations.select(one.id for one in view.annotations.all() if one.region in before)
        self.show_region()

    def file_of(self, slide: SlideInfo, name: str) -> Path:
        """Where something is kept of a slide: in the archive if the slide is in it, or was when it could be loaded."""
        folder = self._archive
        there = folder is not None and (
            slide.identity in self._known or archived_file(slide.identity, folder, name).exists()
        )
        return regions_file(slide.identity, folder if there else None, name)

    def show_grid(self, on: bool) -> None:
        """The tiles that the slide in view is cut into, at the scale of tiles in the settings."""
        slide, spec = self._page.view.slide, self._spec()
        self._grid = on
        step: float | None = None
        if on and slide is not None:
            from lile_engine.slides import tile_size

            step = tile_size(slide, spec) if slide.mpp else float(spec.px)
        self._page.view.set_tile_grid(step)

    def show_tissue(self, on: bool) -> None:
        """Where tissue is seen on the slide in view; what lies beside it is no tile of the archive."""
        self._tissue_wanted = on
        slide = self._page.view.slide
        if not on:
            self._drop_layer(TISSUE)
        elif slide is not None:
            self._tissue.find(slide)

    def _on_tissue(self, path: str, overlay: RasterOverlay) -> None:
        slide = self._page.view.slide
        if self._tissue_wanted and slide is not None and slide.path == path:
            self._page.view.set_overlay(TISSUE, overlay)
            self._page.layers.set_layer(TISSUE, overlay.title, overlay.opacity, ranged=False)

    def _keep_regions(self) -> None:
        """Regions of the slide in view are read from its file and saved there."""
        slide = self._page.view.slide
        file = self.file_of(slide, REGIONS_FILE) if slide is not None else None
        if file != self._autosave.file:
            own = own_file(slide.identity) if slide is not None else None
            self._autosave.open(file, own if own != file else None)

    def close(self) -> None:
        """Saves what is not saved yet."""
        self._tissue.close()
        self._autosave.close()

    def show_region(self) -> None:
        """The line about the selected region: its size, tiles and seconds."""
        entry, annotation = self._desk.current, self._region()
        text = ""
        if entry is not None and entry.info is not None and annotation is not None:
            spec, seconds = self._spec(), self._asker.seconds_per_tile()
            status = self._engine.archive if self._engine is not None else None
            row = self._known.get(entry.info.identity)
            indexed = row is not None and row.complete and status is not None and spec.mpp in status.mpps
            partly = row is not None and not row.complete and row.tiles > 0
            guess = estimate(entry.info, annotation.region, spec, seconds, indexed=indexed, partly=partly)
            text = f"{region_title(annotation)}: {estimate_text(annotation.region, entry.info.mpp, guess)}"
        self._asked.refresh()
        self._page.answers.show_asked(self._asked.title(), self._asked.apart(annotation))
        self._page.ask.show_region(text, self._settings.value.tile_mpp)
        self.changed.emit()

    def _on_settings(self) -> None:
        self.show_region()
        self.show_grid(self._grid)

    def _after_drawing(self) -> None:
        """Back to moving, except with tools that one goes on with."""
        if self._page.view.tool not in ("brush", "points"):
            self._actions["tool_move"].trigger()

    def _region(self) -> Annotation | None:
        chosen = [a for a in self._page.view.annotations.selected() if a.kind == "region"]
        return chosen[-1] if chosen else None

    def _spec(self) -> TileSpec:
        settings = self._settings.value
        px = self._engine.model.input_px if self._engine is not None else settings.tile_px
        return TileSpec(mpp=settings.tile_mpp, px=px)

    def _visit_region(self, number: int) -> None:
        annotation = self._page.view.annotations.get(number)
        if annotation is not None:
            self._page.view.go_to(Rect(*annotation.region.bounds))

    # -- answers ----------------------------------------------------------------------------------------------------
    def _on_answer(self, answer: Answer) -> None:
        if self._chosen is not None and self._chosen not in (*answer.patches, *answer.captions, *answer.cases):
            self._chosen = None
        status = self._engine.archive if self._engine is not None else None
        asked = self._asked.title() if answer.region is not None else ""
        texts = answer_texts(answer, status.mpps if status is not None else (), asked)
        self._page.answers.show_answer(answer, texts)
        self._show_boxes()

    def _visit_asked(self) -> None:
        """To the region that the answer is about, on whichever slide it lies."""
        asked = self._asked.asked
        if asked is not None:
            x, y, w, h = asked.region.bounds
            side = max(w, h)
            self._left_selected[asked.path] = frozenset([asked.region])
            self._desk.fly_to(asked.path, x + (w - side) / 2, y + (h - side) / 2, side)
            if self._asked.in_view and self._page.view.annotations.get(asked.number) is not None:
                self._page.view.annotations.select([asked.number])

    def _show_boxes(self) -> None:
        """Frames around the hits on this slide; over a heat map of other words only around the one that was chosen."""
        answer, entry = self._asker.answer, self._desk.current
        hits = answer.patches if answer is not None else ()
        boxes = hit_boxes(hits, entry.path, self._chosen) if entry is not None else []
        if self._heat and answer is not None and answer.phrase != self._heat:
            boxes = [box for box in boxes if box.selected]
        self._page.view.set_highlights(boxes)

    def _choose_number(self, number: int) -> None:
        answer = self._asker.answer
        if answer is not None and 0 <= number < len(answer.patches):
            self._page.answers.select_patch(number)
            self._choose(answer.patches[number])

    def _choose(self, hit: Hit) -> None:
        self._chosen = hit
        self._drop_layer(ATTENTION)
        self._asker.choose(hit)
        self._show_boxes()

    def _on_subject(self, subject: Subject | None) -> None:
        self._page.answers.words.set_text(subject.text if subject is not None else "")

    def _on_attention(self, answer: AttentionAnswer) -> None:
        self._attention = answer
        self._page.answers.words.show_answer(answer)
        entry = self._desk.current
        if entry is None or entry.path != answer.slide:
            self._desk.fly_to(answer.slide, answer.x, answer.y, max(answer.w, answer.h))
        else:
            self._show_attention(answer)

    def _show_attention(self, answer: AttentionAnswer) -> None:
        entry = self._desk.current
        if entry is not None and entry.path == answer.slide:
            self._lay(ATTENTION, attention_overlay(answer))

    def _lay(self, name: str, overlay: RasterOverlay) -> None:
        """Puts a map over the slide in view and into the list of layers."""
        self._page.view.set_overlay(name, overlay)
        self._page.layers.set_layer(
            name, overlay.title, overlay.opacity, overlay.colormap, ends=overlay.ends(), note=overlay.note
        )

    def _on_heat(self, answer: HeatAnswer) -> None:
        entry = self._desk.current
        if entry is not None and entry.path == answer.slide:
            self._heat = answer.text
            self._show_boxes()
            self._lay(HEAT, heat_overlay(answer))
