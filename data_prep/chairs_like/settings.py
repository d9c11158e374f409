"""What is drawn at random, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cpwc_keras.errors import InputError

REFERENCE_SIZE = (384, 512)
"""(height, width) of FlyingChairs, to which lengths in the settings refer."""


@dataclass(frozen=True)
class ChairsLikeSettings:
    """What is drawn at random, and within which bounds. Lengths are pixels of a 384×512 image, as in FlyingChairs.

    Attributes:
        size: (height, width) of the images in pixels.
        photos: folder of photographs for the textures; None: procedural textures alone.
        scale: all lengths are multiplied by it, displacements and objects alike. None: so that the whole scene of
            384×512 shrinks or grows with the images (the square root of the ratio of areas); 1 with small images: they
            are the middle of a full scene, with its full displacements.
        motion: multiplies all motion; 0 gives pairs that stand still.
        objects: fewest and most objects of a scene.
        object_size: bounds of an object's diameter in pixels; it is drawn log-uniformly.
        background_translation: bound of dx and of dy in pixels.
        background_rotation: bound of the rotation in degrees.
        background_zoom: bound of the change of size, a fraction.
        object_translation: as the background's, relative to it.
        object_rotation: as the background's, relative to it.
        object_zoom: as the background's, relative to it.
        deforming: share of the objects that deform.
        deformation: bound of the displacement in pixels that deforms an object.
    """

    size: tuple[int, int] = REFERENCE_SIZE
    photos: str | None = None
    scale: float | None = None
    motion: float = 1.0
    objects: tuple[int, int] = (5, 20)
    object_size: tuple[float, float] = (25.0, 220.0)
    background_translation: float = 40.0
    background_rotation: float = 10.0
    background_zoom: float = 0.07
    object_translation: float = 120.0
    object_rotation: float = 30.0
    object_zoom: float = 0.2
    deforming: float = 0.3
    deformation: float = 12.0

    def __post_init__(self):
        if len(self.size) != 2 or min(self.size) < 16:
            raise InputError(f"The size {self.size} is too small; give a height and a width of at least 16 pixels.")
        if self.scale is not None and not 0.05 <= self.scale <= 20:
            raise InputError(f"The scale {self.scale} is out of range; give one from 0.05 to 20.")
        if not 0 <= self.objects[0] <= self.objects[1]:
            raise InputError(f"The number of objects {self.objects} is no range; give the fewest first, then the most.")
        if not 0 < self.object_size[0] <= self.object_size[1]:
            raise InputError(
                f"The object size {self.object_size} is no range; give the smallest first, then the largest."
            )
        if self.motion < 0 or not 0 <= self.deforming <= 1:
            raise InputError("The motion must not be negative, and the share of deforming objects is from 0 to 1.")
        if isinstance(self.photos, Path):  # settings are written to JSON
            object.__setattr__(self, "photos", str(self.photos))

    @property
    def length_scale(self) -> float:
        """Pixels of the images for a pixel of a 384×512 scene."""
        if self.scale is not None:
            return self.scale
        return (self.size[0] * self.size[1] / (REFERENCE_SIZE[0] * REFERENCE_SIZE[1])) ** 0.5
