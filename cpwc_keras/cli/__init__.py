"""The command line: Click only, no logic of its own."""
