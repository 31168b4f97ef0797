"""Fine-tuning one cell."""
