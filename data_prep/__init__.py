"""Making training data: procedural speckle pairs."""
