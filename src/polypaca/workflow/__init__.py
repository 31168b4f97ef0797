"""What is pending, leases, and the engine that runs jobs."""
