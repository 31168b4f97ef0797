"""Readers, validation, splits, mixtures and budgets."""
