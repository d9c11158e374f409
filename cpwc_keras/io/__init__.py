"""Files: cine loops, contours, flow fields, sequences."""
