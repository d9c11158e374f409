"""The surrogate engine and its pictures for whole batches, in `keras.ops`: on a GPU, or within a tf.data pipeline.

The same tables and the same steps as `SurrogateEngine` and `Imager`, with TensorFlow, JAX or any other backend, and
within their compilers. Complex values are pairs in the last axis: I, Q.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from keras import ops

from cpwc_keras.data_prep.simulation.display import Imager
from cpwc_keras.data_prep.simulation.point_spread import ZONE
from cpwc_keras.data_prep.simulation.scan_conversion import FINER, lanczos
from cpwc_keras.data_prep.simulation.surrogate import SurrogateEngine


@dataclass(frozen=True, eq=False)
class BatchedEngine:
    """`SurrogateEngine.iq` for batches.

    Attributes:
        engine: whose point spread it has.
    """

    engine: SurrogateEngine

    def iq(self, points_mm, amplitude):
        """Beamformed I/Q signals of the beams.

        Args:
            points_mm: (B, N, 2) float32 tensor of scatterers (x, z), finite; fewer than N are filled up anyhow.
            amplitude: (B, N) float32 tensor of their reflection coefficients; 0 where they are filled up.

        Returns:
            (B, ranges, beams, 2) float32 tensor.
        """
        grid = self._deposit(ops.cast(points_mm, "float32"), ops.cast(amplitude, "float32"))
        real, imaginary = self._filter(*self._transform(grid))
        heard = ops.matmul(ops.concatenate([real, imaginary], -1), self._steering)
        return ops.stack(ops.split(heard, 2, -1), -1)

    def _deposit(self, points_mm, amplitude):
        """Scatterers on the grid: (B, rows, columns, 2)."""
        spread = self.engine.point_spread
        rows, columns = spread.shape
        batch = ops.shape(amplitude)[0]
        x, z = points_mm[..., 0], points_mm[..., 1]
        radius = ops.sqrt(x * x + z * z)
        steepest = (columns // 2 - 2) * spread.sine_step
        inside = (z >= 0) & (ops.abs(x) < steepest * radius) & (radius * np.float32(1 / spread.row_mm) < rows - 1)
        radius, amplitude = ops.where(inside, radius, 1.0), ops.where(inside, amplitude, 0.0)
        place = radius * np.float32(1 / spread.row_mm)
        row = ops.floor(place)
        along = place - row
        place = ops.where(inside, x, 0.0) / radius * np.float32(1 / spread.sine_step) + columns // 2
        column = ops.floor(place)
        across = place - column
        # The turns of whole millimetres from a table: single precision holds no phase of hundreds of turns.
        whole = ops.floor(radius)
        turns = ops.take(self._turns, ops.cast(whole, "int32")) + (radius - whole) * np.float32(self._turns_per_mm)
        echo = ops.stack([ops.cos(2 * np.pi * turns), -ops.sin(2 * np.pi * turns)], -1) * amplitude[..., None]

        first = (ops.arange(batch, dtype="int32")[:, None] * rows + ops.cast(row, "int32")) * columns
        first = first + ops.cast(column, "int32")
        shares = [(1 - along) * (1 - across), (1 - along) * across, along * (1 - across), along * across]
        values = ops.stack([echo * share[..., None] for share in shares])
        cells = ops.stack([first, first + 1, first + columns, first + columns + 1])
        grid = ops.segment_sum(ops.reshape(values, (-1, 2)), ops.reshape(cells, (-1,)), batch * rows * columns)
        return ops.reshape(grid, (batch, rows, columns, 2))

    def _transform(self, grid):
        """Real and imaginary part at the lateral frequencies, of each order: (B, orders, rows, K) each."""
        spread = self.engine.point_spread
        weight = spread.column_weight[:, None] * spread.row_weight[:, None]
        parts = ops.fft((grid[:, None, ..., 0] * weight, grid[:, None, ..., 1] * weight))
        return (ops.take(part, spread.frequencies.astype(np.int32), axis=-1) for part in parts)

    def _filter(self, real, imaginary):
        """Along range, at each lateral frequency: (B, ranges, K) real and imaginary part."""
        spread = self.engine.point_spread
        zones, orders, taps, frequencies = spread.response.shape
        samples = zones * ZONE
        pad = ((0, 0), (0, 0), (spread.reach, spread.reach + ZONE * spread.stride), (0, 0))
        real, imaginary = ops.pad(real, pad), ops.pad(imaginary, pad)
        sums = [0.0, 0.0]
        for tap in range(taps):
            first = spread.stride + taps - 1 - tap
            rows = slice(first, first + (samples - 1) * spread.stride + 1, spread.stride)
            a, b = (ops.reshape(part[:, :, rows], (-1, orders, zones, ZONE, frequencies)) for part in (real, imaginary))
            response = np.moveaxis(spread.response[:, :, tap], 1, 0)[:, :, None]
            c, d = np.ascontiguousarray(response.real), np.ascontiguousarray(response.imag)
            sums[0] = sums[0] + ops.sum(a * c - b * d, 1)
            sums[1] = sums[1] + ops.sum(a * d + b * c, 1)
        ranges = len(self.engine.scan.ranges_mm)
        return (ops.reshape(total, (-1, samples, frequencies))[:, :ranges] for total in sums)

    @property
    def _turns_per_mm(self) -> float:
        return 2 / self.engine.scan.wavelength_mm(self.engine.transducer)

    @cached_property
    def _turns(self) -> np.ndarray:
        spread = self.engine.point_spread
        whole = np.arange(int(spread.shape[0] * spread.row_mm) + 2)
        return (whole * self._turns_per_mm % 1).astype(np.float32)

    @cached_property
    def _steering(self) -> np.ndarray:
        """(2 K, 2 beams): a complex product as a real one."""
        steering = self.engine.point_spread.steering
        return np.block([[steering.real, steering.imag], [-steering.imag, steering.real]])


@dataclass(frozen=True, eq=False)
class BatchedImager:
    """`Imager` for batches.

    Attributes:
        imager: whose gain, gray scale and pixels it has.
    """

    imager: Imager

    def normalise(self, iq):
        """Take out how the sensitivity changes with range and beam: (B, ranges, beams, 2), in and out."""
        return iq * self.imager.gain[..., None]

    def image(self, iq):
        """Normalised I/Q (B, ranges, beams, 2) -> (B, H, W) float32 in [0, 1], 0 outside of the sector."""
        finer = ops.tensordot(iq, self._finer, [[2], [0]])  # (B, ranges, 2, columns)
        values = self._compress(ops.sqrt(finer[:, :, 0] ** 2 + finer[:, :, 1] ** 2))
        height, width = self.imager.grid.shape
        values = ops.reshape(values, (-1, values.shape[1] * values.shape[2]))
        corners = (ops.take(values, cells, axis=1) * share for cells, share in self._corners)
        return ops.reshape(sum(corners), (-1, height, width))

    def _compress(self, amplitude):
        display = self.imager.display
        if display.compression == "gamma":
            return ops.clip(amplitude, 0, 1) ** display.gamma
        decibel = 20 * ops.log10(ops.maximum(amplitude, 1e-9))
        return ops.clip(1 + decibel / display.dynamic_range_db, 0, 1)

    @cached_property
    def _finer(self) -> np.ndarray:
        """(beams, columns): the Lanczos kernel as a matrix."""
        weights = lanczos()
        beams = self.imager.engine.scan.beams
        out = np.zeros((beams, beams * FINER), np.float32)
        for tap in range(weights.shape[1]):
            beam = np.clip(np.arange(beams) + tap - weights.shape[1] // 2 + 1, 0, beams - 1)
            for phase in range(FINER):
                np.add.at(out, (beam, np.arange(beams) * FINER + phase), weights[phase, tap])
        return out

    @cached_property
    def _corners(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The four neighbours of each pixel: (H W,) int32 cells of the flat polar grid, (H W,) float32 weights."""
        row, column = (place.ravel() for place in self.imager.places)
        scan = self.imager.engine.scan
        columns = scan.beams * FINER
        r, c = np.clip(row.astype(int), 0, len(scan.ranges_mm) - 2), np.minimum(column.astype(int), columns - 2)
        inside = row >= 0
        down, right = (row - r) * inside, column - c
        return [
            (
                ((r + i) * columns + c + j).astype(np.int32),
                ((down if i else inside - down) * (right if j else 1 - right)).astype(np.float32),
            )
            for i in (0, 1)
            for j in (0, 1)
        ]
