"""polypaca: budget-controlled experiments in multilingual instruction tuning."""

__version__ = "0.1.0"
