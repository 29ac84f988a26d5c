"""Models to compare with, behind the names of ``classifier``."""
