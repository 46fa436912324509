"""Reads a source tree with ast, without running it: which module imports what, on which line, at import time or later.

Must not know this project's rules; tests/test_dependency_rules.py has them.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One imported thing; ``is_eager`` when merely importing the module runs it."""

    target: str
    line: int
    is_eager: bool


@dataclass(frozen=True)
class Module:
    """One file of a package, by its dotted name."""

    name: str
    path: Path
    is_package: bool
    text: str

    def parsed(self) -> ast.Module:
        """The tree of the file, for one traversal: many kept trees would slow down garbage collection.

        Raises: SyntaxError when the file is no Python.
        """
        return ast.parse(self.text, str(self.path))

    @cached_property
    def tree(self) -> ast.Module:
        """The tree of the file, kept for several traversals."""
        with no_collections():
            return self.parsed()

    @property
    def line_count(self) -> int:
        return len(self.text.splitlines())

    @property
    def part(self) -> str:
        """The part after the package: ``api`` of ``referral_warehouse.api.client``; empty for the package itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    def where(self, line: int) -> str:
        return f"{self.name}:{line}"


@contextmanager
def no_collections() -> Iterator[None]:
    """Switch garbage collection off for a ``with``: there is no garbage among millions of new objects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class SourceTree:
    """All modules of one package folder."""

    def __init__(self, package: Path) -> None:
        self.package = package
        self.modules = {module.name: module for module in self._read()}

    def _read(self) -> Iterator[Module]:
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.package.parent).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            text = path.read_text(encoding="utf-8")
            name = ".".join(parts[:-1] if is_package else parts)
            yield Module(name, path, is_package, text)

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Module name → what it imports; names from inside the tree are resolved to the module that holds them."""
        with no_collections():
            return {
                module.name: [
                    Import(self._resolve(target), line, is_eager) for target, line, is_eager in _imports_of(module)
                ]
                for module in self.modules.values()
            }

    def _resolve(self, target: str) -> str:
        """``referral_warehouse.errors.ApiError`` → ``referral_warehouse.errors``; other packages' names stay."""
        while target.startswith(f"{self.package.name}.") and target not in self.modules:
            target = target.rpartition(".")[0]
        return target

    def internal(self, name: str) -> dict[str, int]:
        """The tree's own modules that a module imports, each with a line."""
        return {i.target: i.line for i in self.imports[name] if i.target in self.modules and i.target != name}

    def eager_closure(self, name: str) -> dict[str, list[str]]:
        """Everything that ``import name`` runs, inside and outside the tree, each with the chain that leads there."""
        found: dict[str, list[str]] = {}
        waiting = [(name, [name])]
        while waiting:
            current, chain = waiting.pop(0)
            if current in found:
                continue
            found[current] = chain
            if current not in self.modules:
                continue
            above = [current.rsplit(".", n)[0] for n in range(1, current.count(".") + 1)]
            ahead = [i.target for i in self.imports[current] if i.is_eager]
            waiting += [(target, [*chain, target]) for target in [*above, *ahead]]
        return found


@cache
def read_tree(package: Path) -> SourceTree:
    """A package folder of the project, read once for all rules."""
    return SourceTree(package)


def _imports_of(module: Module) -> Iterator[tuple[str, int, bool]]:
    """Every import statement and every ``import_module``/``__import__`` call with a literal name."""
    waiting: list[tuple[ast.AST, bool]] = [(module.parsed(), True)]
    while waiting:
        node, is_eager = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, is_eager
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                yield (base if alias.name == "*" else f"{base}.{alias.name}"), node.lineno, is_eager
        elif isinstance(node, ast.Call) and (name := dynamic_import(node)):
            yield name, node.lineno, is_eager
        waiting += _children(node, is_eager)


def _children(node: ast.AST, is_eager: bool) -> Iterator[tuple[ast.AST, bool]]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield from ((child, False) for child in node.body)
        yield from ((child, is_eager) for child in node.orelse)
        return
    is_body = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    yield from ((child, is_eager and not is_body) for child in ast.iter_child_nodes(node))


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def called_name(node: ast.Call) -> str:
    """``print`` of ``print(…)``, ``sys.exit`` of ``sys.exit(…)``; empty where a call has no plain name."""
    parts, left = [], node.func
    while isinstance(left, ast.Attribute):
        parts.append(left.attr)
        left = left.value
    return ".".join([left.id, *reversed(parts)]) if isinstance(left, ast.Name) else ""


def dynamic_import(node: ast.Call) -> str | None:
    """The name that a call imports; empty when it cannot be read; None when the call imports nothing.

    Of a name that is computed within a fixed package (``f"referral_warehouse.cli.{name}"``) the package is enough.
    """
    if called_name(node) not in ("import_module", "importlib.import_module", "__import__"):
        return None
    first = node.args[0] if node.args else None
    if isinstance(first, ast.JoinedStr):
        package, dot, _ = _text(first.values[0]).rpartition(".")
        return package if dot and "." in package else ""
    return _text(first)


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
