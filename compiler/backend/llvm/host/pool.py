"""The thread pool that parallel loops of compiled code run on.

The pool is LLVM code over POSIX threads, so a parallel region costs microseconds and needs neither
the interpreter's lock nor a C compiler. The thread that launches a region takes part in it. Chunks of
the range are handed out by an atomic counter. A region is open only until its counter runs out: a
worker that wakes too late finds it closed, so no thread ever waits for a sleeping one.

Idle workers spin for some tens of microseconds, then yield, then sleep on a condition variable.
A launch from inside a region, or while another thread's region runs, runs its whole range in the calling
thread.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import signal
import threading
from typing import Any

from compiler.backend.llvm.host.loader import Library, load_text
from compiler.runtime.threads import MAX_THREADS, on_num_threads, reset_after_fork

# attempts of an idle worker before it yields, and before it sleeps
_SPINS = 1000
_YIELDS = 64
# chunks per thread: enough to balance unequal iterations, few enough that a thread runs adjacent iterations
_CHUNKS = 4
# stack of a worker; the default of some systems is no larger than what compiled code may use
_STACK_BYTES = 4 * 1024 * 1024

# The upper half of `state` is the number of the region. In the lower half, bit 31 is set once the region is
# closed, and the other bits are the number of workers in it. A worker joins by adding one to a state that is
# open, so the launching thread, which closes it and then waits for the count to fall to zero, never returns
# under a running worker.
_TEXT = """
@busy = internal global i32 0, align 128
@state = internal global i64 2147483648, align 128
@next = internal global i64 0, align 128
@function = internal global ptr null, align 128
@closure = internal global ptr null, align 8
@extent = internal global i64 0, align 8
@chunk = internal global i64 0, align 8
@wanted = internal global i64 1, align 128
@configured = internal global i64 1, align 8
@workers = internal global i64 0, align 8
@stop = internal global i32 0, align 128
@sleepers = internal global i32 0, align 128
@mutex = internal global [128 x i8] zeroinitializer, align 128
@condition = internal global [128 x i8] zeroinitializer, align 128
@threads = internal global [{max_threads} x i64] zeroinitializer, align 128
@signals = internal global [256 x i8] zeroinitializer, align 128
@former_signals = internal global [256 x i8] zeroinitializer, align 128
@attributes = internal global [256 x i8] zeroinitializer, align 128

declare i32 @pthread_create(ptr, ptr, ptr, ptr) nounwind
declare i32 @pthread_attr_init(ptr) nounwind
declare i32 @pthread_attr_setstacksize(ptr, i64) nounwind
declare i32 @pthread_attr_destroy(ptr) nounwind
declare i32 @pthread_join(i64, ptr) nounwind
declare i32 @pthread_mutex_init(ptr, ptr) nounwind
declare i32 @pthread_mutex_lock(ptr) nounwind
declare i32 @pthread_mutex_unlock(ptr) nounwind
declare i32 @pthread_cond_init(ptr, ptr) nounwind
declare i32 @pthread_cond_wait(ptr, ptr) nounwind
declare i32 @pthread_cond_broadcast(ptr) nounwind
declare i32 @pthread_sigmask(i32, ptr, ptr) nounwind
declare i32 @sigfillset(ptr) nounwind
declare i32 @sched_yield() nounwind

define internal void @take_part() nounwind {{
entry:
  %function = load ptr, ptr @function, align 8
  %closure = load ptr, ptr @closure, align 8
  %extent = load i64, ptr @extent, align 8
  %chunk = load i64, ptr @chunk, align 8
  br label %take
take:
  %begin = atomicrmw add ptr @next, i64 %chunk monotonic
  %left = icmp slt i64 %begin, %extent
  br i1 %left, label %run, label %done
run:
  %limit = add i64 %begin, %chunk
  %within = icmp slt i64 %limit, %extent
  %end = select i1 %within, i64 %limit, i64 %extent
  call void %function(i64 %begin, i64 %end, ptr %closure)
  br label %take
done:
  ret void
}}

; the loop of a worker; `last` is the last region that it took part in
define internal ptr @worker(ptr %nothing) nounwind {{
entry:
  br label %watch
watch:
  %last = phi i64 [ -1, %entry ], [ %region, %leave ], [ %last, %woken ]
  br label %look
look:
  %count = phi i64 [ 0, %watch ], [ %count.next, %rest ], [ %count.next, %yield ], [ %count, %join ]
  %stop = load atomic i32, ptr @stop monotonic, align 4
  %stopping = icmp ne i32 %stop, 0
  br i1 %stopping, label %end, label %compare
compare:
  %state = load atomic i64, ptr @state acquire, align 8
  %low = trunc i64 %state to i32
  %closed = icmp slt i32 %low, 0
  %region = lshr i64 %state, 32
  %same = icmp eq i64 %region, %last
  %nothing.new = or i1 %closed, %same
  br i1 %nothing.new, label %idle, label %join
join:
  %state.joined = add i64 %state, 1
  %exchange = cmpxchg ptr @state, i64 %state, i64 %state.joined acq_rel monotonic
  %joined = extractvalue {{ i64, i1 }} %exchange, 1
  br i1 %joined, label %leave, label %look
leave:
  call void @take_part()
  %state.before = atomicrmw sub ptr @state, i64 1 release
  br label %watch
idle:
  %count.next = add i64 %count, 1
  %spins = icmp ult i64 %count, {spins}
  br i1 %spins, label %rest, label %idle.more
rest:
  {pause}
  br label %look
idle.more:
  %yields = icmp ult i64 %count, {spins_and_yields}
  br i1 %yields, label %yield, label %sleep
yield:
  %yielded = call i32 @sched_yield()
  br label %look
sleep:
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %sleepers = atomicrmw add ptr @sleepers, i32 1 seq_cst
  %stop.again = load atomic i32, ptr @stop seq_cst, align 4
  %stopping.again = icmp ne i32 %stop.again, 0
  %state.again = load atomic i64, ptr @state seq_cst, align 8
  %low.again = trunc i64 %state.again to i32
  %open.again = icmp sge i32 %low.again, 0
  %region.again = lshr i64 %state.again, 32
  %other.again = icmp ne i64 %region.again, %last
  %new.again = and i1 %open.again, %other.again
  %awake = or i1 %stopping.again, %new.again
  br i1 %awake, label %woken, label %wait
wait:
  ; spurious wake-ups are harmless: the worker spins again, and after one region the next is likely soon
  %waited = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %woken
woken:
  %sleepers.before = atomicrmw sub ptr @sleepers, i32 1 seq_cst
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %watch
end:
  ret ptr null
}}

; a worker that goes to sleep holds the mutex from its last look until it waits, so none is missed
define internal void @wake() nounwind {{
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr @condition)
  ret void
}}

; end all workers and start `wanted - 1` new ones; the caller is the one that is busy
define internal void @configure(i64 %wanted) nounwind {{
entry:
  %old = load i64, ptr @workers, align 8
  %any = icmp sgt i64 %old, 0
  br i1 %any, label %halt, label %start
halt:
  store atomic i32 1, ptr @stop seq_cst, align 4
  call void @wake()
  br label %join
join:
  %i = phi i64 [ 0, %halt ], [ %i.next, %join ]
  %slot = getelementptr inbounds i64, ptr @threads, i64 %i
  %thread = load i64, ptr %slot, align 8
  %joined = call i32 @pthread_join(i64 %thread, ptr null)
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %old
  br i1 %more, label %join, label %halted
halted:
  store atomic i32 0, ptr @stop seq_cst, align 4
  br label %start
start:
  store i64 0, ptr @workers, align 8
  store i64 %wanted, ptr @configured, align 8
  ; signals are for the threads of the interpreter, whose system calls they must interrupt
  %filled = call i32 @sigfillset(ptr @signals)
  %masked = call i32 @pthread_sigmask(i32 {set_mask}, ptr @signals, ptr @former_signals)
  %initialised = call i32 @pthread_attr_init(ptr @attributes)
  %sized = call i32 @pthread_attr_setstacksize(ptr @attributes, i64 {stack})
  br label %test
test:
  %j = phi i64 [ 0, %start ], [ %j.next, %created ]
  %j.next = add i64 %j, 1
  %needed = icmp slt i64 %j.next, %wanted
  br i1 %needed, label %create, label %done
create:
  %new = getelementptr inbounds i64, ptr @threads, i64 %j
  %status = call i32 @pthread_create(ptr %new, ptr @attributes, ptr @worker, ptr null)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %done, label %created
created:
  store i64 %j.next, ptr @workers, align 8
  br label %test
done:
  %destroyed = call i32 @pthread_attr_destroy(ptr @attributes)
  %unmasked = call i32 @pthread_sigmask(i32 {set_mask}, ptr @former_signals, ptr null)
  ret void
}}

define void @espalier_parallel_launch(ptr %function, ptr %closure, i64 %extent) nounwind {{
entry:
  %some = icmp sgt i64 %extent, 0
  br i1 %some, label %check, label %return
check:
  %wanted = load atomic i64, ptr @wanted monotonic, align 8
  %serial = icmp sle i64 %wanted, 1
  %single = icmp eq i64 %extent, 1
  %alone = or i1 %serial, %single
  br i1 %alone, label %inline, label %acquire
acquire:
  %exchange = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %acquired = extractvalue {{ i32, i1 }} %exchange, 1
  br i1 %acquired, label %prepare, label %inline
prepare:
  %configured = load i64, ptr @configured, align 8
  %as.wanted = icmp eq i64 %configured, %wanted
  br i1 %as.wanted, label %ready, label %change
change:
  call void @configure(i64 %wanted)
  br label %ready
ready:
  %workers = load i64, ptr @workers, align 8
  %none = icmp eq i64 %workers, 0
  br i1 %none, label %release.inline, label %publish
publish:
  %threads = add i64 %workers, 1
  %parts = mul i64 %threads, {chunks}
  %even = udiv i64 %extent, %parts
  %chunk = call i64 @llvm.smax.i64(i64 %even, i64 1)
  store ptr %function, ptr @function, align 8
  store ptr %closure, ptr @closure, align 8
  store i64 %extent, ptr @extent, align 8
  store i64 %chunk, ptr @chunk, align 8
  store atomic i64 0, ptr @next monotonic, align 8
  %state = load atomic i64, ptr @state monotonic, align 8
  %region = lshr i64 %state, 32
  %region.next = add i64 %region, 1
  %opened = shl i64 %region.next, 32
  store atomic i64 %opened, ptr @state seq_cst, align 8
  %sleepers = load atomic i32, ptr @sleepers seq_cst, align 4
  %asleep = icmp sgt i32 %sleepers, 0
  br i1 %asleep, label %alarm, label %work
alarm:
  call void @wake()
  br label %work
work:
  call void @take_part()
  %closing = atomicrmw or ptr @state, i64 2147483648 acq_rel
  br label %wait
wait:
  %count = phi i64 [ 0, %work ], [ %count.next, %wait.pause ], [ %count, %wait.yield ]
  %now = load atomic i64, ptr @state acquire, align 8
  %inside = and i64 %now, 2147483647
  %finished = icmp eq i64 %inside, 0
  br i1 %finished, label %release, label %wait.more
wait.more:
  %count.next = add i64 %count, 1
  %spins = icmp ult i64 %count, {spins}
  br i1 %spins, label %wait.pause, label %wait.yield
wait.pause:
  {pause}
  br label %wait
wait.yield:
  %yielded = call i32 @sched_yield()
  br label %wait
release:
  store atomic i32 0, ptr @busy release, align 4
  br label %return
release.inline:
  store atomic i32 0, ptr @busy release, align 4
  br label %inline
inline:
  call void %function(i64 0, i64 %extent, ptr %closure)
  br label %return
return:
  ret void
}}

define void @espalier_pool_want(i64 %threads) nounwind {{
  store atomic i64 %threads, ptr @wanted monotonic, align 8
  ret void
}}

; end all workers unless a region runs: 1 if done
define i32 @espalier_pool_stop() nounwind {{
entry:
  store atomic i64 1, ptr @wanted monotonic, align 8
  %exchange = cmpxchg ptr @busy, i32 0, i32 1 acquire monotonic
  %acquired = extractvalue {{ i32, i1 }} %exchange, 1
  br i1 %acquired, label %stop, label %return
stop:
  call void @configure(i64 1)
  store atomic i32 0, ptr @busy release, align 4
  br label %return
return:
  %result = zext i1 %acquired to i32
  ret i32 %result
}}

; forget the workers: before first use, and in a forked child, which has none of its parent's threads
define void @espalier_pool_reset() nounwind {{
  store i64 0, ptr @workers, align 8
  store i64 1, ptr @configured, align 8
  store atomic i32 0, ptr @stop seq_cst, align 4
  store atomic i32 0, ptr @sleepers seq_cst, align 4
  store atomic i64 2147483648, ptr @state seq_cst, align 8
  %mutex = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %condition = call i32 @pthread_cond_init(ptr @condition, ptr null)
  store atomic i32 0, ptr @busy release, align 4
  ret void
}}
"""

_PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "aarch64": "call void @llvm.aarch64.hint(i32 1)"}
_PAUSE["arm64"] = _PAUSE["aarch64"]

LAUNCH = "espalier_parallel_launch"
_SYMBOLS = (LAUNCH, "espalier_pool_want", "espalier_pool_stop", "espalier_pool_reset")

_lock = threading.Lock()
_pool: Library | None = None


def launch_address() -> int:
    """The address of ``void launch(void fn(i64 begin, i64 end, ptr closure), ptr closure, i64 extent)``.

    The first call makes the pool; its threads start with the first region.
    """
    global _pool
    with _lock:
        if _pool is None:
            text = _TEXT.format(
                max_threads=MAX_THREADS,
                spins=_SPINS,
                spins_and_yields=_SPINS + _YIELDS,
                chunks=_CHUNKS,
                stack=_STACK_BYTES,
                pause=_PAUSE.get(platform.machine().lower(), ""),
                set_mask=int(signal.SIG_SETMASK),
            )
            _pool = load_text(text, _SYMBOLS)
            _pool.keep()
            _function("espalier_pool_reset")()
            on_num_threads(_function("espalier_pool_want", ctypes.c_int64))
            os.register_at_fork(after_in_child=_after_fork)
            atexit.register(_at_exit)
        return _pool.addresses[LAUNCH]


def _function(name: str, *arguments: type) -> Any:
    assert _pool is not None
    return ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(_pool.addresses[name])


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # the thread that held it may not exist in the child
    reset_after_fork()
    _function("espalier_pool_reset")()


def _at_exit() -> None:
    # a region that a daemon thread still runs keeps its workers; their code is never freed
    _function("espalier_pool_stop")()
