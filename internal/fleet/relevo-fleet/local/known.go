package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kept is a release that this machine has had in place. An empty Version: put there by other means.
type kept struct {
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Deploy  int    `json:"deploy,omitempty"`
}

// intent is a change that has begun. Generation is the master's before it.
type intent struct {
	From       kept `json:"from"`
	To         kept `json:"to"`
	Generation int  `json:"generation"`
}

// known is what the agent remembers of an app.
type known struct {
	Current kept `json:"current"`
	// Before is what was in place before the deploy that has put Current there.
	Before kept    `json:"before,omitzero"`
	Intent *intent `json:"intent,omitempty"`
	// Since is when the last turn ended. The mark is of then.
	Since time.Time `json:"since,omitzero"`
	mark
}

func (a *App) file() string { return filepath.Join(a.State, "known.json") }

func (a *App) read() error {
	text, err := os.ReadFile(a.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &a.known)
	}
	if err != nil {
		return fmt.Errorf("cannot read what is known of %s: %w; remove %s to start over", a.Name, err, a.file())
	}
	return nil
}

// write stores what is known, whole or not at all.
func (a *App) write(k known) error {
	text, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = replace(a.file(), text)
	}
	if err != nil {
		return fmt.Errorf("cannot store what is known of %s: %w", a.Name, err)
	}
	a.known = k
	return nil
}

func (a *App) intend(i *intent) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known
	k.Intent = i
	return a.write(k)
}

// became notes that next runs.
func (a *App) became(now, next kept, m mark) error {
	a.mu.Lock()
	k := known{Current: next, Before: now, mark: m, Since: time.Now()}
	if now.Deploy == next.Deploy && now.Deploy != 0 {
		k.Before = a.known.Before // the same deploy, once more
	}
	if next == a.known.Before {
		k.Before = kept{} // it went back
	}
	err := a.write(k)
	a.health.Deaths, a.health.Fault = 0, ""
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return a.prune(k)
}

// stayed notes that a turn has ended and changed nothing.
func (a *App) stayed(m mark) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known
	k.Intent, k.mark, k.Since = nil, m, time.Now()
	return a.write(k)
}

// keptReleases is how many releases stay besides the current one and the one before.
const keptReleases = 3

// prune removes old releases.
func (a *App) prune(k known) error {
	entries, err := os.ReadDir(a.releases())
	if err != nil {
		return fmt.Errorf("cannot look for old releases: %w", err)
	}
	type release struct {
		name string
		used time.Time
	}
	var old []release
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && e.Name() != k.Current.SHA256 && e.Name() != k.Before.SHA256 {
			old = append(old, release{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(old, func(x, y release) int { return y.used.Compare(x.used) })
	for _, r := range old[min(keptReleases, len(old)):] {
		if err := os.Remove(a.release(r.name)); err != nil {
			return fmt.Errorf("cannot remove an old release: %w", err)
		}
	}
	return nil
}

// removeUnfinished removes what a killed agent was fetching.
func (a *App) removeUnfinished() error {
	entries, err := os.ReadDir(a.releases())
	if err != nil {
		return fmt.Errorf("cannot look for unfinished files: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			if err := os.Remove(a.release(e.Name())); err != nil {
				return fmt.Errorf("cannot remove an unfinished file: %w", err)
			}
		}
	}
	return nil
}
