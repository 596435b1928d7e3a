"""Refusals."""

from __future__ import annotations

from collections.abc import Mapping


class AuthError(Exception):
    """A refusal of auth_service."""

    kind = "INVALID"
    reason = "INVALID_ACCOUNT"

    def __init__(self, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.metadata: Mapping[str, str] = metadata


class InvalidAccountError(AuthError):
    """What somebody says of themselves is malformed; the metadata names the fields."""


class WeakPasswordError(AuthError):
    """A password that would be guessed."""

    reason = "WEAK_PASSWORD"

    def __init__(self, why: str, field: str) -> None:
        super().__init__(why, **{field: why})


class InvalidCodeError(AuthError):
    """A one-time code that is wrong, used, void or too old: the caller is not told which."""

    reason = "INVALID_CODE"

    def __init__(self) -> None:
        why = "The code is wrong or no longer valid."
        super().__init__(why, otp=why)


class CodeThrottledError(AuthError):
    """Too many codes were asked for, for one address, or tried by whom none was given to."""

    kind = "THROTTLED"
    reason = "CODE_THROTTLED"


class EmailTakenError(AuthError):
    """The address has an account."""

    kind = "STATE"
    reason = "EMAIL_TAKEN"


class InvalidCredentialsError(AuthError):
    """No such account, or not its password: the caller is not told which."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class LoginThrottledError(AuthError):
    """Too many failed log-ins for one address, from one network, or from all of them."""

    kind = "THROTTLED"
    reason = "LOGIN_THROTTLED"


class AccountDisabledError(AuthError):
    """Told only to whom has proved to be the account's owner."""

    kind = "FORBIDDEN"
    reason = "ACCOUNT_DISABLED"

    def __init__(self) -> None:
        super().__init__("This account is disabled.")


class AccountNotFoundError(AuthError):
    """There is no such account."""

    kind = "NOT_FOUND"
    reason = "ACCOUNT_NOT_FOUND"


class InvalidRefreshTokenError(AuthError):
    """A refresh token that is unknown, too old, used before, or of a session that has ended."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_REFRESH_TOKEN"

    def __init__(self) -> None:
        super().__init__("The session has ended; log in again.")


class AddressThrottledError(AuthError):
    """Too much was tried from one client address."""

    kind = "THROTTLED"
    reason = "ADDRESS_THROTTLED"


class WrongPasswordError(AuthError):
    """Not the password the account has now."""

    reason = "WRONG_PASSWORD"

    def __init__(self) -> None:
        why = "Must be your password"
        super().__init__(why, current_password=why)


class SessionNotFoundError(AuthError):
    """No such open session, or another person's."""

    kind = "NOT_FOUND"
    reason = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("You have no such session.")


class UserNotFoundError(AuthError):
    """There is no account with this id; told to admins."""

    kind = "NOT_FOUND"
    reason = "USER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("There is no such account.")


class OwnAccountError(AuthError):
    """An admin would shut themselves out."""

    kind = "STATE"
    reason = "OWN_ACCOUNT"

    def __init__(self) -> None:
        super().__init__("Your own role and access are for another admin to change.")


class NoLongerAdminError(AuthError):
    """The caller's token says ADMIN, but their account does not, or is disabled."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("You may not do this.")


class InvalidApiKeyWishError(AuthError):
    """A key that can't be; the metadata names the fields."""

    reason = "VALIDATION_FAILED"

    def __init__(self, **wrong: str) -> None:
        super().__init__("Some fields are not right.", **wrong)


class TooManyApiKeysError(AuthError):
    """Somebody has as many keys as they may."""

    kind = "STATE"
    reason = "TOO_MANY_API_KEYS"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} keys; revoke one that is not used.")


class ApiKeyNotShownError(AuthError):
    """The key was made by the same request before, and what it is can't be told any more."""

    kind = "STATE"
    reason = "API_KEY_NOT_SHOWN"

    def __init__(self) -> None:
        super().__init__("The key was made and can't be shown again: revoke it, make another.")


class ApiKeyNotFoundError(AuthError):
    """The caller has no such key."""

    kind = "NOT_FOUND"
    reason = "API_KEY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("You have no such API key.")


class InvalidApiKeyError(AuthError):
    """A key that is unknown, revoked or too old, or of nobody who may have one: not told which."""

    kind = "UNAUTHENTICATED"
    reason = "INVALID_API_KEY"

    def __init__(self) -> None:
        super().__init__("This API key is not known, was revoked, or has expired.")


class NoLongerOrganizerError(AuthError):
    """The caller's token says ORGANIZER, but their account does not, or is disabled."""

    kind = "FORBIDDEN"
    reason = "FORBIDDEN"

    def __init__(self) -> None:
        super().__init__("You may not do this.")


class InvalidFilterError(AuthError):
    """There is nothing to search by that; the metadata names the filters."""

    reason = "INVALID_FILTER"


class InvalidCursorError(AuthError):
    """No page was ever given with that cursor."""

    reason = "INVALID_CURSOR"

    def __init__(self) -> None:
        super().__init__(
            "This cursor belongs to no page of this list.",
            cursor="must be the next_cursor of a page of this list",
        )
