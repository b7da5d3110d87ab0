"""Has the reference keep its asserts where Python is told to leave them out.

With ``PYTHONOPTIMIZE`` set aiohttp would not refuse what its asserts refuse. What is compared with
it has no checks that go away, so the reference is to be what it is without that, too.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

__all__ = ["keep_asserts"]


class _Loader(SourceFileLoader):
    """Compiles modules as Python does by default, and keeps none of that."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=0)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != self._package:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if spec is not None and type(loader) is SourceFileLoader:
            spec.loader = _Loader(loader.name, loader.path)
        return spec


def keep_asserts(package: str) -> None:
    """Import a package and all in it with its asserts from now on; it must not be loaded yet."""
    if __debug__:
        return
    if package in sys.modules:
        raise RuntimeError(f"{package} is loaded already, without its asserts")
    sys.meta_path.insert(0, _Finder(package))
