package upgrader

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cloudflare/tableflip"

	"relevo/config"
)

// Carrier keeps named files across a succession. tableflip's Fds is one.
type Carrier interface {
	// File returns a copy of the file inherited under the name, nil if none was.
	File(name string) (*os.File, error)
	// AddFile keeps a copy of the file for the next master.
	AddFile(name string, file *os.File) error
}

// Upgrader owns the listeners of a master.
type Upgrader struct {
	carrier   Carrier
	log       *slog.Logger
	listeners []*Listener
	stop      func() // ends the carrier
}

// New returns the Upgrader of this process. There can be one only, for tableflip
// keeps one table a process.
func New(log *slog.Logger) (*Upgrader, error) {
	flip, err := tableflip.New(tableflip.Options{})
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the succession: %w", err)
	}
	return &Upgrader{carrier: flip, log: log, stop: flip.Stop}, nil
}

// NewWith returns an Upgrader on any carrier.
func NewWith(c Carrier, log *slog.Logger) *Upgrader {
	return &Upgrader{carrier: c, log: log, stop: func() {}}
}

// Listen opens all sockets or none. The carrier gets them when all are open, for
// it does not give back what it has.
func (u *Upgrader) Listen(wanted []config.Listen) ([]*Listener, error) {
	for _, w := range wanted {
		l, err := bind(w)
		if err != nil {
			return nil, errors.Join(err, u.closeListeners())
		}
		u.listeners = append(u.listeners, l)
	}
	for _, l := range u.listeners {
		if err := u.keep(l); err != nil {
			return nil, errors.Join(err, u.closeListeners())
		}
	}
	return u.listeners, nil
}

func (u *Upgrader) keep(l *Listener) error {
	// While the socket still blocks: a copy made now is not polled either.
	if err := u.carrier.AddFile(carrierName(l.Listen), l.file); err != nil {
		return fmt.Errorf("cannot keep listener %s for a succession: %w", l.Name, err)
	}
	return l.Reassert()
}

// carrierName is canonical: the same socket is found again whatever else the
// configuration says about it.
func carrierName(w config.Listen) string {
	return "listener " + w.Name + " " + string(w.Network) + " " + w.Address
}

// Listeners returns the sockets, in the order of the configuration.
func (u *Upgrader) Listeners() []*Listener { return u.listeners }

// Reassert mends what a worker may have done to the shared sockets: it made them
// blocking, or shortened their accept queues.
func (u *Upgrader) Reassert() {
	for _, l := range u.listeners {
		if err := l.Reassert(); err != nil {
			u.log.Error("listener is damaged", "listener", l.Name, "address", l.Address, "err", err)
		}
	}
}

// Close closes the listeners for good and removes the Unix sockets that are
// still this master's.
func (u *Upgrader) Close() error {
	err := u.closeListeners()
	u.stop()
	return err
}

func (u *Upgrader) closeListeners() error {
	var failed error
	for _, l := range u.listeners {
		failed = errors.Join(failed, l.close())
	}
	u.listeners = nil
	return failed
}
