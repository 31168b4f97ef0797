"""The grammars of the built-in corpus: one table per language, concepts and tasks in parallel.

To add a language: write its table beside the others and name it in `model.LANGUAGES`.
"""
