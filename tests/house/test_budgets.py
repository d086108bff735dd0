"""Budgets: what is small stays readable. Exceptions are lines in exceptions.py."""

import ast
import importlib
import inspect
from collections.abc import Iterator

from tests.house.exceptions import ALLOWED
from tests.house.tree import Module, modules, over

RULES = {"lines of module", "lines of connector", "lines of function", "parameters", "depth of classes", "name"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_connector(module: Module) -> bool:
    return module.words[:1] == ["connectors"] and len(module.words) > 1


def functions(module: Module) -> Iterator[tuple[str, Function, bool]]:
    """Every function with its dotted name, and whether its first parameter is the object."""

    def visit(node: ast.AST, prefix: str, in_class: bool) -> Iterator[tuple[str, Function, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in child.decorator_list)
                yield f"{prefix}.{child.name}", child, in_class and not static
                yield from visit(child, f"{prefix}.{child.name}", False)
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}.{child.name}", True)
            else:
                yield from visit(child, prefix, in_class)

    return visit(module.tree, module.name, False)


def test_exceptions_name_a_rule_and_a_reason():
    assert [each for each in ALLOWED if each.rule not in RULES or len(each.reason) < 10] == []
    assert len({(each.rule, each.where) for each in ALLOWED}) == len(ALLOWED)


def test_modules_are_short():
    sizes = [(each.name, len(each.text.splitlines())) for each in modules() if not is_connector(each)]
    assert over("lines of module", 400, sizes) == []


def test_connectors_are_shorter():
    assert [each for each in ALLOWED if each.rule == "lines of connector" and each.limit > 250] == []
    sizes = [(each.name, len(each.text.splitlines())) for each in modules() if is_connector(each)]
    assert over("lines of connector", 150, sizes) == []


def test_functions_are_short():
    sizes = [
        (name, (node.end_lineno or 0) - node.lineno + 1) for module in modules() for name, node, _ in functions(module)
    ]
    assert over("lines of function", 50, sizes) == []


def test_functions_take_few_parameters():
    sizes = []
    for module in modules():
        for name, node, bound in functions(module):
            given = node.args
            count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs) - bound
            sizes.append((name, count + (given.vararg is not None) + (given.kwarg is not None)))
    assert over("parameters", 6, sizes) == []


def test_classes_are_shallow():
    def depth(kind: type) -> int:
        ours = kind.__module__.split(".")[0] == "lading"
        return ours + max((depth(base) for base in kind.__bases__), default=0)

    sizes = {}
    for module in modules():
        if {"__main__", "migrations"}.intersection(module.words):
            continue  # which do something when imported
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and kind.__module__ == module.name:
                sizes[f"{module.name}.{kind.__qualname__}"] = depth(kind)
    assert over("depth of classes", 2, sizes.items()) == []
