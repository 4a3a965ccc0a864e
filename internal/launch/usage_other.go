//go:build !linux

package launch

import (
	"errors"
	"time"
)

// Place is where the use of processors by a worker is read.
type Place struct{}

// PlaceOf is for Linux.
func PlaceOf(int) Place { return Place{} }

// CPU is not known here.
func (Place) CPU() (time.Duration, error) { return 0, errors.ErrUnsupported }

// Pressure is not known here.
func (Place) Pressure() float64 { return 0 }

// FreeMemory is not known here.
func FreeMemory() (bytes int64, ok bool) { return 0, false }
