"""NumPy in, numbers out: errors of motion and contours, strain, agreement, closure."""
