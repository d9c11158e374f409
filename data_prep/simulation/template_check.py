"""What a template must be to be simulated."""

from __future__ import annotations

import numpy as np

from cpwc_keras.data_prep.simulation.template import Template
from cpwc_keras.data_prep.simulation.transducer import SectorScan
from cpwc_keras.errors import InputError
from cpwc_keras.mesh import inverted_triangles
from cpwc_keras.types import MESH_SHAPE

_LEAST_COVER = 0.75
"""Fraction of the sector that the template's images must show."""


def check_template(template: Template, scan: SectorScan) -> None:
    """Prove that a template can be simulated.

    Raises:
        InputError: its images are not finite brightness in [0, 1], show too little of the sector, or differ in number
            from its meshes; or a mesh has NaN, is inverted, or lies outside of the sector.
    """
    name = template.source or "The template"
    frames, mesh = template.frames, template.mesh
    if frames.shape != (len(mesh), *template.grid.shape) or mesh.shape[1:] != (*MESH_SHAPE, 2) or not len(mesh):
        raise InputError(
            f"{name}: found frames {frames.shape} and meshes {mesh.shape}, expected (T, {template.grid.shape[0]}, "
            f"{template.grid.shape[1]}) and (T, 36, 5, 2)."
        )
    if broken := [t for t, frame in enumerate(frames) if not (frame.min() >= 0 and frame.max() <= 1)]:  # NaN fails too
        raise InputError(f"{name}: the brightness of {_frame_list(broken)} is not within 0 and 1.")
    if broken := np.flatnonzero(~np.isfinite(mesh).all((1, 2, 3))).tolist():
        raise InputError(f"{name}: the mesh has NaN in {_frame_list(broken)}; leave these frames out or repair them.")
    if broken := np.flatnonzero(inverted_triangles(mesh).any(-1)).tolist():
        raise InputError(f"{name}: the mesh is folded in {_frame_list(broken)}; repair its contours.")
    inside = scan.holds(template.grid.to_mm(mesh))
    if (worst := inside.mean((1, 2)).min()) < 0.5:
        raise InputError(
            f"{name}: {1 - worst:.0%} of the mesh lies outside of the sector ({scan.sector_deg:g}°, "
            f"{scan.depth_mm:g} mm); is the place of the probe right?"
        )
    if (cover := _cover(template, scan)) < _LEAST_COVER:
        raise InputError(
            f"{name}: its images show {cover:.0%} of the sector ({scan.sector_deg:g}°, {scan.depth_mm:g} mm), "
            f"expected {_LEAST_COVER:.0%} or more; the template is smaller than the sector."
        )


def _frame_list(indices: list[int]) -> str:
    shown = ", ".join(map(str, indices[:5])) + (", …" if len(indices) > 5 else "")
    return f"frame {shown}" if len(indices) == 1 else f"frames {shown}"


def _cover(template: Template, scan: SectorScan) -> float:
    """Fraction of the sector within the images."""
    radius = scan.depth_mm * np.sqrt((np.arange(100) + 0.5) / 100)  # equal areas
    angle = np.deg2rad(scan.sector_deg) * ((np.arange(100) + 0.5) / 100 - 0.5)
    points = radius[:, None, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    x, y = np.moveaxis(template.grid.to_pixels(points), -1, 0)
    height, width = template.grid.shape
    return float(((x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)).mean())
