"""Files, names and text in and out: opening, time limits, JSON, CSV, what a terminal may see."""
