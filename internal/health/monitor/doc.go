// Package monitor puts the health check to the workers of a pool, and does what package
// health decides of the answers.
//
//	each interval   Run ─► Status of the pool ─► ask each worker ─► health.Judge
//	                                                                     │ verdict
//	                       warning, event  ◄── tell ◄────────────────────┤
//	                       no new clients  ◄── suspend ◄─────────────────┤
//	                       another worker  ◄── Pool.Unhealthy ◄──────────┘
//
//	before a worker serves   launch ─► Admission ─► admit: asks until it is well, or too late
//
// It owns what is known of the answers, which goes from one master to the next (Legacy,
// TakeOver). While another master may go on it asks nobody (Pause).
package monitor
