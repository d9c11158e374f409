"""The experiments of the paper as YAML files."""
