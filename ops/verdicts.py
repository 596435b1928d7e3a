"""How a report ends: its command's exit code."""

from ops.terminal import console

WELL = 0  # all is well
WRONG = 1  # something is not, and it is shown
UNKNOWN = 2  # it can't be told


def untold(error: Exception) -> int:
    """Says on stderr why it can't be told; gives the exit code."""
    console(stderr=True).print(f"It can't be told: {error}", style="red")
    return UNKNOWN
