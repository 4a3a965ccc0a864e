//go:build !linux

package upgrader

// do does something.
func (*User) do(something func() error) error { return something() }
