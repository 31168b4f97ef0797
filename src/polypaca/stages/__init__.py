"""The eight stages: files in, component, files out."""
