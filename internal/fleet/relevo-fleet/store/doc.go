// Package store is what a fleet keeps in etcd: the keys, what stands there, and who changes what.
//
//	/relevo-fleet/apps/APP/wanted            the deploy (type Deploy): what is wanted, and how far it is
//	/relevo-fleet/apps/APP/turns/MACHINE     the turn of a machine (type Turn)
//	/relevo-fleet/apps/APP/conductor/LEASE   etcd's election of the conductor (type Conductor)
//	/relevo-fleet/machines/MACHINE/lease     the agent that is connected (type Presence); ends with its lease
//	/relevo-fleet/machines/MACHINE/apps/APP  what the machine runs (type Report)
//	/relevo-fleet/record/APP/deploys/DEPLOY  the last state of each deploy
//	/relevo-fleet/record/APP/audit/DEPLOY/N  who did what, and when (type Entry)
//
// An agent writes the two keys of its machine, and nothing else. Operators and conductors write below apps
// and record. So with roles of etcd no agent can give itself a turn.
//
// Every write is a transaction that compares what it was decided on:
//
//   - An operator changes the deploy only as it was read (its revision).
//   - A conductor does, too, and only while it is the elected one: the key of its election still has the
//     revision that it was elected with.
//   - An agent takes a turn only if the turn is the one that it has read, and the key of its own presence
//     still has its own lease. An agent that was frozen past its lease, or whose turn was withdrawn,
//     changes nothing. A report replaces only the report that the agent has seen last, so a report that
//     reaches etcd late does not replace a newer one.
//
// A new stage, a failure and an abort delete all turns in the same transaction, so a turn is never valid for
// longer than its stage.
package store
