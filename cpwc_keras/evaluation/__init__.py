"""NumPy in, numbers out: motion errors, strain."""
