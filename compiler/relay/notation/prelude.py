"""The prelude, in Relay's text: lists, options, trees and natural numbers, and the functions on them."""

from __future__ import annotations

from functools import cache

from compiler.relay.language.module import IRModule
from compiler.relay.notation.parser import parse

TEXT = """#[version = "0.0.5"]
type List[A] { Cons(A, List[A]), Nil }
type Option[A] { Some(A), None }
type Tree[A] { Rose(A, List[Tree[A]]) }
type Nat { Z, S(Nat) }

def @id[A](%x: A) -> A { %x }

def @compose[A, B, C](%f: fn(B) -> C, %g: fn(A) -> B) -> fn(A) -> C {
  fn (%x: A) -> C { %f(%g(%x)) }
}

def @flip[A, B, C](%f: fn(A, B) -> C) -> fn(B, A) -> C {
  fn (%b: B, %a: A) -> C { %f(%a, %b) }
}

def @iterate[A](%f: fn(A) -> A, %n: int32) -> fn(A) -> A {
  if (%n == 0) { fn (%x: A) -> A { %x } } else { @compose(%f, @iterate(%f, %n - 1)) }
}

def @hd[A](%xs: List[A]) -> A {
  match? (%xs) { Cons(%x, _) => { %x } }
}

def @tl[A](%xs: List[A]) -> List[A] {
  match? (%xs) { Cons(_, %rest) => { %rest } }
}

def @nth[A](%xs: List[A], %n: int32) -> A {
  if (%n == 0) { @hd(%xs) } else { @nth(@tl(%xs), %n - 1) }
}

def @update[A](%xs: List[A], %n: int32, %value: A) -> List[A] {
  if (%n == 0) { Cons(%value, @tl(%xs)) } else { Cons(@hd(%xs), @update(@tl(%xs), %n - 1, %value)) }
}

def @length[A](%xs: List[A]) -> int32 {
  @foldl(fn (%n: int32, %x: A) -> int32 { %n + 1 }, 0, %xs)
}

def @map[A, B](%f: fn(A) -> B, %xs: List[A]) -> List[B] {
  match (%xs) {
    Cons(%x, %rest) => { Cons(%f(%x), @map(%f, %rest)) },
    Nil => { Nil },
  }
}

def @filter[A](%f: fn(A) -> bool, %xs: List[A]) -> List[A] {
  match (%xs) {
    Cons(%x, %rest) => { if (%f(%x)) { Cons(%x, @filter(%f, %rest)) } else { @filter(%f, %rest) } },
    Nil => { Nil },
  }
}

def @foldl[A, B](%f: fn(A, B) -> A, %start: A, %xs: List[B]) -> A {
  match (%xs) {
    Cons(%x, %rest) => { @foldl(%f, %f(%start, %x), %rest) },
    Nil => { %start },
  }
}

def @foldr[A, B](%f: fn(A, B) -> B, %end: B, %xs: List[A]) -> B {
  match (%xs) {
    Cons(%x, %rest) => { %f(%x, @foldr(%f, %end, %rest)) },
    Nil => { %end },
  }
}

def @foldr1[A](%f: fn(A, A) -> A, %xs: List[A]) -> A {
  match? (%xs) {
    Cons(%x, Nil) => { %x },
    Cons(%x, %rest) => { %f(%x, @foldr1(%f, %rest)) },
  }
}

def @sum(%xs: List[int32]) -> int32 {
  @foldl(fn (%a: int32, %b: int32) -> int32 { %a + %b }, 0, %xs)
}

def @concat[A](%xs: List[A], %ys: List[A]) -> List[A] {
  @foldr(fn (%x: A, %rest: List[A]) -> List[A] { Cons(%x, %rest) }, %ys, %xs)
}

def @rev[A](%xs: List[A]) -> List[A] {
  @foldl(fn (%done: List[A], %x: A) -> List[A] { Cons(%x, %done) }, Nil, %xs)
}

def @zip[A, B](%xs: List[A], %ys: List[B]) -> List[(A, B)] {
  match ((%xs, %ys)) {
    (Cons(%x, %more_x), Cons(%y, %more_y)) => { Cons((%x, %y), @zip(%more_x, %more_y)) },
    _ => { Nil },
  }
}

def @map_accuml[A, B, C](%f: fn(A, B) -> (A, C), %start: A, %xs: List[B]) -> (A, List[C]) {
  match (%xs) {
    Cons(%x, %rest) => {
      let %one = %f(%start, %x);
      let %more = @map_accuml(%f, %one.0, %rest);
      (%more.0, Cons(%one.1, %more.1))
    },
    Nil => { (%start, Nil) },
  }
}

def @map_accumr[A, B, C](%f: fn(A, B) -> (A, C), %start: A, %xs: List[B]) -> (A, List[C]) {
  match (%xs) {
    Cons(%x, %rest) => {
      let %more = @map_accumr(%f, %start, %rest);
      let %one = %f(%more.0, %x);
      (%one.0, Cons(%one.1, %more.1))
    },
    Nil => { (%start, Nil) },
  }
}

def @unfoldr[A, B](%f: fn(A) -> Option[(A, B)], %seed: A) -> List[B] {
  match (%f(%seed)) {
    Some((%next, %value)) => { Cons(%value, @unfoldr(%f, %next)) },
    None => { Nil },
  }
}

def @unfoldl[A, B](%f: fn(A) -> Option[(A, B)], %seed: A) -> List[B] {
  @rev(@unfoldr(%f, %seed))
}

def @optional[A, B](%otherwise: B, %f: fn(A) -> B, %x: Option[A]) -> B {
  match (%x) {
    Some(%value) => { %f(%value) },
    None => { %otherwise },
  }
}

def @tmap[A, B](%f: fn(A) -> B, %tree: Tree[A]) -> Tree[B] {
  match (%tree) {
    Rose(%x, %children) => {
      Rose(%f(%x), @map(fn (%child: Tree[A]) -> Tree[B] { @tmap(%f, %child) }, %children))
    },
  }
}

def @size[A](%tree: Tree[A]) -> int32 {
  match (%tree) {
    Rose(_, %children) => { 1 + @sum(@map(fn (%child: Tree[A]) -> int32 { @size(%child) }, %children)) },
  }
}

def @nat_add(%x: Nat, %y: Nat) -> Nat {
  match (%x) {
    Z => { %y },
    S(%less) => { S(@nat_add(%less, %y)) },
  }
}

def @nat_double(%x: Nat) -> Nat {
  match (%x) {
    Z => { Z },
    S(%less) => { S(S(@nat_double(%less))) },
  }
}

def @nat_iterate[A](%f: fn(A) -> A, %n: Nat) -> fn(A) -> A {
  match (%n) {
    Z => { fn (%x: A) -> A { %x } },
    S(%less) => { @compose(%f, @nat_iterate(%f, %less)) },
  }
}
"""


@cache
def prelude() -> IRModule:
    """The module with the data types List, Option, Tree and Nat, and the functions on them.

    ``@id @compose @flip @iterate``; on lists ``@hd @tl @nth @update @length @map @filter @foldl @foldr
    @foldr1 @sum @concat @rev @zip @map_accuml @map_accumr @unfoldr @unfoldl``; ``@optional``; on trees
    ``@tmap @size``; on natural numbers ``@nat_add @nat_double @nat_iterate``. The constructor of an absent
    value is ``None``.
    """
    return parse(TEXT, source="prelude")
