"""Answering prompts with a system."""
