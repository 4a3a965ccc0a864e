package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relevo/bench/figures"
)

// watcher is a program that restarts a script when its file was saved.
type watcher struct {
	name     string
	packages []string
	version  []string
	command  []string
}

var watchers = []watcher{
	{name: "relevo dev", version: relevoVersion, command: []string{"relevo", "dev", "app.js"}},
	{name: "nodemon", packages: []string{nodemonPackage}, command: []string{"nodemon", "app.js"}},
	{name: "node --watch", version: []string{"node", "--version"}, command: []string{"node", "--watch", "app.js"}},
	{name: "pm2 --watch", packages: []string{pm2Package},
		command: []string{"pm2", "start", "app.js", "--watch=app.js", "--no-daemon"}},
}

func (w watcher) label() string { return w.name }

// saved measures from a save to the first answer of the new version, and counts the connections
// that a client gets refused meanwhile.
func saved(ctx context.Context, k *kit) (*result, error) {
	r := newResult(k.plan.rounds, column{Name: "save → served, ms", Format: "%.0f", Plot: true},
		column{Name: "lost per save", Format: "%.0f", Plot: true})
	return r, turns(ctx, k, r, choice(k.chosen, watchers), func(w watcher) error {
		if err := k.install(ctx, w.packages...); err != nil {
			return absent{err.Error()}
		}
		return r.saves(ctx, k, w)
	})
}

// versioned is the script: it answers with its version.
func versioned(version int) string {
	const server = "require('http').createServer((q, r) => r.end('v%d')).listen(+process.env.PORT, '127.0.0.1')\n"
	return fmt.Sprintf(server, version)
}

func (r *result) saves(ctx context.Context, k *kit, w watcher) (err error) {
	s, err := k.house(peer{name: w.name, version: w.version, packages: w.packages})
	if err != nil {
		return err
	}
	s.env = append(s.env, "PORT="+s.port())
	r.learn(ctx, s)
	defer func() { err = errors.Join(err, s.stop()) }()
	path := filepath.Join(s.dir, "app.js")
	if err := os.WriteFile(path, []byte(versioned(0)), 0o644); err != nil {
		return err
	}
	if _, err := s.begin(w.command[0], w.command[1:]...); err != nil {
		return err
	}
	if _, err := s.served(ctx, 0); err != nil {
		return fmt.Errorf("cannot run %s: %w", w.name, err)
	}
	for version := 1; version <= k.plan.saves; version++ {
		time.Sleep(time.Second) // a human does not save at the moment when the program has started
		begin := time.Now()
		if err := os.WriteFile(path, []byte(versioned(version)), 0o644); err != nil {
			return err
		}
		lost, err := s.served(ctx, version)
		if err != nil {
			return fmt.Errorf("cannot see a save that %s should serve: %w", w.name, err)
		}
		r.add(w.name, "save → served, ms", figures.Milliseconds(time.Since(begin)))
		r.add(w.name, "lost per save", float64(lost))
	}
	return nil
}

// served asks until a version answers, and counts the requests that got no answer.
func (s *service) served(ctx context.Context, version int) (lost int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askAtMost}
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		response, askErr := client.Get(s.url())
		if askErr == nil {
			body, readErr := io.ReadAll(response.Body)
			response.Body.Close()
			if askErr = readErr; strings.TrimSpace(string(body)) == fmt.Sprintf("v%d", version) {
				tick.Stop()
				return lost, nil
			}
		}
		if askErr != nil {
			lost++
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return lost, ctx.Err()
		case <-tick.C:
		}
	}
}
