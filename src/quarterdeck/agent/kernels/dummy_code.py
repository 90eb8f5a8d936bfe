"""The little language of dummy kernels: a part of Python that computes and prints, and can neither loop nor reach anything.

Names, constants, tuples, arithmetic on numbers and short texts, `print(…)` and assignments. Used by `dummy`.
"""

import ast
import operator
from collections.abc import Callable
from typing import Any

from quarterdeck.wire.executions import Execution, ExecutionError, ExecutionStatus

TEXT_LENGTH_MAX = 10_000
NUMBER_MAX = 10**100

_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Namespace:
    """The names that the code of one kernel has given."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {}

    def run(self, code: str) -> Execution:
        """Run code; what it does wrong is its outcome."""
        printed: list[str] = []
        try:
            result = self._run(ast.parse(code), printed)
        except (ArithmeticError, NameError, NotImplementedError, SyntaxError, TypeError, ValueError) as error:  # fmt: skip
            text = f"{type(error).__name__}: {error}"
            told = ExecutionError(type(error).__name__, str(error), f"Traceback:\n{text}\n")
            return _execution(ExecutionStatus.ERROR, printed, error=told)
        return _execution(
            ExecutionStatus.OK, printed, result=None if result is None else repr(result)
        )

    def _run(self, tree: ast.Module, printed: list[str]) -> Any:
        result = None
        for statement in tree.body:
            result = None
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self._names[name] = self._value(value)
                case ast.Expr(ast.Call(ast.Name("print"), arguments, [])):
                    shown = " ".join(str(self._value(each)) for each in arguments)
                    printed.append(f"{shown}\n")
                case ast.Expr(value):
                    result = self._value(value)
                case _:
                    raise NotImplementedError(f"dummy kernels know no {type(statement).__name__}")
        return result

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name) if name in self._names:
                return self._names[name]
            case ast.Name(name):
                raise NameError(f"name {name!r} is not defined")
            case ast.Tuple(elements):
                return tuple(self._value(each) for each in elements)
            case ast.UnaryOp(ast.USub(), operand):
                return -self._value(operand)
            case ast.BinOp(left, operation, right) if type(operation) in _OPERATIONS:
                return _compute(operation, self._value(left), self._value(right))
            case _:
                raise NotImplementedError(f"dummy kernels know no {type(node).__name__}")


def _compute(operation: ast.operator, left: Any, right: Any) -> Any:
    """Compute with numbers, or put texts together. Raises ValueError for what costs too much."""
    if str in {type(left), type(right)} and not isinstance(operation, ast.Add):
        raise TypeError("texts can only be added")
    return _small(_OPERATIONS[type(operation)](_small(left), _small(right)))


def _small(value: Any) -> Any:
    """Return a value with which computing costs little. Raises ValueError for any other."""
    if isinstance(value, str) and len(value) <= TEXT_LENGTH_MAX:
        return value
    if isinstance(value, (int, float)) and abs(value) <= NUMBER_MAX:
        return value
    raise ValueError("too much for a dummy kernel")


def _execution(
    status: ExecutionStatus,
    printed: list[str],
    *,
    result: str | None = None,
    error: ExecutionError | None = None,
) -> Execution:
    return Execution(status=status, stdout="".join(printed), stderr="", result=result, error=error)
