//go:build !linux

package launch

// ownOOMKills has nothing to count on this system.
func ownOOMKills() oomCount { return oomCount{place: machineWide} }

func (g *cgroup) oomKills() (kills uint64, ok bool) { return 0, false }
