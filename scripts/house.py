"""House budgets, counted over src/: sizes, broad excepts, unpickling, import cycles and mutual sub-packages.

Exit status 1 and a line `file:line: what, budget` for each breach. Only the standard library, so that it runs anywhere.
"""

from __future__ import annotations

import ast
import graphlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES, FILE_LINES_MOST = 300, 500
FUNCTION_LINES, FUNCTION_LINES_MOST, FUNCTION_SHARE = 25, 60, 0.90
BROAD_PER_1000_LINES = 0.1
UNPICKLERS = frozenset({"pickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"})
HELP_MS = 150

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of src/, parsed. `where` is its path relative to the project."""

    name: str
    where: str
    is_package: bool
    lines: int
    tree: ast.Module


def modules(root: Path) -> dict[str, Module]:
    """All modules under `root`/src by dotted name, in order of their paths."""
    found = {}
    for path in sorted((root / "src").rglob("*.py")):
        parts = path.relative_to(root / "src").with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text("utf-8")
        found[name] = Module(name, path.relative_to(root).as_posix(), is_package, len(text.splitlines()), ast.parse(text))
    return found


def check(root: Path) -> list[str]:
    """Every breach under `root`, as `file:line: what, budget`."""
    house = modules(root)
    rules = (_files, _functions, _broad_excepts, _unpicklers, _cycles, _mutual_pairs)
    return [breach for rule in rules for breach in rule(house)]


def _files(house: dict[str, Module]) -> Iterator[str]:
    for module in house.values():
        if module.lines > FILE_LINES_MOST:
            yield f"{module.where}:{module.lines}: file of {module.lines} lines, none may pass {FILE_LINES_MOST}"


def function_lines(function: Function) -> int:
    """Lines from `def` to the end, less the docstring."""
    first = function.body[0]
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return total
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def _sized_functions(house: dict[str, Module]) -> list[tuple[int, str]]:
    return [
        (function_lines(node), f"{module.where}:{node.lineno}: function {node.name}")
        for module in house.values()
        for node in ast.walk(module.tree)
        if isinstance(node, Function)
    ]


def _functions(house: dict[str, Module]) -> Iterator[str]:
    sized = _sized_functions(house)
    for lines, where in sized:
        if lines > FUNCTION_LINES_MOST:
            yield f"{where} of {lines} lines, none may pass {FUNCTION_LINES_MOST}"
    short = sum(lines <= FUNCTION_LINES for lines, _ in sized)
    if short < FUNCTION_SHARE * len(sized):
        yield f"src:0: {short} of {len(sized)} functions have at most {FUNCTION_LINES} lines, at least {FUNCTION_SHARE:.0%} must"
        yield from (f"{where} of {lines} lines, most have at most {FUNCTION_LINES}" for lines, where in sized if lines > FUNCTION_LINES)


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException") for kind in types)


def _broad_excepts(house: dict[str, Module]) -> Iterator[str]:
    found = [
        f"{module.where}:{node.lineno}: broad except"
        for module in house.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    if len(found) * 1000 > BROAD_PER_1000_LINES * sum(module.lines for module in house.values()):
        yield from (f"{where}, at most {BROAD_PER_1000_LINES} per 1,000 lines" for where in found)


def _imports(module: Module) -> Iterator[tuple[str, int]]:
    """Every dotted name a module imports, lazily or not, and the line. `from a import b` gives `a.b`: it may be a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _unpicklers(house: dict[str, Module]) -> Iterator[str]:
    for module in house.values():
        for name, line in _imports(module):
            if name.partition(".")[0] in UNPICKLERS:
                yield f"{module.where}:{line}: import of {name}, which runs code out of data; none may"


def _graph(house: dict[str, Module]) -> dict[str, dict[str, int]]:
    """Module -> the modules of ours it imports -> the first line that does."""
    graph: dict[str, dict[str, int]] = {name: {} for name in house}
    for module in house.values():
        for name, line in _imports(module):
            target = name if name in house else name.rpartition(".")[0]
            if target in house:
                graph[module.name].setdefault(target, line)
    return graph


def _cycles(house: dict[str, Module]) -> Iterator[str]:
    graph = _graph(house)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1][::-1]
        yield f"{house[cycle[0]].where}:{graph[cycle[0]][cycle[1]]}: import cycle {' -> '.join(cycle)}, none may be"


def _mutual_pairs(house: dict[str, Module]) -> Iterator[str]:
    """Two sub-packages of one package that import each other, were it through different modules."""
    packages = {name for name, module in house.items() if module.is_package}
    edges: dict[tuple[str, str], str] = {}
    for name, targets in _graph(house).items():
        for target, line in targets.items():
            a, b = name.split("."), target.split(".")
            depth = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
            if depth is None:
                continue
            pair = ".".join(a[: depth + 1]), ".".join(b[: depth + 1])
            if packages.issuperset(pair):
                edges.setdefault(pair, f"{house[name].where}:{line}")
    for (a_name, b_name), where in sorted(edges.items()):
        if a_name < b_name and (b_name, a_name) in edges:
            yield f"{where}: {a_name} and {b_name} import each other ({edges[b_name, a_name]}), no pair may"


def summary(root: Path) -> str:
    """The figures in one paragraph, long files named."""
    house = modules(root)
    sized = [lines for lines, _ in _sized_functions(house)]
    short = sum(lines <= FUNCTION_LINES for lines in sized)
    lines = [
        f"{len(house)} files, {sum(module.lines for module in house.values())} lines; {len(sized)} functions, "
        f"{short / max(len(sized), 1):.1%} of at most {FUNCTION_LINES} lines, longest {max(sized, default=0)}"
    ]
    lines += [f"note: {m.where} has {m.lines} lines, aim for {FILE_LINES}" for m in house.values() if m.lines > FILE_LINES]
    return "\n".join(lines)


def help_cost() -> str:
    """CPU time of `nonself --help`, best of 3, beside its goal: printed, not judged, since machines differ."""
    command = Path(sys.executable).with_name("nonself")
    if not command.exists():
        return "nonself --help: not installed beside this Python, not measured"
    best = min(_cpu_ms([str(command), "--help"]) for _ in range(3))
    return f"nonself --help: {best:.0f} ms of CPU (goal {HELP_MS})"


def _cpu_ms(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    """Print every breach, the figures and the cost of `--help`; 1 where there is a breach."""
    root = Path(__file__).resolve().parent.parent
    breaches = check(root)
    print("\n".join([*breaches, summary(root), help_cost()]))
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
