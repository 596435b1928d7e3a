"""`make audit`: what is known to be vulnerable among the locked packages, and the bill of all.

Where the database of vulnerabilities can't be reached it says so, and that is no failure, but in CI
(`CI` is set), which can reach it. A package that the database does not know of counts as not asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCKS = ("requirements.lock", "requirements-dev.lock")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Findings:
    """What the database says of a lock's packages."""

    asked: int  # that it knows of
    unasked: Sequence[str]  # names of the others
    vulnerable: Sequence[str]  # a line each: package, version, ids, and what mends it

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Findings:
        """Reads a report of pip-audit's (its format `json`)."""
        packages = report["dependencies"]
        return cls(
            asked=sum("skip_reason" not in package for package in packages),
            unasked=[package["name"] for package in packages if "skip_reason" in package],
            vulnerable=[
                f"{package['name']} {package['version']}: {_ids(flaw)}, mended in "
                f"{' or '.join(flaw['fix_versions']) or 'no version yet'}"
                for package in packages
                for flaw in package.get("vulns", ())
            ],
        )


def _ids(flaw: Mapping[str, Any]) -> str:
    return " = ".join([flaw["id"], *flaw.get("aliases", ())])


def verdict(lock: str, findings: Findings | None, *, in_ci: bool) -> tuple[bool, Sequence[str]]:
    """Whether the audit passes, and what is said of it; no findings: nothing could be asked."""
    if findings is None or not findings.asked:
        where = "here" if not in_ci else "though this is CI"
        said = f"{lock}: NOT AUDITED, the database of vulnerabilities can't be reached {where}"
        return not in_ci, [said]
    lines = [f"{lock}: {findings.asked} packages asked for, {len(findings.vulnerable)} flaws known"]
    lines += [f"  {line}" for line in findings.vulnerable]
    if findings.unasked:
        lines.append(f"  not known to the database: {', '.join(findings.unasked)}")
    passes = not findings.vulnerable and not (in_ci and findings.unasked)
    return passes, lines


def _findings(lock: str) -> Findings | None:
    # By the lock as it is: nothing is resolved or installed.
    argv = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    argv += ["--requirement", lock, "--format", "json", "--progress-spinner", "off"]
    argv += ["--timeout", "10"]
    try:
        run = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
        return Findings.of(json.loads(run.stdout))
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None


def _write_bill(lock: str, file: Path) -> None:
    argv = [str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", lock]
    argv += ["--pyproject", "pyproject.toml", "--output-reproducible", "--output-format", "JSON"]
    argv += ["--output-file", str(file)]
    subprocess.run(argv, check=True, timeout=_SECONDS, stderr=subprocess.DEVNULL)


def main() -> int:
    """Audits both locks and writes the bill of what runs; 1 where the audit does not pass."""
    bill = Path("dist/sbom.cdx.json")
    bill.parent.mkdir(exist_ok=True)
    _write_bill(LOCKS[0], bill)
    print(f"{bill}: {len(json.loads(bill.read_text())['components'])} components (CycloneDX)")
    passes = True
    for lock in LOCKS:
        passed, lines = verdict(lock, _findings(lock), in_ci=bool(os.environ.get("CI")))
        print("\n".join(lines))
        passes = passes and passed
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
