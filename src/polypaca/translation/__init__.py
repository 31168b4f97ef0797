"""Translation engines."""
