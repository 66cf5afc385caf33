"""The canvas: a slide on the screen at any scale, tiles coming in, movement. Tools and layers lie in `SlideView`."""

from __future__ import annotations

import time
from dataclasses import replace

from PySide6.QtCore import QByteArray, QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPalette, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QWidget

from lile_desktop.viewer import surround
from lile_desktop.viewer import view_state as vs
from lile_desktop.viewer.adjust import Adjustment
from lile_desktop.viewer.backdrop import Backdrop
from lile_desktop.viewer.history import PlaceHistory
from lile_desktop.viewer.minimap import Minimap
from lile_desktop.viewer.motion import REST, Motion, step
from lile_desktop.viewer.pyramid import Pyramid, TileKey, build_pyramid
from lile_desktop.viewer.scale_bar import MARGIN, paint_corner
from lile_desktop.viewer.tile_cache import DEFAULT_BUDGET, TileCache
from lile_desktop.viewer.tile_loader import PixelSource, TileFailure, TileLoader
from lile_desktop.viewer.tile_look import TileLook
from lile_desktop.viewer.tile_painter import PaintReport, view_transform, wanted_tiles
from lile_desktop.viewer.view_state import Rect, ViewState
from lile_engine.slides import SlideInfo

LEAST_FRAME_MS = 7  # a screen of 144 Hz; more frames nobody sees
REST_MS = 600  # a view that stands this long is a place to come back to


class SlideCanvas(QWidget):
    """Shows one slide. Pixels come through ``source`` (a `ReaderPool`); ``cache`` may be shared between canvases."""

    view_changed = Signal(ViewState)
    slide_changed = Signal()
    history_changed = Signal()
    sharpened = Signal()  # all that is seen is there in full sharpness
    slide_failed = Signal(str)  # one sentence; it also stands on the canvas

    def __init__(
        self,
        source: PixelSource,
        parent: QWidget | None = None,
        *,
        cache: TileCache | None = None,
        cache_bytes: int = DEFAULT_BUDGET,
    ) -> None:
        super().__init__(parent)
        self._cache = cache if cache is not None else TileCache(cache_bytes)
        self._loader = TileLoader(source, self._cache, self)
        self._loader.tile_loaded.connect(self._on_tile)
        self._loader.tile_failed.connect(self._on_failure)
        self._loader.profile_loaded.connect(self._on_profile)
        self._slide: SlideInfo | None = None
        self._pyramid: Pyramid | None = None
        self._view = ViewState()
        self._fitted = True  # the whole slide is shown; it is fitted again when the widget changes its size
        self._motion: Motion = REST
        self._moved_at = 0.0
        self._look = TileLook(self._cache)
        self._backdrop = Backdrop(self._cache)
        self._message = ""
        self._dark_slide = False
        self._report = PaintReport(missing=1)
        self._painted: ViewState | None = None  # what the last frame showed
        self._told_sharp = False
        self._last_views: dict[str, ViewState] = {}
        self._history = PlaceHistory()
        self._ticker = QTimer(self, timerType=Qt.TimerType.PreciseTimer)
        self._ticker.timeout.connect(self._tick)
        self._planner = QTimer(self, interval=0, singleShot=True)
        self._planner.timeout.connect(self._plan)
        self._rest = QTimer(self, interval=REST_MS, singleShot=True)
        self._rest.timeout.connect(self._remember_place)
        self.minimap = Minimap(self)
        self.minimap.moved_to.connect(self.center_on)
        self.minimap.corner_changed.connect(lambda: self._place_minimap())
        self._minimap_wanted = True
        self._corner_wanted = True
        self._cursor: tuple[float, float] | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)

    # --- what is shown ---------------------------------------------------------------------------

    @property
    def slide(self) -> SlideInfo | None:
        return self._slide

    @property
    def view(self) -> ViewState:
        return self._view

    @property
    def cache(self) -> TileCache:
        return self._cache

    @property
    def loader(self) -> TileLoader:
        return self._loader

    @property
    def is_sharp(self) -> bool:
        """True where the view as it stands is on the screen, every tile in full sharpness."""
        report = self._report
        rough = self._backdrop.rough or self._look.unfinished
        complete = report.missing == 0 and not report.pending and not rough
        return complete and self._slide is not None and self._painted == self._view

    @property
    def last_report(self) -> PaintReport:
        """What the last frame lacked."""
        return self._report

    @property
    def moving(self) -> bool:
        """True while the picture glides or zooms on its own."""
        return self._ticker.isActive()

    @property
    def message(self) -> str:
        """The sentence that stands on the canvas, empty where all is well."""
        return self._message

    def set_slide(self, info: SlideInfo | None) -> None:
        """Show a slide, fitted, or where it was left; None clears the canvas."""
        if self._slide is not None:
            self._last_views[self._slide.path] = self._view
        self._stop()
        self._slide = info
        self._message = ""
        self._dark_slide = False
        self._history = PlaceHistory()
        self._report, self._painted = PaintReport(missing=1), None
        self._backdrop.forget()
        self._pyramid = build_pyramid(info) if info is not None else None
        self._loader.set_pyramid(self._pyramid)
        self._look.set_profile(None)
        if info is None:
            self.minimap.hide()
        else:
            self.minimap.set_slide(info.width, info.height, None)  # not the one before, whatever becomes of this
            self._place_minimap(self._overview())
            before = self._last_views.get(info.path)
            upright = replace(vs.resized(self._view, self.width(), self.height()), rotation=0.0, mirrored=False)
            if before is None:
                self._fitted = True
                self._show(vs.fitted(upright, info.width, info.height))
            else:
                self._fitted = False
                self._show(vs.resized(before, self.width(), self.height()))
            self._remember_place()
        self.slide_changed.emit()
        self.update()

    def show_message(self, sentence: str) -> None:
        """Put one sentence on the canvas (a slide that could not be opened)."""
        self._message = sentence
        self.update()

    def retry(self) -> None:
        """Ask again for tiles that failed."""
        self._message = ""
        self._loader.retry()
        self._plan()
        self.update()

    # --- moving ----------------------------------------------------------------------------------

    def set_view(self, view: ViewState) -> None:
        """Show exactly this centre, scale, rotation and mirror (its viewport size is this widget's)."""
        self._stop()
        self._fitted = False
        self._show(vs.resized(view, self.width(), self.height()))

    def visit(self, view: ViewState) -> None:
        """Like `set_view`, and the place left can be gone back to."""
        self._remember_place()
        self.set_view(view)
        self._remember_place()

    def go_to(self, rect: Rect) -> None:
        """Bring a level-0 rectangle to the middle, as large as it comfortably fits."""
        self.visit(vs.showing(self._view, rect))

    def center_on(self, x: float, y: float) -> None:
        """Bring a level-0 point to the middle at the present scale."""
        self.set_view(replace(self._view, cx=x, cy=y))

    def go_to_point(self, x: float, y: float) -> None:
        """Like `center_on`, and the place left can be gone back to."""
        self.visit(replace(self._view, cx=x, cy=y))

    def go_to_microns(self, x: float, y: float) -> None:
        """Bring a point given in microns to the middle; in pixels on a slide whose mpp is not known."""
        mpp = self._slide.mpp if self._slide is not None else None
        self.go_to_point(x / (mpp or 1.0), y / (mpp or 1.0))

    def fit(self) -> None:
        """Show the whole slide."""
        if self._slide is not None:
            self.visit(vs.fitted(self._view, self._slide.width, self._slide.height))
            self._fitted = True

    def zoom_by(self, factor: float, sx: float | None = None, sy: float | None = None) -> None:
        """Zoom smoothly by a factor about a screen point (the middle where none is given)."""
        if self._slide is None:
            return
        start = self._motion.target_scale or self._view.scale
        limited = vs.limited(replace(self._view, scale=start * factor), self._slide)
        anchor_x = self._view.width / 2 if sx is None else sx
        anchor_y = self._view.height / 2 if sy is None else sy
        self._fitted = False
        self._start(Motion(target_scale=limited.scale, anchor_x=anchor_x, anchor_y=anchor_y))

    def set_magnification(self, power: float) -> None:
        """Show the slide at ``power`` x (40 for 40x) about the middle of the view."""
        if self._slide is not None:
            scale = vs.scale_for_magnification(self._slide, power)
            self.visit(replace(self._view, scale=scale))

    def pan_by(self, dx: float, dy: float) -> None:
        """Move the picture by screen pixels, at once."""
        self._stop()
        self._fitted = False
        self._show(vs.panned(self._view, dx, dy))

    def start_glide(self, motion: Motion) -> None:
        """Let the picture go on moving."""
        if not motion.resting:
            self._start(motion)

    def set_rotation(self, degrees: float) -> None:
        """Turn the picture clockwise to this angle about the middle of the view."""
        self.set_view(replace(self._view, rotation=degrees % 360))

    def set_mirrored(self, mirrored: bool) -> None:
        """Exchange left and right, or put them back."""
        self.set_view(replace(self._view, mirrored=mirrored))

    @property
    def can_go_back(self) -> bool:
        return self._history.can_go_back

    @property
    def can_go_forward(self) -> bool:
        return self._history.can_go_forward

    def go_back(self) -> None:
        """To the place before this one."""
        self._remember_place()
        self._revisit(self._history.back())

    def go_forward(self) -> None:
        """To the place gone back from."""
        self._revisit(self._history.forward())

    def _revisit(self, place: ViewState | None) -> None:
        if place is not None:
            self.set_view(place)
            self._rest.stop()
            self.history_changed.emit()

    # --- how it is shown -------------------------------------------------------------------------

    @property
    def adjustment(self) -> Adjustment:
        return self._look.adjustment

    def set_adjustment(self, adjustment: Adjustment) -> None:
        """Brightness, contrast and gamma; no tile is read again."""
        if adjustment != self._look.adjustment:
            self._look.set_adjustment(adjustment)
            self._repaint_all()

    @property
    def color_profile_on(self) -> bool:
        return self._look.profile_on

    def set_color_profile_on(self, on: bool) -> None:
        """Show colours as the slide's ICC profile means them, or as they are stored; no tile is read again."""
        self._look.set_profile_on(on)
        self._repaint_all()

    def set_minimap_visible(self, visible: bool) -> None:
        self._minimap_wanted = visible
        self._place_minimap()

    @property
    def minimap_wanted(self) -> bool:
        """Whether the minimap is shown where there is room for it."""
        return self._minimap_wanted

    @property
    def corner_wanted(self) -> bool:
        """Whether scale bar and position are shown."""
        return self._corner_wanted

    def set_corner_visible(self, visible: bool) -> None:
        """Scale bar and position text on or off."""
        self._corner_wanted = visible
        self.update()

    def accent(self) -> QColor:
        """The one accent colour, from the palette."""
        return self.palette().color(QPalette.ColorRole.Accent)

    def surround(self) -> QColor:
        """The neutral grey around the slide: quieter than the slide in light and in dark, dark for fluorescence."""
        dark_window = self.palette().color(QPalette.ColorRole.Window).lightness() < 128
        return surround.DARK if dark_window or self._dark_slide else surround.LIGHT

    # --- inside ----------------------------------------------------------------------------------

    def _show(self, view: ViewState) -> None:
        if self._slide is None:
            self._view = view
            return
        view = vs.limited(view, self._slide)
        if view == self._view:
            self._planner.start()
            return
        self._view = view
        self.minimap.set_view(view, self.accent())
        self._planner.start()
        self._rest.start()
        self.update()
        self.view_changed.emit(view)

    def _start(self, motion: Motion) -> None:
        self._motion = motion
        if not self._ticker.isActive():
            self._moved_at = time.perf_counter()
            # Frames that the screen does not show would only take time from the readers.
            self._ticker.start(max(round(1000 / max(self.screen().refreshRate(), 1.0)), LEAST_FRAME_MS))

    def _stop(self) -> None:
        self._motion = REST
        self._ticker.stop()
        if self._backdrop.rough:
            self.update()

    def _repaint_all(self) -> None:
        self._painted = None
        self._backdrop.invalidate()
        self.update()

    def _tick(self) -> None:
        now = time.perf_counter()
        seconds = min(now - self._moved_at, 0.05)
        self._moved_at = now
        before = self._view
        view, self._motion = step(self._view, self._motion, seconds)
        self._show(view)
        if self._motion.resting or (self._view == before and self._motion.target_scale is None):
            self._stop()

    def _plan(self) -> None:
        if self._pyramid is not None:
            cache = self._cache
            self._loader.want(
                wanted_tiles(self._pyramid, self._view, self.devicePixelRatioF(), lambda key: key in cache)
            )

    def _remember_place(self) -> None:
        if self._slide is not None:
            self._history.visit(self._view)
            self.history_changed.emit()

    def _overview(self) -> QImage | None:
        if self._pyramid is None:
            return None
        return self._cache.get(self._pyramid.overview)

    def _on_tile(self, key: TileKey) -> None:
        if self._pyramid is None or key.slide != self._pyramid.slide:
            return
        if key == self._pyramid.overview:
            self._place_minimap(self._overview())
        self._backdrop.mark(self._pyramid.tile_rect(key))
        if self._pyramid.tile_rect(key).intersects(vs.visible_rect(self._view)):
            self.update()

    def _on_profile(self, slide: str, profile: QByteArray) -> None:
        if self._slide is not None and slide == self._slide.path:
            self._look.set_profile(bytes(profile.data()))
            self._repaint_all()

    def _on_failure(self, failure: TileFailure) -> None:
        if self._slide is not None and failure.key.slide == self._slide.path and failure.sentence != self._message:
            self._message = failure.sentence
            self.slide_failed.emit(failure.sentence)
            self.update()

    def _place_minimap(self, overview: QImage | None = None) -> None:
        if overview is not None and self._slide is not None:
            self.minimap.set_slide(self._slide.width, self._slide.height, overview)
            self.minimap.set_view(self._view, self.accent())
            self._dark_slide = surround.is_dark(overview)
            self._backdrop.invalidate()
        roomy = self.width() >= 480 and self.height() >= 320
        self.minimap.setVisible(self._minimap_wanted and roomy and self._slide is not None)
        self.minimap.place_in(self.width(), self.height(), round(MARGIN))

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self._slide is not None and self._fitted:
            self._show(
                vs.fitted(vs.resized(self._view, self.width(), self.height()), self._slide.width, self._slide.height)
            )
        else:
            self._show(vs.resized(self._view, self.width(), self.height()))
        self._place_minimap()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._repaint_all()  # the surround follows the window
        super().changeEvent(event)

    # --- painting --------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        if self._slide is None or self._pyramid is None:
            painter.fillRect(self.rect(), self.surround())
        else:
            was_sharp = self._told_sharp
            self._look.begin_frame()
            self._report = self._backdrop.paint(
                painter,
                self._pyramid,
                self._view,
                self.devicePixelRatioF(),
                self._look.image_for,
                self._paint_ground,
                moving=self._motion.target_scale is not None,
            )
            self._painted = self._view
            if self._look.unfinished:
                self._backdrop.invalidate()
            resting = self._motion.target_scale is None
            if self._look.unfinished or self._report.pending or (resting and self._backdrop.rough):
                self.update()
            self.paint_layers(painter)
            if self._corner_wanted:
                paint_corner(painter, self._view, self._slide, self._cursor)
            self._told_sharp = self.is_sharp
            if self._told_sharp and not was_sharp:
                self.sharpened.emit()
        if self._message:
            surround.paint_message(painter, self.width(), self.height(), self.font(), self._message)

    def _paint_ground(self, painter: QPainter, view: ViewState) -> None:
        """What lies under the tiles."""
        assert self._slide is not None
        seen = vs.visible_rect(view)
        if self._overview() is not None and seen.within(Rect(0, 0, self._slide.width, self._slide.height)):
            return
        painter.fillRect(self.rect(), self.surround())
        if self._overview() is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(surround.EMPTY_SLIDE)
            painter.drawPolygon(self._slide_outline())

    def paint_layers(self, painter: QPainter) -> None:
        """Paint what lies over the slide; the painter is in logical screen pixels."""

    def _slide_outline(self) -> QPolygonF:
        assert self._slide is not None
        return view_transform(self._view).map(QPolygonF(QRectF(0, 0, self._slide.width, self._slide.height)))
