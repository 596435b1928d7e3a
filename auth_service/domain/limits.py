"""How long things live, and how often they may be tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things live and how often they may be tried.

    Raises:
        ValueError: an access token or a code would live longer than ten minutes, or something
            not at all.
    """

    access_seconds: int = 600
    refresh_seconds: int = 30 * 24 * 3600
    session_seconds: int = 90 * 24 * 3600  # however often it is refreshed
    sessions: int = 50  # open at once, of one account; the one used longest ago makes room
    refresh_grace_seconds: int = 10  # a rotated token is still answered, its reply may be lost
    code_seconds: int = 600
    code_tries: int = 5
    # For one address and purpose, asked for from one network.
    code_interval_seconds: int = 60
    codes_an_hour: int = 5
    # And from all networks together: so many at once, then one in so many seconds.
    account_codes: int = 10
    account_code_seconds: float = 360.0
    # Codes tried by whom none was given to, for one address and purpose: from one network since it
    # asked for one, and from all of them. The latter and `account_codes` times `code_tries` bound
    # what can be guessed.
    network_tries: int = 5
    network_try_seconds: float = 720.0
    account_tries: int = 20
    account_try_seconds: float = 180.0
    # Log-ins to one account from one network, one device or, to change the password, one session.
    free_log_in_failures: int = 5  # from this one on they are followed by a wait: 1 s, doubling
    longest_log_in_wait_seconds: int = 900
    # And from all networks together, but for devices that were logged in before.
    account_log_in_failures: int = 50
    account_log_in_seconds: float = 300.0
    device_seconds: int = 180 * 24 * 3600  # since it was logged in last
    # From one client address: so many at once, then one in so many seconds. The first pair is for
    # what has a password hashed or a code looked at (log-ins, registrations, resets).
    address_passwords: int = 100
    address_password_seconds: float = 2.0
    address_codes: int = 30
    address_code_seconds: float = 20.0
    address_keys: int = 100  # wrong API keys
    address_key_seconds: float = 2.0
    api_keys: int = 50  # that are good, of one account

    def __post_init__(self) -> None:
        if not 0 < self.access_seconds <= 600 or not 0 < self.code_seconds <= 600:
            raise ValueError("access tokens and codes live for ten minutes at most")
        counts = (self.refresh_seconds, self.session_seconds, self.code_tries, self.codes_an_hour)
        shared = (self.account_codes, self.network_tries, self.account_tries)
        if min(*counts, *shared, self.account_log_in_failures, self.device_seconds) < 1:
            raise ValueError("a limit of nothing at all shuts everybody out")
        from_address = (self.address_passwords, self.address_codes, self.address_keys)
        if min(*from_address, self.sessions, self.api_keys) < 1:
            raise ValueError("a limit of nothing at all shuts everybody out")
