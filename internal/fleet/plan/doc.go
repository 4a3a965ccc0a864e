// Package plan decides how a release goes over the machines of a fleet. It is pure: Next looks at a deploy
// and its machines and says what is to be done, Apply says what the deploy is afterwards. What performs that
// is the conductor of relevo-fleet.
//
// A deploy goes in stages. The machines of a stage, its members, get a turn each: the right to put the
// release in place and to roll. The first stage is the canary; each later one is a wave. The next stage
// begins when all members have done their turn and have baked: served for a while without a fault.
//
//	rolling ──► complete           every machine that is present has the release
//	   │ ▲
//	   ▼ │ resume
//	paused, held                   held: a machine has failed; paused: an operator wants it
//	   │
//	   ▼
//	rolling back ──► rolled back   the machines that this deploy has changed go back
//	aborted                        an operator has ended it; the machines stay as they are
//
// In complete and rolled back, a machine that comes back later gets its turn by the same rules. What always
// holds, and is fuzzed:
//
//   - No more machines are at work at a time than a stage may have.
//   - A stage begins only when no machine is at work for an earlier one.
//   - Until a canary has baked, no other machine is touched.
//   - After a failure no machine gets the release until an operator says so.
package plan
