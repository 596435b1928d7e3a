"""Use cases.

Passwords are hashed between transactions, never inside one. A refusal that must be remembered (a
try counted, a session ended) is returned by the transaction, not raised in it: raising would undo
what it remembers.
"""

from auth_service.handlers.accounts import (
    bootstrap_admin,
    get_account,
    get_organizer,
    prepare_registration,
    register,
    tell,
    update_profile,
)
from auth_service.handlers.api_keys import (
    create_api_key,
    end_api_keys,
    exchange_api_key,
    list_api_keys,
    list_user_api_keys,
    revoke_api_key,
)
from auth_service.handlers.auth import Auth
from auth_service.handlers.codes import request_code
from auth_service.handlers.log_ins import log_in
from auth_service.handlers.passwords import change_password, prepare_reset, reset_password
from auth_service.handlers.sessions import (
    end_sessions,
    ended_sessions,
    list_sessions,
    log_out,
    refresh,
    revoke_session,
)

__all__ = [
    "Auth",
    "bootstrap_admin",
    "change_password",
    "create_api_key",
    "end_api_keys",
    "end_sessions",
    "ended_sessions",
    "exchange_api_key",
    "get_account",
    "get_organizer",
    "list_api_keys",
    "list_sessions",
    "list_user_api_keys",
    "log_in",
    "log_out",
    "prepare_registration",
    "prepare_reset",
    "refresh",
    "register",
    "request_code",
    "reset_password",
    "revoke_api_key",
    "revoke_session",
    "tell",
    "update_profile",
]
