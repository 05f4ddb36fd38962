"""Numbers as people write them."""

from __future__ import annotations


def readable(size: float) -> str:
    """Write a number of bytes in decimal units."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.95 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{0 if units[0] == 'B' else 1}f} {units[0]}"


def milliseconds(seconds: float) -> str:
    """Write seconds as milliseconds: one decimal below ten, and none from there on."""
    number = seconds * 1e3
    return f"{number:.1f}" if number < 9.95 else f"{number:,.0f}"
