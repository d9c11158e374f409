"""Published datasets as the project's own sequence files, one file per recording.

`recordings` chooses recordings and gives each its mesh or its fields; `run` writes the files, `origins` says whose they
are.
"""
