// Package background has what work beside requests is made of: a Retry asks again for what was
// refused, a Broadcast wakes all who wait for a change. Their zero values are ready, and they are
// safe for concurrent use.
package background
