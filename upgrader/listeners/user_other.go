//go:build !linux

package listeners

// do does something.
func (*User) do(something func() error) error { return something() }
