"""All cases, by group."""

from itertools import chain

from .bodies import list_both, list_chunks, list_codings, list_lengths, list_trailers
from .cases import Case
from .connections import list_limits, list_pipelines, list_upgrades
from .fields import list_bytes, list_fields, list_line_ends
from .heads import list_hosts, list_request_lines, list_targets, list_versions

__all__ = ["CASES", "GROUPS"]

_LISTS = [
    list_request_lines,
    list_targets,
    list_versions,
    list_hosts,
    list_fields,
    list_line_ends,
    list_bytes,
    list_lengths,
    list_codings,
    list_both,
    list_chunks,
    list_trailers,
    list_pipelines,
    list_upgrades,
    list_limits,
]
CASES: tuple[Case, ...] = tuple(chain.from_iterable(make() for make in _LISTS))
GROUPS: dict[str, list[Case]] = {}
for _case in CASES:
    GROUPS.setdefault(_case.group, []).append(_case)
