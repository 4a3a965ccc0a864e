package master

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"relevo/internal/launch/store"
	"relevo/internal/safefile"
	"relevo/watch"
)

// settleOwnPath makes the program's name, by which a successor is started, the path
// of its file: as it was given, so that a symbolic link which moves leads to a newer
// one; but if that leads to something else, as a name without a path may, the file
// itself.
func settleOwnPath() {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	running, runningErr := os.Stat("/proc/self/exe")
	if named, statErr := os.Stat(path); err == nil && statErr == nil && runningErr == nil && os.SameFile(named, running) {
		os.Args[0] = path
		return
	}
	if path, err := os.Executable(); err == nil {
		os.Args[0] = path
	}
}

// ownBinary is the path by which this program was started.
func ownBinary() (string, error) {
	if _, err := os.Stat(os.Args[0]); err != nil {
		return "", fmt.Errorf("cannot find the program of relevo: %w", err)
	}
	return os.Args[0], nil
}

// selfChanged says whether the path that this program was started from holds
// another program by now, and one that has not failed to take over already.
func (m *Master) selfChanged() (bool, error) {
	if m.opts.Arrival == nil {
		return false, nil // it cannot be replaced
	}
	path, err := ownBinary()
	var now string
	if err == nil {
		now, err = hashOf(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // half a deploy, perhaps; a later reload finds it whole
	}
	if err != nil {
		return false, err
	}
	if refused := m.succession.refused.Load(); refused != nil && *refused == now {
		return false, nil
	}
	running, err := m.self.hash()
	return err == nil && now != running, err
}

// ownSum is the sha256 of the running program, which is computed when it is asked for
// first.
type ownSum struct {
	mu  sync.Mutex
	sum string
}

func (o *ownSum) hash() (sum string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sum == "" {
		o.sum, err = hashOf("/proc/self/exe")
	}
	return o.sum, err
}

func hashOf(path string) (string, error) {
	file, err := safefile.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	seal, err := store.SealOf(file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", path, err)
	}
	return seal.SHA256(), nil
}

// upgradeFirst replaces the master if relevo itself has changed, and says whether
// another one goes on. One that cannot take over does not keep the app from its
// reload, and is not tried again by itself.
func (m *Master) upgradeFirst(then string) bool {
	if !m.replaceable() {
		return false
	}
	changed, err := m.selfChanged()
	if err != nil {
		m.log.Warn("cannot tell whether relevo itself has changed", "err", err)
	}
	if err != nil || !changed {
		return false
	}
	_, err = m.upgrade(then)
	return err == nil
}

// refuse notes that the program at path could not take over, so that it is not tried
// again by itself. One that did not get so far is.
func (m *Master) refuse(path string, err error) {
	fault := newcomerError{}
	if !errors.As(err, &fault) {
		return
	}
	if sum, err := hashOf(path); err == nil {
		m.succession.refused.Store(&sum)
	}
}

// watchSelf replaces the master when the bytes of its own program change, if the
// configuration wants that.
func (m *Master) watchSelf(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.changed.wait()
		if !m.app().WatchSelf {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		m.watchSelfUntil(ctx, changed)
	}
}

func (m *Master) watchSelfUntil(ctx context.Context, changed <-chan struct{}) {
	path, err := ownBinary()
	var file *watch.File
	if err == nil {
		file, err = watch.New(watch.Options{Path: path, Log: m.log})
	}
	if err != nil {
		m.log.Warn("relevo itself is not watched", "err", err)
		select {
		case <-ctx.Done():
		case <-changed:
		}
		return
	}
	if sum, err := m.self.hash(); err == nil {
		file.SetActive(sum)
	}
	watching, stop := context.WithCancel(ctx)
	var gone sync.WaitGroup
	gone.Go(func() { m.report(file.Run(watching)) })
	defer gone.Wait()
	defer stop()
	var later retry
	defer later.end()
	again := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if !m.app().WatchSelf {
				return
			}
			changed = m.changed.wait()
		case <-file.Changes():
			m.log.Info("relevo itself has changed", "path", path)
			later.cancel()
			m.replaceSelf(&later, again)
		case <-again:
			m.replaceSelf(&later, again)
		}
	}
}

// replaceSelf replaces the master by its own program. Where that fails for another reason
// than the program, such as a shortage, it is due again after a while.
func (m *Master) replaceSelf(later *retry, again chan<- struct{}) {
	if m.upgradeFirst("") {
		return
	}
	if changed, err := m.selfChanged(); err == nil && !changed {
		return
	}
	wait := later.later(func() {
		select {
		case again <- struct{}{}:
		default:
		}
	})
	m.log.Warn("the master is replaced later", "again", wait)
}
