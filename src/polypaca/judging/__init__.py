"""Judges, their prompts, and the rating parser."""
