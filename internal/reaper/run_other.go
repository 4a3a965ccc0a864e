//go:build !linux

package reaper

import "context"

// Needed says whether the kernel gives orphans to this process. Elsewhere they go
// to the system's own init.
func Needed() bool { return false }

// Run waits for the end of ctx.
func (r *Reaper) Run(ctx context.Context) { <-ctx.Done() }
