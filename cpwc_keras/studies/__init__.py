"""Measuring trackers: which cases, what one tracker does on one of them, and the tables and pictures of it all."""
