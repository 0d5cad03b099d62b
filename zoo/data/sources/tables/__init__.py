"""Formats of tables: the text and Parquet files, and the spellings of dates and numbers, that readers understand."""
