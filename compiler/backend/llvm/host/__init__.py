"""Machine code in this process: linking, calls, the thread pool and the timer."""
