// Package background has what work beside requests is made of: a Broadcast wakes all who wait for a
// change. Its zero value is ready, and it is safe for concurrent use.
package background
