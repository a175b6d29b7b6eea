"""Derivatives of programs: first order, and of programs with closures, references and control flow."""
