"""`python -m bench`."""

from bench.cli import command_line

if __name__ == "__main__":
    command_line()
