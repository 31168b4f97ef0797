"""Model families and prompt templates."""
