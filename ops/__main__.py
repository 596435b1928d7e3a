"""`python -m ops` is the command `parterre`, but for backups: those are `deploy.command`'s."""

from ops.cli import app

app(prog_name="parterre")
