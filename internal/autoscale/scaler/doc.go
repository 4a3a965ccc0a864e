// Package scaler looks at the load of a pool of workers, and changes their number as package
// autoscale decides.
//
//	each second   Run ─► Status of the pool, accept queues, meter ─► autoscale.Decider
//	                                                                       │ decision
//	              event, status  ◄── Pool.ResizeFor ◄──────────────────────┘
//
// While there is almost no load it looks when a client comes, and from time to time. It looks at
// nothing while the configuration or a user names one number of workers. The user's number and the
// last decision pass from one master to the next (Legacy, TakeOver).
package scaler
