"""A typed functional graph language for models, and its compiler (Relay, arXiv 1810.00952).

``module = from_onnx("model.onnx")``, ``program = build(module)``, ``program(x)``; or ``InferenceSession``.
"""

from typing import TYPE_CHECKING

from compiler.deferred import defer

if TYPE_CHECKING:
    from compiler.relay.execute.build import build
    from compiler.relay.execute.control import ControlExecutable
    from compiler.relay.execute.dynamic import DynamicExecutable
    from compiler.relay.execute.executable import Executable
    from compiler.relay.execute.load import load
    from compiler.relay.execute.planning.memory import MemoryPlan
    from compiler.relay.execute.profile import Profile
    from compiler.relay.gradient import GradientError, gradient
    from compiler.relay.importer import OnnxError, from_onnx
    from compiler.relay.infer.infer import infer_type
    from compiler.relay.infer.solver import TypeInferenceError
    from compiler.relay.infer.well_formed import WellFormednessError, check_well_formed
    from compiler.relay.interpret.evaluate import evaluate
    from compiler.relay.interpret.values import Closure, ConstructorValue, RefValue
    from compiler.relay.language.attributes import Attrs
    from compiler.relay.language.equal import structural_equal, structural_hash
    from compiler.relay.language.expr import (
        Call,
        Clause,
        Constant,
        Constructor,
        Expr,
        Function,
        GlobalVar,
        If,
        Let,
        Match,
        PatternConstructor,
        PatternTuple,
        PatternVar,
        PatternWildcard,
        RefCreate,
        RefRead,
        RefWrite,
        Span,
        Tuple,
        TupleGetItem,
        TypeData,
        Var,
        constant,
    )
    from compiler.relay.language.module import IRModule
    from compiler.relay.language.op import Op, op
    from compiler.relay.language.types import (
        ANY,
        FuncType,
        GlobalTypeVar,
        IncompleteType,
        Kind,
        RefType,
        TensorType,
        TupleType,
        Type,
        TypeCall,
        TypeConstraint,
        TypeVar,
        scalar,
    )
    from compiler.relay.notation.lexer import ParseError
    from compiler.relay.notation.parser import parse, parse_expr
    from compiler.relay.notation.prelude import prelude
    from compiler.relay.notation.printer import as_text
    from compiler.relay.optimize.choose_layout import choose_layout
    from compiler.relay.optimize.mixed_precision import mixed_precision
    from compiler.relay.optimize.pipeline import optimize
    from compiler.relay.optimize.quantize import quantize
    from compiler.relay.session import InferenceSession, SessionOptions
    from compiler.relay.transform.partial_eval import partial_eval

defer(
    __name__,
    {
        "compiler.relay.execute.build": "build",
        "compiler.relay.execute.control": "ControlExecutable",
        "compiler.relay.execute.dynamic": "DynamicExecutable",
        "compiler.relay.execute.executable": "Executable",
        "compiler.relay.execute.load": "load",
        "compiler.relay.execute.planning.memory": "MemoryPlan",
        "compiler.relay.execute.profile": "Profile",
        "compiler.relay.gradient": "GradientError gradient",
        "compiler.relay.importer": "OnnxError from_onnx",
        "compiler.relay.infer.infer": "infer_type",
        "compiler.relay.infer.solver": "TypeInferenceError",
        "compiler.relay.infer.well_formed": "WellFormednessError check_well_formed",
        "compiler.relay.interpret.evaluate": "evaluate",
        "compiler.relay.interpret.values": "Closure ConstructorValue RefValue",
        "compiler.relay.language.attributes": "Attrs",
        "compiler.relay.language.equal": "structural_equal structural_hash",
        "compiler.relay.language.expr": (
            "Call Clause Constant Constructor Expr Function GlobalVar If Let Match "
            "PatternConstructor PatternTuple PatternVar PatternWildcard RefCreate RefRead "
            "RefWrite Span Tuple TupleGetItem TypeData Var constant "
        ),
        "compiler.relay.language.module": "IRModule",
        "compiler.relay.language.op": "Op op",
        "compiler.relay.language.types": (
            "ANY FuncType GlobalTypeVar IncompleteType Kind RefType TensorType TupleType Type "
            "TypeCall TypeConstraint TypeVar scalar "
        ),
        "compiler.relay.notation.lexer": "ParseError",
        "compiler.relay.notation.parser": "parse parse_expr",
        "compiler.relay.notation.prelude": "prelude",
        "compiler.relay.notation.printer": "as_text",
        "compiler.relay.optimize.choose_layout": "choose_layout",
        "compiler.relay.optimize.mixed_precision": "mixed_precision",
        "compiler.relay.optimize.pipeline": "optimize",
        "compiler.relay.optimize.quantize": "quantize",
        "compiler.relay.session": "InferenceSession SessionOptions",
        "compiler.relay.transform.partial_eval": "partial_eval",
    },
)

__all__ = [
    "ANY",
    "Attrs",
    "Call",
    "Clause",
    "Closure",
    "Constant",
    "Constructor",
    "ConstructorValue",
    "ControlExecutable",
    "DynamicExecutable",
    "Executable",
    "Expr",
    "FuncType",
    "Function",
    "GlobalTypeVar",
    "GlobalVar",
    "GradientError",
    "IRModule",
    "If",
    "IncompleteType",
    "InferenceSession",
    "Kind",
    "Let",
    "Match",
    "MemoryPlan",
    "OnnxError",
    "Op",
    "ParseError",
    "PatternConstructor",
    "PatternTuple",
    "PatternVar",
    "PatternWildcard",
    "Profile",
    "RefCreate",
    "RefRead",
    "RefType",
    "RefValue",
    "RefWrite",
    "SessionOptions",
    "Span",
    "TensorType",
    "Tuple",
    "TupleGetItem",
    "TupleType",
    "Type",
    "TypeCall",
    "TypeConstraint",
    "TypeData",
    "TypeInferenceError",
    "TypeVar",
    "Var",
    "WellFormednessError",
    "as_text",
    "build",
    "check_well_formed",
    "choose_layout",
    "constant",
    "evaluate",
    "from_onnx",
    "gradient",
    "infer_type",
    "load",
    "mixed_precision",
    "op",
    "optimize",
    "parse",
    "parse_expr",
    "partial_eval",
    "prelude",
    "quantize",
    "scalar",
    "structural_equal",
    "structural_hash",
]
