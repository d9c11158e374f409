"""Datasets: readers, splits, temporal pairs, augmentation, and the input pipeline."""
