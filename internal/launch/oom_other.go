//go:build !linux

package launch

// ownOOMKills: there is no counter here.
func ownOOMKills() oomCount { return oomCount{place: machineWide} }

func (g *cgroup) oomKills() (kills uint64, ok bool) { return 0, false }
