// Package background has Broadcast, which wakes all goroutines that wait for a change. Its zero value
// is ready, and it is safe for concurrent use.
package background
