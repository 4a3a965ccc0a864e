// Package machine decides what a pool does next. It is pure: Step takes the
// time and one event and returns the effects to perform; nothing here starts a
// process, reads a clock or waits. The words are those of package pool.
//
// A worker moves through these states; a slot without a worker is empty or in
// backoff:
//
//	         Spawn            ready             asked to leave
//	empty ──────────► starting ─────► serving ─────────────────► draining
//	  ▲                  │               │                          │
//	  │ wait over        │ gave up       │ died                     │ drain timeout
//	  │                  ▼               │                          ▼
//	backoff ◄─────── stopping ◄──────────┼───── (asked by message) stopping
//	  ▲                  │ stop grace    │                          │
//	  │                  ▼               ▼                          ▼
//	  └───────────── killing ──────► (exit) ◄──────────────────── killing
//
// A roll takes the slots one after the other (Options.Surge at a time): a new worker
// starts beside the old one; when it is ready the old one is asked to leave. The first
// new worker is the canary: no old worker is asked to leave before the canary has passed
// its probation. A roll that fails puts the slots which it has replaced back on the old
// generation in the same manner.
//
// After the canary has passed, a crash window is open for a while (Options.CrashWindow).
// A crash storm in that time, many faults of the new workers, undoes the roll like one
// that failed, provided that the old generation was sound when the roll began.
//
// A worker that hangs leaves its slot at once, and the slot is filled as after a death. A
// worker that is recycled is replaced as in a roll: the new one starts beside it. The
// pool recycles one worker at a time, and none during a roll.
//
// A pool that falls asleep has no slots until it wakes. A roll that is requested meanwhile
// begins when it wakes: the canary is the first worker, and the old generation takes its place
// if it fails. If it is late, it gives way to the old generation, and is tried again beside that.
package machine
