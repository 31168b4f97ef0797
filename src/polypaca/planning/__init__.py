"""What a study will cost and need, before anything runs."""
