"""A contour through a cine loop."""
