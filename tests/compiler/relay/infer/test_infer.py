"""Inference: each form of expression, polymorphism, recursion, data types, holes, and the errors."""

import numpy as np
import pytest

import compiler.relay
import compiler.relay.operator  # the rows  # noqa: F401
from compiler.relay.infer import TypeInferenceError, infer_type
from compiler.relay.language.expr import (
    Call,
    Constant,
    Function,
    GlobalVar,
    Let,
    RefCreate,
    RefRead,
    RefWrite,
    Tuple,
    TupleGetItem,
    Var,
)
from compiler.relay.language.op import op
from compiler.relay.language.types import (
    ANY,
    IncompleteType,
    Kind,
    TensorType,
    TypeVar,
    scalar,
)
from compiler.relay.language.visit import post_order
from compiler.relay.notation.parser import parse, parse_expr
from compiler.relay.notation.prelude import prelude
from tests.compiler.relay.random_programs import random_module


def typed(text: str) -> str:
    """The type of an expression in the text, with the prelude."""
    return str(infer_type(parse_expr(text, prelude()), prelude()).checked_type)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("1", "int32"),
        ("[1f, 2f]", "Tensor[(2,), float32]"),
        ("1f + [[1f], [2f]]", "Tensor[(2, 1), float32]"),
        ("(1, (True,), ())", "(int32, (bool,), ())"),
        ("(1, 2f).1", "float32"),
        ("fn (%x: float32) { %x }", "fn (float32) -> float32"),
        ("fn (%x) { %x + 1f }", "error"),
        ("(fn (%x) { %x + 1f })([1f, 2f])", "Tensor[(2,), float32]"),
        ("fn (%x) { %x }", "fn [a](a) -> a"),
        ("fn [A](%x: A, %f) -> A { %f(%x) }", "fn [A](A, fn (A) -> A) -> A"),
        ("if (True) { 1 } else { 2 }", "int32"),
        ("let %x = 1; %x * 2", "int32"),
        ("ref(1f)", "Ref[float32]"),
        ("ref_read(ref(1f))", "float32"),
        ("let %r = ref(1f); ref_write(%r, 2f)", "()"),
        ("Cons(1, Nil)", "List[int32]"),
        ("Cons", "fn [A](A, List[A]) -> List[A]"),
        ("@map(negative, Cons(1f, Nil))", "List[float32]"),
        ("@foldl(add, 0f, Cons([1f, 2f], Nil))", "error"),
        ("@foldl(add, 0f, Cons(2f, Nil))", "float32"),
        ("@id[float32]", "error"),
        ("@id[float32](1f)", "float32"),
        ("match (Cons(1, Nil)) { Cons(%x, _) => { %x }, Nil => { 0 } }", "int32"),
        ("match? (Cons(1, Nil)) { Cons(%x, _) => { %x } }", "int32"),
        ("match ((1, True)) { (%x, %y) => { (%y, %x) } }", "(bool, int32)"),
        (
            "@compose(fn (%x: float32) { (%x, %x) }, fn (%y: int32) { 1f })",
            "fn (int32) -> (float32, float32)",
        ),
    ],
)
def test_each_form_of_expression(text, type_):
    if type_ == "error":
        with pytest.raises(ValueError, match=r"text:1:"):
            typed(text)
    else:
        assert typed(text) == type_


def test_a_let_is_general_in_what_its_function_leaves_open():
    text = "let %id = fn (%x) { %x }; (%id(1), %id(True), %id(%id)(2f))"
    assert typed(text) == "(int32, bool, float32)"


def test_a_let_is_general_in_what_an_operator_relates():
    text = "let %twice = fn (%x) { %x + %x }; (%twice(1), %twice([1f, 2f]))"
    assert typed(text) == "(int32, Tensor[(2,), float32])"
    program = parse_expr(text)
    infer_type(program)
    assert str(program.var.checked_type) == "fn [a, b](a) -> b where [add(a, a, b)]"


def test_a_function_of_which_all_uses_agree_is_of_their_type():
    program = parse_expr("let %f = fn (%x) { (%x + %x, %x) }; (%f(1f), %f(2f))")
    infer_type(program)
    assert str(program.var.checked_type) == "fn (float32) -> (float32, float32)"
    assert all(node.has_type for node in post_order(program) if not isinstance(node, type(op("add"))))


def test_a_general_function_within_a_general_function():
    text = """
    let %outer = fn (%x) { let %inner = fn (%y) { (%x, %y) }; (%inner(1), %inner(True)) };
    (%outer(2f), %outer(()))
    """
    assert typed(text) == "(((float32, int32), (float32, bool)), (((), int32), ((), bool)))"


def test_what_a_parameter_is_is_not_general():
    with pytest.raises(TypeInferenceError, match="argument 1 is of type bool; int32 is needed"):
        typed("(fn (%f) { (%f(1), %f(True)) })(fn (%x) { %x })")


def test_a_reference_is_not_general():
    with pytest.raises(TypeInferenceError, match="float32 is needed|int32 is needed|differ"):
        typed("let %r = ref(fn (%x) { %x }); ref_write(%r, fn (%x) { %x + 1 }) ;; ref_read(%r)(1f)")


def test_a_shared_node_of_an_outer_block_is_not_generalised_within_a_function():
    """The reference is met first within the function, and is used outside of it too: it is one."""
    nil, cons = (prelude().constructor(name) for name in ("Nil", "Cons"))
    ref = RefCreate(Call(nil, ()))
    f = Var("f")
    write = RefWrite(ref, Call(cons, (Constant(np.int32(1)), Call(nil, ()))))
    head = Call(GlobalVar("hd"), (Call(f, ()),))
    right = Let(f, Function((), RefRead(ref)), Tuple((op("add")(head, Constant(np.int32(1))), write)))
    assert str(infer_type(right, prelude()).checked_type) == "(int32, ())"
    wrong = Let(f, Function((), RefRead(ref)), Tuple((op("add")(head, Constant(np.float32(1))), write)))
    with pytest.raises(TypeInferenceError, match=r"add\(int32, float32\)"):
        infer_type(wrong, prelude())


def test_recursion():
    module = parse(
        "def @f(%n: int32, %x) { if (%n == 0) { %x } else { @f(%n - 1, %x + %x) } }\n"
        "def @main(%n: int32) { @f(%n, [1f, 2f]) }"
    )
    infer_type(module)
    assert str(module.main.checked_type) == "fn (int32) -> Tensor[(2,), float32]"
    assert str(module["f"].checked_type) == "fn (int32, Tensor[(2,), float32]) -> Tensor[(2,), float32]"


def test_functions_that_call_each_other():
    module = parse("""
    def @even(%n: int32) { if (%n == 0) { True } else { @odd(%n - 1) } }
    def @odd(%n) { if (%n == 0) { False } else { @even(%n - 1) } }
    """)
    infer_type(module)
    assert str(module["odd"].checked_type) == "fn (int32) -> bool"


def test_polymorphic_recursion_by_annotation():
    module = parse("""
    type Nest[A] { End, More(A, Nest[(A, A)]) }
    def @depth[A](%n: Nest[A]) -> int32 { match (%n) { End => { 0 }, More(_, %rest) => { 1 + @depth(%rest) } }
    }
    """)
    assert str(infer_type(module)["depth"].checked_type) == "fn [A](Nest[A]) -> int32"


def test_functions_of_a_module_are_general():
    module = parse("def @pair(%x, %y) { (%x, %y) }\ndef @main() { (@pair(1, 2f), @pair(True, ())) }")
    infer_type(module)
    assert str(module["pair"].checked_type) == "fn [a, b](a, b) -> (a, b)"
    assert str(module.main.checked_type) == "fn () -> ((int32, float32), (bool, ()))"


def test_backward_from_the_result():
    """The element type of an operand follows from the other one; an annotation gives what an argument is."""
    x = Var("x", TensorType((3,), IncompleteType(Kind.BASE_TYPE)))
    program = Function((x,), op("add")(x, Var("y", TensorType((3,), "float64"))))
    assert str(infer_type(program).checked_type) == "fn (Tensor[(3,), float64]) -> Tensor[(3,), float64]"
    text = "fn (%x) -> Tensor[(2, 3), float32] { negative(%x) }"
    assert typed(text) == "fn (Tensor[(2, 3), float32]) -> Tensor[(2, 3), float32]"


def test_incomplete_annotations():
    text = "fn (%x: Tensor[(_, 3), _]) -> Tensor[(2, _), int8] { negative(%x) }"
    assert typed(text) == "fn (Tensor[(2, 3), int8]) -> Tensor[(2, 3), int8]"
    assert typed("let %x: (_, float32) = (1, 2f); %x.0") == "int32"


def test_a_dimension_that_only_a_call_brings():
    x = Var("x", TensorType((ANY, 3)))
    assert str(infer_type(op("add")(x, x)).checked_type) == "Tensor[(?, 3), float32]"
    text = "(fn (%x: Tensor[(?,), float32]) { %x })([1f, 2f])"
    assert typed(text) == "Tensor[(?,), float32]"
    text = "fn (%x: Tensor[(?,), float32]) { if (True) { [1f, 2f] } else { %x } }"
    assert typed(text) == "fn (Tensor[(?,), float32]) -> Tensor[(?,), float32]"


def test_type_parameters_of_every_kind():
    text = "fn [n: ShapeVar, D: BaseType](%x: Tensor[(n, 2), D]) { negative(%x) }"
    assert typed(text) == "fn [n: ShapeVar, D: BaseType](Tensor[(n, 2), D]) -> Tensor[(n, 2), D]"
    call = f"({text})([[1f, 2f]])"
    assert typed(call) == "Tensor[(1, 2), float32]"
    shape = "(fn [S: Shape](%x: Tensor[S, float32]) -> Tensor[S, float32] { %x })([1f])"
    assert typed(shape) == "Tensor[(1,), float32]"


def test_a_required_relation_is_checked_at_the_call():
    text = "free_var %f: fn [A, B](A, A) -> B where [add(A, A, B)]; %f({})"
    assert typed(text.format("1, 2")) == "int32"
    with pytest.raises(TypeInferenceError, match=r"the call of the variable %f: add\(.*tensor is needed"):
        typed(text.format("(1,), (2,)"))


def test_operators_are_values():
    assert typed("let %f = negative; %f(1f)") == "float32"
    with pytest.raises(TypeInferenceError, match="takes any number of arguments, and is no value"):
        typed("@id(nn.attention)")


def test_deep_graphs_and_lets_need_no_stack():
    x = Var("x", TensorType((2,)))
    graph = x
    for _ in range(5000):
        graph = op("negative")(graph)
    assert str(infer_type(graph).checked_type) == "Tensor[(2,), float32]"
    body, names = x, [Var(f"v{i}") for i in range(3000)]
    for at in reversed(range(3000)):
        body = Let(names[at], op("negative")(names[at - 1] if at else x), body if at < 2999 else names[-1])
    assert str(infer_type(body).checked_type) == "Tensor[(2,), float32]"
    nested = x
    for _ in range(3000):
        nested = Tuple((nested,))
    program = TupleGetItem(nested, 0)
    infer_type(program)
    assert program.has_type


WRONG = [
    ("1 + 2f", r"text:1:3: the call of add: add\(int32, float32\): .*cast one of them"),
    ("[1f, 2f] + [1f, 2f, 3f]", r"the shapes \(2,\) and \(3,\) cannot be broadcast"),
    ("if (1) { 2 } else { 3 }", "the condition is of type int32; bool is needed"),
    ("if (True) { 2 } else { () }", r"the branch for a false condition is of type \(\); int32 is needed"),
    ("(1, 2).2", r"\(int32, int32\) has no field 2"),
    ("let %x = 1; %x(2)", "what is called is of type int32; a function is needed"),
    ("(fn (%x: float32) { %x })(1)", "argument 1 is of type int32; float32 is needed|%x is of type int32"),
    ("@id(1, 2)", "2 arguments are given to a function of type .*; 1 are needed"),
    ("let %x: float32 = 1; %x", "the value of %x is of type int32; float32 is needed"),
    ("fn (%x: int32) -> float32 { %x }", "the body is of type int32; float32 is needed"),
    ("Cons(1, Cons(True, Nil))", r"argument 2 is of type List\[bool\]; List\[int32\] is needed"),
    ("match (1) { Cons(_, _) => { 1 }, Nil => { 2 } }", "what is matched with Cons is of type int32"),
    (
        "match (Nil) { Cons(%x) => { 1 }, Nil => { 2 } }",
        "the pattern of Cons has 1 parts; the constructor has 2",
    ),
    ("match (Cons(1, Nil)) { Nil => { 2 } }", r"the match has no case for Cons\(_, _\)"),
    ("match (Cons(1, Nil)) { Nil => { 1 }, Cons(_, _) => { () } }", "the value of case 2"),
    ("ref_write(ref(1), True)", "the value that is written is of type bool; int32 is needed"),
    ("ref_read(1)", r"the reference is of type int32; Ref\[_\] is needed"),
    ("Nil", r"the call of Nil is of type List\[_\], which is not determined"),
    ("fn (%x) { %x * %x }", r"the type of multiply\(_, _\) cannot be determined; annotate"),
    ("fn (%x) { %x.0 }", "the type of _ cannot be determined"),
    ("fn (%x) { %x(%x) }", "a type would contain itself"),
    (
        "fn (%f) { fn [A](%x: A) { if (True) { %x } else { %f } } }",
        "the type parameter A would leave the function",
    ),
    ("@id[int32, int32](1)", "1 type arguments are needed, not 2"),
    ("(fn [n: ShapeVar](%x: Tensor[(n, n), float32]) { %x })([[1f, 2f]])", "is of type|differ"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_the_error_of_a_wrong_program_names_the_place_and_both_types(text, message):
    with pytest.raises(TypeInferenceError, match=message) as error:
        typed(text)
    assert str(error.value).startswith("text:1:")


def test_an_expression_of_unknown_place_is_named_by_what_it_is():
    with pytest.raises(TypeInferenceError, match=r"^the call of add: add\(Tensor\[\(3,\), float32\]"):
        infer_type(op("add")(Var("x", TensorType((3,))), Var("y", TensorType((4,)))))


def test_unknown_functions_and_types():
    with pytest.raises(TypeInferenceError, match="unknown function 'mapp'; did you mean 'map'"):
        infer_type(Call(GlobalVar("mapp"), ()), prelude())
    x = Var("x", parse_expr("free_var %x: List[int32]; %x", prelude()).annotation)
    with pytest.raises(TypeInferenceError, match="unknown data type 'List'"):
        infer_type(x)
    with pytest.raises(TypeInferenceError, match="unknown element type 'float33'"):
        infer_type(Var("x", TensorType((3,), "float33")))
    with pytest.raises(TypeInferenceError, match="of the kind Shape; ShapeVar is needed"):
        infer_type(Var("x", TensorType((TypeVar("S", Kind.SHAPE),))))


def test_types_of_values_are_those_that_inference_finds():
    """On random programs: inference succeeds, and says for ``main`` what the interpreter returns."""
    from compiler.relay.interpret import evaluate
    from tests.compiler.relay.random_programs import random_arguments

    for seed in range(15):
        module = infer_type(random_module(seed))
        value = evaluate(module, *random_arguments(seed))
        assert fits(value, module.main.checked_type.result), (seed, value)


def fits(value, type_) -> bool:
    """Whether a value is of a type."""
    if isinstance(type_, TensorType):
        return type_.dims == value.shape and type_.dtype == value.dtype.name
    if hasattr(type_, "fields"):
        return all(map(fits, value, type_.fields))
    return value.constructor.belongs_to == type_.name and all(
        fits(f, type_.arguments[0] if at == 0 else type_) for at, f in enumerate(value.fields)
    )


def test_scalars_are_tensors():
    assert infer_type(Constant(np.zeros(()))).checked_type == scalar("float64")
