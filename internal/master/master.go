package master

import "relevo/internal/control"

// Master is a running app.
type Master struct {
	*core
	*rolls
	*requests
	*replacement
	*starts
	*maker

	loop    *loop
	control *control.Server
	answers bool // clients of the control socket
}

// Warn sets the one warning of a kind that `relevo status` shows; an empty text
// takes it away.
func (m *Master) Warn(kind, text string) { m.announcer.Warnings.Set(kind, text) }

// Dropped counts the connections that the kernel has turned away at the present listeners since
// they were opened; ok is false if the kernel does not say.
func (m *Master) Dropped() (n int, ok bool) { return m.listeners.Set.Dropped() }
