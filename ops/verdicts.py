"""How a report ends: its command's exit code."""

from rich.console import Console

WELL = 0  # all is well
WRONG = 1  # something is not, and it is shown
UNKNOWN = 2  # it can't be told


def untold(error: Exception) -> int:
    """Says on stderr why it can't be told; gives the exit code."""
    Console(stderr=True, highlight=False, markup=False).print(
        f"It can't be told: {error}", style="red"
    )
    return UNKNOWN
