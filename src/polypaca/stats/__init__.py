"""Pure functions: scores, intervals."""
