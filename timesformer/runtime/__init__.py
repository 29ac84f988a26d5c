"""What a process needs apart from what it computes: ranks, signals, locks, precision, logs."""
