// Package filter is the filter for system calls that stops a program in bind(2), and tells its
// master about it. It imports nothing but package syscall and what that needs itself, because the
// shim uses it, which runs before all other packages are initialised: see package shim.
package filter

// The messages about the filter, which come first on a shim's channel.
const (
	Captured        = 'c' // the descriptor of the notifications comes with it
	NoNewPrivileges = 'n' // the same, and the filter needed no_new_privs
	Uncaptured      = 'u' // there is no filter; the reason follows, up to a line feed
)
