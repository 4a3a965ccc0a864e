package master

import (
	"fmt"
	"strings"

	"relevo/internal/whole"
)

// maker opens the parts of a first master, or takes them over from a legacy.
type maker struct {
	*core
	*starts
}

// whole returns an error if a part that a running master needs is missing. A previous master, if
// there is one, keeps running then.
func (m *maker) whole() error {
	missing := whole.Missing(&m.parts)
	if m.generations != nil {
		missing = append(missing, m.generations.Missing()...)
	}
	if m.boot != nil {
		missing = append(missing, m.boot.missing(m.stage.is().Served)...)
	}
	if m.running() == nil {
		missing = append(missing, "pool")
	}
	if len(missing) > 0 {
		return fmt.Errorf("internal error: the master was made without its %s", strings.Join(missing, ", "))
	}
	return nil
}
