// Package pool keeps the workers of one app: it starts them, rolls them, lets
// them drain, respawns them and tells what happens. One goroutine, the loop of
// Run, owns all state; it asks the pure machine (pool/machine) what to do and
// does it through two seams, Release and Process.
//
// The words of this project, used in this sense everywhere:
//
//	master      the one relevo process of an app
//	worker      one process that serves
//	slot        a place in the pool, 0…N-1, stable
//	generation  a number for (release bytes + configuration); every worker has one
//	ready       the worker is known to serve: it said so, was observed to wait for clients,
//	            has accepted a connection, or its delay is over (delay, alive)
//	roll        replace all workers, planned
//	respawn     replace one after its death
//	recycle     replace one that serves by a new one of the same generation
//	fault       a death that speaks against the program
//	storm       so many faults during or soon after a roll that the roll is undone
//	quiesce     stop accepting new connections
//	drain       finish what was accepted
//	leave       what a worker does from its drain, or its stop signal, to its end
//	kill        the end of patience
//	backoff     the wait before a respawn
//	shim        the small process that a worker begins as: it prepares itself, and execs the program
//	canary      the first worker of a new generation, on probation
//	probation   the time in which the death of a ready canary fails its roll
//	admit       give a worker clients like all others: a canary after its probation, any
//	            worker after a health check
//	release     the bytes that workers run, with what else decides how they run
//	inherit     what a worker does with its master's sockets
//	seat        a listening socket of one worker's own; the master steers clients to it
//	suspended   a seat that gets no new clients, because its worker fails its health check
//	park        have a socket refuse clients and keep its address
//	led out     a worker that cannot drain: the master takes clients and idle connections
//	            from it before it gets the stop signal
//	legacy      everything that outlives one master (files + one state document)
//	succession  one master handing its legacy to the next
//	take over   what a master does with the legacy of the previous one
//	adopt       what a master does with workers that another one has started
package pool
