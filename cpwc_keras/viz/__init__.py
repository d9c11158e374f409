"""NumPy in, pictures out."""
