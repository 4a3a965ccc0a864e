// Package monitor runs the health check of a pool's workers, and does what package health decides
// from the answers.
//
//	each interval   Run ─► Status of the pool ─► ask each worker ─► health.Judge
//	                                                                     │ verdict
//	                       warning, event  ◄── tell ◄────────────────────┤
//	                       no new clients  ◄── suspend ◄─────────────────┤
//	                       another worker  ◄── Pool.Unhealthy ◄──────────┘
//
//	before a worker serves   launch ─► Admission ─► admit: asks until it is well, or too late
//
// It owns the results, which are part of the legacy (Legacy, TakeOver). While another master is
// about to take over, it asks no worker (Pause).
package monitor
