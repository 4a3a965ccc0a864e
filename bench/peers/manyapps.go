package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relevo/bench/figures"
	"relevo/internal/procfs"
)

// house is a program that runs many apps in the background.
type house struct {
	name     string
	version  []string
	packages []string
	file     string // that lists the apps
	list     func(n int) string
	start    []string
	listed   []string
	managers func(*service) []int
	end      []string
}

var houses = []house{
	{
		name: "relevo", version: relevoVersion, file: "relevo.toml",
		list: func(n int) string {
			text := "command = [\"node\", \"app.js\"]\nworkers = 1\n"
			for i := range n {
				text += fmt.Sprintf("[app.app%d]\n", i+1)
			}
			return text
		},
		start: []string{"relevo", "start"}, listed: []string{"relevo", "list"},
		managers: func(s *service) (all []int) {
			for _, pid := range procfs.StartedWith(idVariable, s.port()) {
				if text, _ := procfs.Of(pid).Status("Name"); strings.HasPrefix(text, "relevo") {
					all = append(all, pid)
				}
			}
			return all
		},
		end: []string{"relevo", "delete", "all", "--force", "--purge"},
	},
	{
		name: "PM2", packages: []string{pm2Package}, file: "ecosystem.config.js",
		list: func(n int) string {
			text := "module.exports = { apps: [\n"
			for i := range n {
				text += fmt.Sprintf("  { name: 'app%d', script: 'app.js' },\n", i+1)
			}
			return text + "] }\n"
		},
		start: []string{"pm2", "start", "ecosystem.config.js"}, listed: []string{"pm2", "list"},
		managers: func(s *service) []int { return []int{pidIn(filepath.Join(s.dir, "pm2", "pm2.pid"))} },
		end:      []string{"pm2", "kill"},
	},
}

func (h house) label() string { return h.name }

// manyApps compares programs that run many apps: one process an app.
func manyApps(ctx context.Context, k *kit) (*result, error) {
	r := newResult(k.plan.rounds)
	for _, n := range k.plan.apps {
		drawn := n == slices.Max(k.plan.apps)
		r.Columns = append(r.Columns, column{Name: startOf(n), Format: "%.1f", Plot: drawn},
			column{Name: listOf(n), Format: "%.0f", Plot: drawn}, column{Name: memoryOf(n), Format: "%.0f", Plot: drawn})
	}
	return r, turns(ctx, k, r, choice(k.chosen, houses), func(h house) error {
		if err := k.install(ctx, h.packages...); err != nil {
			return absent{err.Error()}
		}
		for _, n := range k.plan.apps {
			if err := r.housed(ctx, k, h, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func startOf(n int) string  { return fmt.Sprintf("start of %d, s", n) }
func listOf(n int) string   { return fmt.Sprintf("list of %d, ms", n) }
func memoryOf(n int) string { return fmt.Sprintf("memory with %d, MiB", n) }

func (r *result) housed(ctx context.Context, k *kit, h house, n int) (err error) {
	s, err := k.house(peer{name: h.name, version: h.version, packages: h.packages})
	if err != nil {
		return err
	}
	defer func() {
		_, endErr := s.run(context.WithoutCancel(ctx), h.end[0], h.end[1:]...)
		err = errors.Join(err, endErr, s.stop())
	}()
	r.learn(ctx, s)
	err = errors.Join(os.WriteFile(filepath.Join(s.dir, "app.js"), []byte(nodeApp.good), 0o644),
		os.WriteFile(filepath.Join(s.dir, h.file), []byte(h.list(n)), 0o644))
	if err != nil {
		return err
	}
	for _, step := range []struct {
		command []string
		column  string
		unit    time.Duration
	}{{h.start, startOf(n), time.Second}, {h.listed, listOf(n), time.Millisecond}} {
		begin := time.Now()
		if _, err := s.run(ctx, step.command[0], step.command[1:]...); err != nil {
			return err
		}
		r.add(h.name, step.column, float64(time.Since(begin))/float64(step.unit))
	}
	memory, err := proportional(h.managers(s))
	if err != nil {
		return err
	}
	r.add(h.name, memoryOf(n), memory)
	return nil
}

// proportional adds up the proportional set size of processes, in MiB: pages that several of
// them share count once.
func proportional(pids []int) (mib float64, err error) {
	for _, pid := range pids {
		share, err := figures.Memory(pid, "Pss")
		if err != nil {
			return 0, err
		}
		mib += share
	}
	return mib, nil
}
