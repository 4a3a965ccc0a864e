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
// A roll takes the slots one after the other (Options.Surge at a time): a new
// worker starts beside the old one; when it is ready the old one is asked to
// leave. The first new worker is the canary: until it has lived through its
// probation nothing old is touched. A roll that fails puts the slots which it
// has replaced back on the old generation in the same manner.
//
// A generation is young for a while after its canary has passed. A crash storm in
// that time, faults of its workers, takes it back like a roll that failed, provided
// that the generation before it was sound when the roll began.
//
// A worker that hangs leaves its slot at once, which is filled as after a death. A
// worker that is recycled is replaced as in a roll, new beside old, one at a time
// in the pool and never during a roll.
package machine
