"""`python -m ops` is the command `parterre`."""

from ops.cli import app

app(prog_name="parterre")
