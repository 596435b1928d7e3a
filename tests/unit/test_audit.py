"""`make audit`: what fails it, and what it only says."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.audit import Findings, verdict

SOUND = {"name": "orjson", "version": "3.13.0", "vulns": []}
UNKNOWN = {"name": "uvloop", "skip_reason": "not found"}
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.2.2"]}
VULNERABLE = {"name": "aiohttp", "version": "3.2.1", "vulns": [FLAW]}


@pytest.mark.parametrize(
    ("packages", "passes", "passes_in_ci"),
    [
        ([SOUND], True, True),
        ([SOUND, UNKNOWN], True, False),
        ([UNKNOWN, UNKNOWN], True, False),
        ([SOUND, VULNERABLE], False, False),
    ],
)
def test_flaws_fail_it_anywhere_and_what_could_not_be_asked_in_ci(
    packages: list[dict[str, Any]], passes: bool, passes_in_ci: bool
) -> None:
    findings = Findings.of({"dependencies": packages})
    assert verdict("the.lock", findings, in_ci=False)[0] is passes
    assert verdict("the.lock", findings, in_ci=True)[0] is passes_in_ci


def test_what_is_said_names_the_flaw_and_what_mends_it() -> None:
    _passes, lines = verdict(
        "the.lock", Findings.of({"dependencies": [VULNERABLE, UNKNOWN]}), in_ci=False
    )
    assert lines == [
        "the.lock: 1 packages asked for, 1 flaws known",
        "  aiohttp 3.2.1: PYSEC-1 = CVE-2026-1, mended in 3.2.2",
        "  not known to the database: uvloop",
    ]


@pytest.mark.parametrize("findings", [None, Findings(0, ["uvloop"], [])])
def test_a_database_that_can_not_be_reached_is_said_and_fails_in_ci_alone(
    findings: Findings | None,
) -> None:
    passes, [said] = verdict("the.lock", findings, in_ci=False)
    assert passes
    assert "NOT AUDITED" in said
    assert not verdict("the.lock", findings, in_ci=True)[0]
