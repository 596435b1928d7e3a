"""The list of metrics in docs/metrics.md, made from the code that counts them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from prometheus_client.metrics import MetricWrapperBase

# Whose processes have which metrics: those of the chassis are everybody's.
_OWNERS: Mapping[str, str] = {
    "chassis": "Every process (what needs a database, a broker or RPCs: the services)",
    "gateway": "gateway",
    "auth_service": "auth_service",
    "catalog_service": "catalog_service",
    "inventory_service": "inventory_service",
    "booking_service": "booking_service",
    "payment_service": "payment_service",
    "payment_service.sandbox": "The sandbox provider",
    "notification_service": "notification_service",
}
_INTRODUCTION = """\
# Metrics

Made from the code by `make docs`; `make check` fails when it is stale.

Each process shows them as Prometheus text at `/metrics` of its internal port (the sandbox provider
at its only one, to whoever holds its API key), beside those of Python and of the process itself.
What has labels is shown from 0
on wherever they are known before anything happens: methods, routes, message types, queues, kinds of
alert. Labels are bounded: no id, no path, nothing that a client chose. What has to be read from the
database or the broker is read for whoever asks, at most every 15 seconds; where that fails, the
last value stays and `parterre_figures_unread_total` rises.
"""


def metrics_page() -> str:
    """docs/metrics.md, whole."""
    return "\n".join([_INTRODUCTION, *_tables()])


def catalogue() -> Mapping[str, Mapping[str, MetricWrapperBase]]:
    """Every metric by its shown name, of each owner: a package; `chassis` is everybody's."""
    found: dict[str, dict[str, MetricWrapperBase]] = {owner: {} for owner in _OWNERS}
    for owner in _OWNERS:
        for module in _modules(owner):
            for each in vars(importlib.import_module(module)).values():
                if _is_metric(each) and not _known(found, each):
                    found[_owner(module)][_shown_name(each)] = each
    return found


def labels_of(metric: MetricWrapperBase) -> Sequence[str]:
    """The names of a metric's labels."""
    names: Sequence[str] = metric._labelnames  # noqa: SLF001 - it has no other way
    return names


def _tables() -> Iterator[str]:
    found = catalogue()
    for owner, title in _OWNERS.items():
        if found[owner]:
            yield f"## {title}\n"
            yield "| metric | type | |"
            yield "|---|---|---|"
            for name, each in sorted(found[owner].items()):
                (told,) = each.describe()
                labels = ", ".join(labels_of(each))
                shown = f"{name}{{{labels}}}" if labels else name
                yield f"| `{shown}` | {told.type} | {told.documentation} |"
            yield ""


def _modules(owner: str) -> Iterator[str]:
    package = importlib.import_module(owner)
    for module in pkgutil.walk_packages(package.__path__, f"{owner}."):
        last = module.name.rpartition(".")[2]
        # An entry point runs something; migrations and alembic's environment are Alembic's to run.
        if last != "__main__" and not {"migrations", "alembic"} & set(module.name.split(".")):
            yield module.name


def _owner(module: str) -> str:
    return max((owner for owner in _OWNERS if module.startswith(f"{owner}.")), key=len)


def _known(found: Mapping[str, Mapping[str, MetricWrapperBase]], metric: MetricWrapperBase) -> bool:
    # Whoever counts a metric of another module has its name, too.
    return any(metric is each for metrics in found.values() for each in metrics.values())


def _shown_name(metric: MetricWrapperBase) -> str:
    (told,) = metric.describe()
    return f"{told.name}_total" if told.type == "counter" else told.name


def _is_metric(value: object) -> TypeGuard[MetricWrapperBase]:
    """Whether it is one, and not one of its series."""
    return isinstance(value, MetricWrapperBase) and not value._labelvalues  # noqa: SLF001 - as above
