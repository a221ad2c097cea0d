"""Formulas (公式): worked out by `simpleeval` with nothing in reach but numbers, texts and a few functions.

A result is worked out whenever a record is read (`with_results`) and never stored, so that none can be out of date.
"""

import ast
import operator
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from wsapp.crm.fields.models import Field
from wsapp.crm.fields.numbers import MOST, plain, read_number
from wsapp.texts import _

LONGEST = 500  # characters
DEEPEST = 20  # levels of nesting
LONGEST_RESULT = 200
# What a formula may be made of. No attributes, no subscripts, no comprehensions, no powers: nothing can grow.
NODES = (
    ast.Expression,
    ast.Expr,
    ast.Constant,
    ast.Name,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
)


def _times(left: Any, right: Any) -> Any:
    """Numbers only: a text many times over could fill the memory."""
    if isinstance(left, str) or isinstance(right, str):
        raise TypeError("a text cannot be multiplied")
    return left * right


def _rest(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        raise TypeError("a text has no remainder")  # Python would fill in a format, of any width
    return left % right


OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.Mod: _rest,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
}
SIGNS = (ast.And, ast.Or, ast.Load)
USABLE = ("text", "number", "money", "percent", "date", "time", "yes_no", "single", "cascading", "serial")
NUMERIC = ("number", "money", "percent")


def _days(until: str, since: str) -> int:
    return (date.fromisoformat(until) - date.fromisoformat(since)).days


def _concat(*parts: Any) -> str:
    return "".join(str(part) for part in parts)


FUNCTIONS = {
    "IF": lambda condition, yes, no: yes if condition else no,
    "ROUND": lambda number, digits=0: round(number, max(0, min(int(digits), 6))),
    "ABS": abs,
    "MIN": min,
    "MAX": max,
    "SUM": lambda *numbers: sum(numbers),
    "DAYS": _days,
    "LEN": len,
    "CONCAT": _concat,
}


@lru_cache(maxsize=1024)
def names_in(formula: str) -> frozenset[str]:
    """Return the keys of the fields that a formula names. Raises ValueError with words for people."""
    if len(formula) > LONGEST:
        raise ValueError(_("公式最多 %(most)d 个字", most=LONGEST))
    try:
        tree = ast.parse(formula.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(_("公式有语法错误")) from None
    _check(tree.body, 1)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    unknown = sorted(called - set(FUNCTIONS))
    if unknown:
        raise ValueError(_("公式中没有函数“%(name)s”", name=unknown[0][:40]))
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - called


def _check(node: ast.AST, depth: int) -> None:
    allowed = isinstance(node, (*NODES, *SIGNS)) or type(node) in OPERATORS
    if isinstance(node, ast.Constant):
        allowed = type(node.value) in (int, float, str, bool)
    if isinstance(node, ast.Call):
        allowed = isinstance(node.func, ast.Name) and not node.keywords
    if not allowed:
        raise ValueError(_("公式中只能使用数字、文字、字段、四则运算、比较和列出的函数"))
    if depth > DEEPEST:
        raise ValueError(_("公式嵌套过深"))
    for child in ast.iter_child_nodes(node):
        _check(child, depth + 1)


def work_out(field: Field, fields: Mapping[str, Field], values: Mapping[str, Any]) -> Any:
    """Return what a formula yields for a record's values; None where a value it needs is missing or does not fit."""
    import simpleeval  # not when a web process starts: few corps have formulas

    formula = str(field.settings.get("formula") or "")
    try:
        wanted = names_in(formula)
        names = {key: _operand(fields[key], values[key]) for key in wanted}
        evaluator = simpleeval.SimpleEval(operators=OPERATORS, functions=FUNCTIONS, names=names)
        evaluator.nodes = {kind: run for kind, run in evaluator.nodes.items() if kind in NODES}
        return _result(field, evaluator.eval(formula.strip()))
    except (simpleeval.InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return None


def with_results(fields: Mapping[str, Field], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a record's values with what its formulas yield now, in place of what was stored of them."""
    formulas = [field for field in fields.values() if field.type == "formula"]
    if not formulas:
        return values
    found = dict(values)
    for field in formulas:
        result = work_out(field, fields, values)
        if result is None:
            found.pop(field.key, None)
        else:
            found[field.key] = result
    return found


def _operand(field: Field, value: Any) -> Any:
    return float(value) if field.type in NUMERIC else value


def _result(field: Field, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return plain(read_number(field, value)) if abs(value) < MOST else None
    return value[:LONGEST_RESULT] if isinstance(value, str) else None
