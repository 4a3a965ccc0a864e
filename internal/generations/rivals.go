package generations

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/upgrader/listeners"
)

// rivals are the other apps of this runtime directory, one of which may hold an address that this
// app wants.
type rivals struct {
	places config.Places
	app    string
}

// refusal finds out who holds an address only when it is printed, because that takes a while and
// the program waits in bind.
type refusal struct {
	rivals rivals
	err    error
}

func (r refusal) Error() string { return r.rivals.name(r.err).Error() }
func (r refusal) Unwrap() error { return r.err }

// rivalPatience bounds the wait for answers of all other masters together.
const rivalPatience = 2 * time.Second

// name adds both apps to an error that names a process, if that process is the master of one.
func (r rivals) name(err error) error {
	taken := new(listeners.InUseError)
	if !errors.As(err, &taken) {
		return err
	}
	if left := r.leftBehind(taken.Listen); left != "" {
		return fmt.Errorf("cannot listen on %s for app %s: %w; workers of its master that was killed have it: end them by "+
			"kill %s", taken.Listen, r.app, syscall.EADDRINUSE, left)
	}
	pid, _ := taken.Holder()
	rival := r.appOf(pid)
	if rival == "" {
		return err
	}
	return fmt.Errorf("cannot listen on %s for app %s: %w; app %s has it (relevo, pid %d): give one of the two another "+
		"address, or stop it: relevo stop %s",
		taken.Listen, r.app, syscall.EADDRINUSE, rival, pid, rival)
}

// appOf returns the app whose master has this pid; empty: there is none.
func (r rivals) appOf(pid int) string {
	if pid == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), rivalPatience)
	defer cancel()
	names, err := control.Names(r.places.Runtime)
	if err != nil {
		return ""
	}
	for _, name := range names {
		if name != r.app && r.masterOf(ctx, name) == pid {
			return name
		}
	}
	return ""
}

// masterOf returns the pid of an app's master, 0 if none answers.
func (r rivals) masterOf(ctx context.Context, name string) int {
	client, err := control.Connect(ctx, filepath.Join(r.places.Runtime, name+".sock"))
	if err != nil {
		return 0
	}
	status, err := client.Status(ctx)
	if err != nil {
		return 0
	}
	return status.PID
}
