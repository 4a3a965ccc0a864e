//go:build !linux

package upgrader

import (
	"syscall"
	"time"
)

// InPlace is left to Linux.
type InPlace struct {
	Path     string
	Args     []string
	Patience time.Duration
	HoldBack []syscall.Signal
	Still    func() error
	Owed     func() []syscall.Signal
}

// Check says that it cannot be done here.
func (p *InPlace) Check(Legacy) error { return errOnlyLinux }

// Exec says that it cannot be done here.
func (p *InPlace) Exec(Legacy) error { return errOnlyLinux }

// IsAfterExec says no.
func IsAfterExec() bool { return false }

// AfterExec returns nil.
func AfterExec() (*Received, error) { return nil, nil }

// BeforeExec says that it cannot be done here.
func BeforeExec() (*Received, error) { return nil, errOnlyLinux }

// Approve says that it cannot be done here.
func (in *Received) Approve() error { return errOnlyLinux }

// ReadCheck says that it cannot be done here.
func ReadCheck() ([]byte, error) { return nil, errOnlyLinux }
