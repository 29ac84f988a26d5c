"""What needs no training: features of videos, kept on disk; few-shot tests, clusters, alignment."""
