//go:build !linux

package launch

// KillStrays is left to Linux, where a master can die without its workers.
func (l *Launcher) KillStrays(string) []int { return nil }
