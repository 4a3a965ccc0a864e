package succession

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/upgrader"
)

// Carrier brings a legacy to the next program. The way by systemd's store needs none: a master that
// dies has no time to pass anything on, so its legacy is always stored.
type Carrier interface {
	// Pass returns the process that takes over the legacy. If that is this process, Pass has only
	// checked that the program could take over, and Become starts it.
	Pass(upgrader.Legacy) (pid int, err error)
	// Become replaces this program. It returns only if that fails. It calls still last: an error
	// calls the exec off. owed returns the signals that the next program has to handle.
	Become(l upgrader.Legacy, still func() error, owed func() []syscall.Signal) error
}

// Peer is the other master: the predecessor or the successor of this one.
type Peer interface {
	// Ready tells the previous master, if there is one, that it may end.
	Ready() error
	// AwaitPredecessor waits for the end of the previous master and returns its last word.
	AwaitPredecessor(context.Context) (upgrader.LastWord, error)
	// Confirm tells the next master that everything is its own, and whether to stop the app by
	// force. It is the last call of this master.
	Confirm(force bool) error
}

var _ Peer = (*upgrader.Flip)(nil)

// newCarrier returns the carrier of a way, to the program or the socket at a path.
func newCarrier(way Way, path string, a *Arrival) Carrier {
	switch way {
	case Asked:
		return asked{a.flip, path, a.patience}
	case Exec:
		return inPlace{&upgrader.InPlace{Path: path, Args: os.Args, Patience: a.patience, HoldBack: HandedSignals}}
	}
	return beside{a.flip}
}

// beside starts the next program as a process of its own: tableflip.
type beside struct{ flip *upgrader.Flip }

func (b beside) Pass(l upgrader.Legacy) (int, error) { return b.flip.Upgrade(l) }

func (beside) Become(upgrader.Legacy, func() error, func() []syscall.Signal) error {
	return errors.New("internal error: another process has taken over")
}

// inPlace makes this process the next program by exec.
type inPlace struct{ in *upgrader.InPlace }

func (p inPlace) Pass(l upgrader.Legacy) (int, error) { return os.Getpid(), p.in.Check(l) }

func (p inPlace) Become(l upgrader.Legacy, still func() error, owed func() []syscall.Signal) error {
	p.in.Still, p.in.Owed = still, owed
	return p.in.Exec(l)
}

// HandedSignals are held back while one program becomes another.
var HandedSignals = []syscall.Signal{
	unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGTTIN, unix.SIGTTOU,
}
