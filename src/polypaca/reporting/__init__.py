"""Figures, tables and the page: what a reader sees of an analysis."""
