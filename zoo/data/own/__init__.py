"""Features and labels of the user's own: which columns are meant, files of them, and how much of them there is."""
