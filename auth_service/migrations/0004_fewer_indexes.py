"""Two indexes that every log-in wrote and nothing needed."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # With an index on what each count changes, no count was a heap-only update: where many share
    # an address, its row's dead versions piled up in both indexes. What is left in the table
    # drains in minutes, so that the forgetting may read it through.
    # `session_open` serves what is asked about an account's sessions; accounts are never deleted.
    for index in ("address_throttle_drained", "session_account"):
        op.execute(f"-- squawk-ignore require-concurrent-index-deletion\nDROP INDEX {index}")
