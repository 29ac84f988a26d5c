"""Numbers and images to pictures: curves, confusion matrices, contact sheets."""
