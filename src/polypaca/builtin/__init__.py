"""The built-in corpus and tiny base models."""
