"""Colours, sizes and the style sheet: quiet greys so that the slide is the brightest thing, one accent colour."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

GRID = 8  # every margin and gap is a multiple of half of it


@dataclass(frozen=True)
class Theme:
    """One appearance. Every pair of text and ground has a contrast of at least 4.5 to 1."""

    dark: bool
    window: str  # bars and the gaps between panels
    panel: str  # side panels
    base: str  # fields and lists
    hover: str
    line: str  # hairlines between areas
    text: str
    quiet: str  # second-rank text
    accent: str
    on_accent: str
    selected: str  # ground of a selected row
    warning: str
    error: str
    canvas: str


LIGHT = Theme(
    dark=False,
    window="#dfe2e5",
    panel="#e9ebed",
    base="#f4f5f6",
    hover="#d6dade",
    line="#c6cbd0",
    text="#1d2226",
    quiet="#535c64",
    accent="#1a64a0",
    on_accent="#ffffff",
    selected="#c5d9ea",
    warning="#7a4f00",
    error="#a3261f",
    canvas="#d2d5d8",
)
DARK = Theme(
    dark=True,
    window="#1b1d1f",
    panel="#222527",
    base="#2a2d30",
    hover="#33373b",
    line="#36393d",
    text="#e2e5e7",
    quiet="#a0a8af",
    accent="#67b0e8",
    on_accent="#0d1a24",
    selected="#274259",
    warning="#e0b25a",
    error="#f08b80",
    canvas="#141517",
)


def system_is_dark() -> bool:
    """Whether the desktop asks for dark windows (unknown counts as light)."""
    return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark


def theme_for(appearance: str) -> Theme:
    """The theme of a setting: "light", "dark", or "system" for what the desktop asks."""
    if appearance == "system":
        return DARK if system_is_dark() else LIGHT
    return DARK if appearance == "dark" else LIGHT


def current_theme() -> Theme:
    """The theme last applied, read from the palette so that there is no second truth."""
    window = QGuiApplication.palette().color(QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def small_font(font: QFont) -> QFont:
    """The second of the two text sizes."""
    small = QFont(font)
    small.setPointSizeF(font.pointSizeF() * 0.88)
    return small


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Gives the whole application this appearance."""
    app.setStyle("Fusion")
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style_sheet(theme, app.font().pointSizeF()))


def _palette(theme: Theme) -> QPalette:
    palette, role = QPalette(), QPalette.ColorRole
    for where, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.base),
        (role.AlternateBase, theme.panel),
        (role.Text, theme.text),
        (role.Button, theme.panel),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.error),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.on_accent),
        (role.ToolTipBase, theme.base),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.quiet),
        (role.Link, theme.accent),
        (role.Accent, theme.accent),
        (role.Mid, theme.line),
        (role.Dark, theme.line),
        (role.Light, theme.hover),
    ):
        palette.setColor(where, QColor(colour))
    faded = QColor(theme.quiet)
    faded.setAlpha(140)
    for where in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, where, faded)
    return palette


def _style_sheet(t: Theme, points: float) -> str:
    small = points * 0.88
    return f"""
* {{ outline: none; }}
QToolTip {{ background: {t.base}; color: {t.text}; border: 1px solid {t.line}; padding: 4px; }}
QMenuBar {{ background: {t.window}; padding: 2px 4px; }}
QMenuBar::item {{ padding: 4px 8px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {t.hover}; }}
QMenu {{ background: {t.panel}; border: 1px solid {t.line}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {t.selected}; color: {t.text}; }}
QMenu::item:disabled {{ color: {t.quiet}; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 8px; }}
QMenu::icon {{ padding-left: 8px; }}
QWidget[area="panel"] {{ background: {t.panel}; }}
QWidget[area="bar"] {{ background: {t.window}; }}
QWidget[area="notice"] {{ background: {t.window}; border: 1px solid {t.quiet}; border-radius: 6px; }}
QWidget[area="notice"] QLabel {{ border: none; }}
QFrame[area="mark"] {{ background: {t.window}; border: none; }}
QFrame[area="mark"][active="true"] {{ background: {t.accent}; }}
QSplitter::handle {{ background: {t.line}; }}
QLabel[rank="title"] {{ font-weight: 600; }}
QLabel[rank="quiet"] {{ color: {t.quiet}; font-size: {small:.1f}pt; }}
QLabel[rank="warning"] {{ color: {t.warning}; font-size: {small:.1f}pt; }}
QLabel[rank="error"] {{ color: {t.error}; }}
QLineEdit {{
  background: {t.base}; border: 1px solid {t.line}; border-radius: 4px; padding: 5px 8px; min-height: 18px;
  selection-background-color: {t.accent}; selection-color: {t.on_accent}; }}
QLineEdit:focus {{ border-color: {t.accent}; }}
QPushButton {{ background: {t.base}; border: 1px solid {t.line}; border-radius: 4px; padding: 5px 12px;
  min-height: 18px; }}
QPushButton:hover {{ background: {t.hover}; }}
QPushButton:focus {{ border-color: {t.accent}; }}
QPushButton:disabled {{ color: {t.quiet}; background: transparent; }}
QPushButton[rank="primary"] {{ background: {t.accent}; color: {t.on_accent}; border-color: {t.accent};
  font-weight: 600; }}
QPushButton[rank="primary"]:focus {{ border: 1px solid {t.text}; }}
QPushButton[rank="primary"]:disabled {{ background: {t.hover}; color: {t.quiet}; border-color: {t.hover}; }}
QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 4px 6px; }}
QToolButton:hover {{ background: {t.hover}; }}
QToolButton:checked {{ background: {t.selected}; }}
QToolButton:focus {{ border-color: {t.accent}; }}
QToolButton[rank="tool"] {{ padding: 4px; }}
QToolButton[rank="tab"] {{ padding: 5px 10px; }}
QToolButton[rank="tab"]:checked {{ font-weight: 600; }}
QToolButton[rank="word"] {{ background: {t.base}; padding: 2px 6px; }}
QToolButton[rank="word"]:hover {{ background: {t.hover}; }}
QToolButton[rank="word"]:checked {{ background: {t.accent}; color: {t.on_accent}; }}
QToolButton[rank="choice"] {{ background: {t.base}; border: 1px solid {t.line}; padding: 5px 8px; min-height: 18px; }}
QToolButton[rank="choice"]:hover {{ background: {t.hover}; }}
QToolButton[rank="choice"]:focus {{ border-color: {t.accent}; }}
QToolButton::menu-indicator {{ image: none; }}
QToolButton[rank="quiet"] {{ color: {t.quiet}; }}
QAbstractItemView {{ background: {t.panel}; border: none; selection-background-color: {t.selected};
  selection-color: {t.text}; }}
QListWidget::item {{ padding: 4px; }}
QListView::item {{ border-radius: 4px; }}
QListView::item:hover {{ background: {t.hover}; }}
QListView::item:selected {{ background: {t.selected}; color: {t.text}; }}
QTableView {{ gridline-color: {t.line}; }}
QTableView::item {{ padding: 4px 5px; }}
QHeaderView {{ background: transparent; }}
QHeaderView::section {{ background: transparent; border: none; border-bottom: 1px solid {t.line}; padding: 4px 8px;
  color: {t.quiet}; font-size: {small:.1f}pt; }}
QProgressBar {{ background: {t.hover}; border: none; border-radius: 2px; max-height: 4px; min-height: 4px; }}
QProgressBar::chunk {{ background: {t.accent}; border-radius: 2px; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {t.line}; border-radius: 3px; margin: 2px; }}
QScrollBar::handle:vertical {{ min-height: 24px; }}
QScrollBar::handle:horizontal {{ min-width: 24px; }}
QScrollBar::handle:hover {{ background: {t.quiet}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSlider::groove:horizontal {{ background: {t.line}; height: 4px; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: 2px; }}
QSlider::handle:horizontal {{ background: {t.text}; width: 12px; margin: -4px 0; border-radius: 6px; }}
QSlider::handle:horizontal:focus {{ background: {t.accent}; }}
QStatusBar {{ background: {t.window}; color: {t.quiet}; }}
QStatusBar::item {{ border: none; }}
QScrollArea {{ background: transparent; border: none; }}
QDialog {{ background: {t.panel}; }}
"""
