"""What the loop IR means: interpreter, types, verifier, accesses, equality."""
