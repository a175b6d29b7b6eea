"""Type inference: unification, type relations and their solver."""
