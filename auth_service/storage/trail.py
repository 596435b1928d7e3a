"""Table `audit`, and every query on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from auth_service.domain import Action, AuditEntry
from chassis.database import Session
from chassis.ids import uuid7

# The account, if there is one, is looked up by the statement that notes it: no sooner, no later.
_AUDIT_CODE_REFUSED = """
INSERT INTO audit (id, action, account_id, actor_id, detail)
VALUES (:id, 'CODE_REFUSED', (SELECT id FROM account WHERE email = :email), NULL,
        CAST(:detail AS jsonb))
"""
_AUDIT = """
INSERT INTO audit (id, action, account_id, actor_id, detail)
VALUES (:id, :action, :account_id, :actor_id, CAST(:detail AS jsonb))
"""
_LIST_AUDIT = """
SELECT id, at, action, actor_id, account_id AS subject_id, detail FROM audit
 WHERE id < :before AND (:action = '' OR action = :action)
 ORDER BY id DESC LIMIT :limit
"""
# Each branch reads the head of one index.
_LIST_AUDIT_OF = """
SELECT id, at, action, actor_id, account_id AS subject_id, detail FROM audit
 WHERE id IN (
    (SELECT id FROM audit WHERE account_id = :person AND id < :before
        AND (:action = '' OR action = :action) ORDER BY id DESC LIMIT :limit)
     UNION
    (SELECT id FROM audit WHERE actor_id = :person AND id < :before
        AND (:action = '' OR action = :action) ORDER BY id DESC LIMIT :limit))
 ORDER BY id DESC LIMIT :limit
"""


def audit_code_refused(session: Session, email: str, **detail: str) -> None:
    """Appends a wrong code to the audit trail, as tried on the address's account if it has one."""
    session.defer(
        _AUDIT_CODE_REFUSED, id=uuid7(), email=email, detail=json.dumps({"email": email, **detail})
    )


def audit(
    session: Session,
    action: Action,
    account_id: UUID | None,
    actor_id: UUID | None,
    /,
    **detail: str,
) -> None:
    """Appends to the audit trail: to whom it was done, and by whom."""
    session.defer(
        _AUDIT,
        id=uuid7(),
        action=action,
        account_id=account_id,
        actor_id=actor_id,
        detail=json.dumps(detail),
    )


async def list_audit(
    session: Session, *, before: UUID, person: UUID | None, action: str, limit: int
) -> Sequence[AuditEntry]:
    """A page of the trail, newest first; by or to `person` if that is not None."""
    page = {"before": before, "action": action, "limit": limit}
    if person is None:
        rows = await session.all(_LIST_AUDIT, **page)
    else:
        rows = await session.all(_LIST_AUDIT_OF, person=person, **page)
    return [AuditEntry(**row._asdict()) for row in rows]
