"""The CPU back end: loop IR -> LLVM's IR -> machine code."""
