"""A typed functional graph language for models, and its compiler (Relay, arXiv 1810.00952)."""

import compiler.relay.notation.printer  # defines what `str` of a type, an expression and a module is
