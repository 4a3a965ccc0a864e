package launch

import (
	"relevo/internal/config"
	"relevo/internal/launch/shim"
)

// Both packages mean the same by no limit; a difference does not compile.
var _ = [1]struct{}{}[config.Unlimited-shim.Unlimited]

// limitsOf are the limits and the user that a shim takes before it execs.
func limitsOf(l config.Limits, a *Account, o Options) shim.Limits {
	limits := shim.Limits{Nice: l.Nice, OOMScoreAdj: l.OOMScoreAdj, Umask: l.Umask, DefaultOOMScoreAdj: o.OOMScoreAdj}
	for _, limit := range l.Rlimits {
		resource, known := rlimits()[limit.Name]
		if !known {
			resource = -1
		}
		limits.Rlimits = append(limits.Rlimits,
			shim.Rlimit{Name: limit.Name, Resource: resource, Soft: limit.Soft, Hard: limit.Hard})
	}
	if a != nil {
		limits.Account = &shim.Account{Name: a.Name, UID: a.UID, GID: a.GID, Groups: a.Groups}
	}
	return limits
}
