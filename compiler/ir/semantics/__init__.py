"""The meaning of the loop IR: interpreter, verifier, types, memory accesses, equality."""
