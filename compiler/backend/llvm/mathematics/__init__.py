"""Mathematical functions as LLVM instructions, the same for a scalar and for vectors of any width."""
