"""What users can reach of a class or a function, and how two of them differ."""

import enum
import inspect
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic

__all__ = [
    "MISSING",
    "Member",
    "compare_members",
    "compare_surfaces",
    "read_member",
    "read_surface",
]

# What the language calls on a user's behalf; of the first two users write the parameters' names.
_NAMED_PROTOCOLS = {"__init__", "__call__"}
_PROTOCOL = re.compile(
    "__(init|call|init_subclass|class_getitem|await|a?iter|a?next|a?enter|a?exit|len|contains"
    "|(get|set|del)item|reversed|bool|int|str|bytes|hash|eq|lt|le|gt|ge)__"
)
MISSING: Any = inspect.Parameter.empty  # Any: it stands where any default or any name may

_Parameters = tuple[inspect.Parameter, ...]


@dataclass(frozen=True)
class Member:
    """What is seen of one attribute.

    Attributes:
        kind: how it is used.
        parameters: of what is called, in order; None for what is not called, or cannot tell.
        value: of a plain attribute, as far as it can be compared.
    """

    kind: str
    parameters: _Parameters | None = None
    value: object = None


# -- reading --------------------------------------------------------------------------------------


def read_surface(cls: type, instance: object = None) -> dict[str, Member]:
    """Read members without an underscore, protocols, and fields of data classes.

    Args:
        cls: the class.
        instance: one of it, for the attributes that are on instances alone.
    """
    names = {name for name in dir(cls) if not name.startswith("_")}
    names |= {name for name in dir(cls) if _PROTOCOL.fullmatch(name) and _is_told(cls, name)}
    members = {name: _read_attribute(cls, name) for name in names}
    fields = {name for name in getattr(instance, "__dict__", ()) if not name.startswith("_")}
    fields |= {field.name for field in getattr(cls, "__attrs_attrs__", ())}
    fields |= set(getattr(cls, "__dataclass_fields__", ()))
    for name in fields:
        members[name] = Member("settable property" if _is_open(cls) else "property")
    return members


def _is_told(cls: type, name: str) -> bool:
    """Say whether a class has something to say about a protocol."""
    own = inspect.getattr_static(cls, name, None)
    defaults = (inspect.getattr_static(each, name, None) for each in (object, Generic))
    return own is not None and all(own is not each for each in defaults)


def _is_open(cls: type) -> bool:
    """Say whether attributes of instances can be set: data classes may be frozen."""
    frozen = getattr(getattr(cls, "__dataclass_params__", None), "frozen", False)
    return not frozen and cls.__setattr__.__name__ != "_frozen_setattrs"


def _read_attribute(cls: type, name: str) -> Member:
    """Look at an attribute of a class without triggering it."""
    raw = inspect.getattr_static(cls, name)
    abstract = "abstract " if getattr(raw, "__isabstractmethod__", False) else ""
    if isinstance(raw, property):
        return Member(f"{abstract}{'property' if raw.fset is None else 'settable property'}")
    if inspect.ismemberdescriptor(raw) and _is_open(cls):
        return Member("settable property")
    if isinstance(raw, staticmethod | classmethod):
        word = "static" if isinstance(raw, staticmethod) else "class"
        bound = getattr(cls, name)
        return Member(f"{abstract}{word} {_name_call(bound)}", _read_parameters(bound))
    if callable(raw):
        parameters = _read_parameters(raw)
        if name.startswith("__") and name not in _NAMED_PROTOCOLS:
            parameters = None
        return Member(abstract + _name_call(raw), parameters and parameters[1:])
    if hasattr(type(raw), "__get__") and not isinstance(raw, enum.Enum):
        return Member(f"{abstract}property")
    return read_member(raw)


def read_member(thing: object) -> Member:
    """Look at a function, or at a value."""
    if callable(thing):
        return Member(_name_call(thing), _read_parameters(thing))
    if isinstance(thing, re.Pattern):
        return Member("value", value=thing.pattern)
    if isinstance(thing, set | frozenset):
        return Member("value", value=frozenset(thing))
    if isinstance(thing, enum.Enum) and not isinstance(thing, int):
        return Member("value", value=repr(thing))  # members of different classes are never equal
    plain = thing is None or isinstance(thing, str | bytes | int | float | dict)
    return Member("value", value=thing if plain else type(thing).__name__)


def _name_call(function: object) -> str:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    return "coroutine" if inspect.iscoroutinefunction(function) else "method"


def _read_parameters(function: Any) -> _Parameters | None:  # Any: whatever can be called
    """Give the parameters, but of Python's functions only: those of C depend on the build."""
    if not inspect.isfunction(getattr(function, "__func__", function)):
        return None
    return tuple(inspect.signature(function).parameters.values())


# -- comparing ------------------------------------------------------------------------------------


def compare_surfaces(theirs: dict[str, Member], ours: dict[str, Member]) -> Iterator[str]:
    """Compare two classes; give each difference as one line that begins with the member."""
    for name in sorted(theirs.keys() | ours.keys()):
        if name not in ours:
            yield f".{name}: missing"
        elif name not in theirs:
            yield f".{name}: extra"
        else:
            yield from (f".{name}{line}" for line in compare_members(theirs[name], ours[name]))


def compare_members(theirs: Member, ours: Member) -> Iterator[str]:
    """Compare two attributes; give each difference as one line."""
    if theirs.kind != ours.kind:
        yield f": {theirs.kind} -> {ours.kind}"
    if theirs.parameters is not None and ours.parameters is not None:
        yield from _compare_parameters(theirs.parameters, ours.parameters)
    if theirs.value != ours.value:
        yield f": {_cut(theirs.value)} -> {_cut(ours.value)}"


def _compare_parameters(theirs: _Parameters, ours: _Parameters) -> Iterator[str]:
    left, right = {each.name: each for each in theirs}, {each.name: each for each in ours}
    if missing := [name for name in left if name not in right]:
        yield f"({', '.join(missing)}): missing"
    if extra := [name for name in right if name not in left]:
        yield f"({', '.join(extra)}): extra"
    common = [(left[name], right[name]) for name in left if name in right]
    for one, two in common:
        if one.kind is not two.kind:
            yield f"({one.name}): {one.kind.description} -> {two.kind.description}"
        before, after = _show_default(one.default), _show_default(two.default)
        if before != after:
            yield f"({one.name}): default {before} -> {after}"
    if _list_positional(left, right) != _list_positional(right, left):
        yield ": other order of parameters"


def _list_positional(
    side: dict[str, inspect.Parameter], other: dict[str, inspect.Parameter]
) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, each in side.items() if name in other and each.kind in kinds]


def _show_default(default: Any) -> str:  # Any: of whatever type
    """Show a default value so that the same of either side is shown alike."""
    if default is MISSING:
        return "none"
    if type(default) is object or default is ... or getattr(default, "name", "") == "sentinel":
        return "sentinel"
    if isinstance(default, logging.Logger):
        return default.name.replace("aiohttp", "bascule")
    if isinstance(default, type) or inspect.isroutine(default):
        return str(default.__qualname__)
    return _cut(default)


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
