//go:build !linux

package listeners

import "errors"

// queueLength is left to Linux.
func queueLength(*Listener) int { return 0 }

// waiting is left to Linux.
func waiting(*Listener) int { return 0 }

func (l *Listener) peer() string      { return "" }
func (l *Listener) disconnect() error { return nil }

// shutDown is left to Linux; elsewhere Inspect calls listen(2) for nothing else.
func shutDown(*Listener) bool { return false }

func (s *Set) renew(*Listener) error { return errors.ErrUnsupported }
