"""Tools around data files: look at them, check them, fetch them, plant them."""
