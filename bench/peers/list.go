package main

import (
	"context"
	"os"
	"path/filepath"
	"relevo/internal/procfs"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The versions that npm installs.
const (
	pm2Package       = "pm2@7.0.4"
	reclusterPackage = "recluster@1.0.0"
	nodemonPackage   = "nodemon@3.1.14"
)

// peers are compared in this order. Each app is served by relevo first.
func peers() []peer {
	node, python := []string{"node", "--version"}, []string{"gunicorn", "--version"}
	return []peer{
		{name: "relevo, Node", app: nodeApp, programs: []string{"node"}, version: relevoVersion,
			start: relevo("node", "app.js")},
		{name: "Node cluster", app: nodeApp, programs: []string{"node"}, version: node, start: nodeCluster("rr")},
		{name: "Node cluster, SCHED_NONE", app: nodeApp, programs: []string{"node"}, version: node,
			start: nodeCluster("none")},
		{name: "recluster", app: nodeApp, programs: []string{"node", "npm"}, packages: []string{reclusterPackage},
			start: recluster},
		{name: "PM2 cluster", app: nodeApp, programs: []string{"node", "npm"}, packages: []string{pm2Package},
			start: pm2},
		{name: "nginx, 4 × Node", app: nodeApp, programs: []string{"nginx", "node"}, version: []string{"nginx", "-v"},
			start: nginx},
		{name: "HAProxy, 4 × Node", app: nodeApp, programs: []string{"haproxy", "node"}, version: []string{"haproxy", "-v"},
			start: haproxy},
		{name: "systemd, Restart=, 1 × Node", app: nodeApp, programs: []string{"node", "systemctl"}, version: systemdVersion,
			single: true, start: systemdService},
		{name: "systemd, .socket, 4 × Node", app: activatedApp, programs: []string{"node", "systemctl"},
			version: systemdVersion, start: systemdSocket},
		{name: "relevo, gunicorn -w 1", app: pythonApp, programs: []string{"gunicorn"}, version: relevoVersion,
			start: relevo("sh", "-c", `exec gunicorn -w 1 -b 127.0.0.1:$PORT wsgi:app`)},
		{name: "gunicorn -w 4", app: pythonApp, programs: []string{"gunicorn"}, version: python, start: gunicorn},
		{name: "relevo, puma", app: rubyApp, programs: []string{"puma"}, version: relevoVersion,
			start: relevo("sh", "-c", `exec puma -b tcp://127.0.0.1:$PORT config.ru`)},
		{name: "puma -w 4", app: rubyApp, programs: []string{"puma"}, version: []string{"puma", "--version"}, start: puma},
	}
}

var (
	relevoVersion  = []string{"relevo", "version"}
	systemdVersion = []string{"systemctl", "--version"}
)

// name is what the app is called where it needs a name.
const name = "app"

// relevo runs the app in the background, as a user of PM2 would.
func relevo(command ...string) func(context.Context, *service) error {
	return func(ctx context.Context, s *service) error {
		args := append([]string{"start", "-n", strconv.Itoa(processes), "--name", name, "--"}, command...)
		if _, err := s.run(ctx, "relevo", args...); err != nil {
			return err
		}
		s.manager = func() int { return masterOf(s) }
		s.roll = func(ctx context.Context) error { return s.order(ctx, "relevo", "reload", name, "--force") }
		s.renew = func(ctx context.Context) error { return s.order(ctx, "relevo", "upgrade", name) }
		return nil
	}
}

// order runs a program to its end.
func (s *service) order(ctx context.Context, program string, args ...string) error {
	_, err := s.run(ctx, program, args...)
	return err
}

func nodeCluster(policy string) func(context.Context, *service) error {
	return func(_ context.Context, s *service) error {
		s.env = append(s.env, "POLICY="+policy)
		return s.primary(nodePrimary)
	}
}

func recluster(_ context.Context, s *service) error {
	s.env = append(s.env, "NODE_PATH="+filepath.Join(s.kit.dir, "node_modules"))
	return s.primary(reclusterPrimary)
}

// primary runs a script that forks the app. It is replaced by a stop and a start: there is no
// other way.
func (s *service) primary(script string) error {
	path := filepath.Join(s.dir, "primary.js")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		return err
	}
	c, err := s.begin("node", "primary.js")
	if err != nil {
		return err
	}
	s.manager = func() int { return c.pid }
	s.roll = s.signalled(syscall.SIGHUP)
	s.renew = func(context.Context) error {
		c.terminate()
		c, err = s.begin("node", "primary.js")
		return err
	}
	return nil
}

// signalled rolls by a signal to the manager, and waits until all processes are others.
func (s *service) signalled(signal syscall.Signal) func(context.Context) error {
	return func(ctx context.Context) error {
		before := s.processes()
		if err := syscall.Kill(s.manager(), signal); err != nil {
			return err
		}
		return s.awaitOthers(ctx, before)
	}
}

func pm2(ctx context.Context, s *service) error {
	if err := s.order(ctx, "pm2", "start", "app.js", "-i", strconv.Itoa(processes), "--name", name); err != nil {
		return err
	}
	s.manager = func() int { return pidIn(filepath.Join(s.dir, "pm2", "pm2.pid")) }
	s.roll = func(ctx context.Context) error { return s.order(ctx, "pm2", "reload", name) }
	s.renew = func(ctx context.Context) error {
		if err := s.order(ctx, "pm2", "save"); err != nil {
			return err
		}
		return s.order(ctx, "pm2", "update")
	}
	return nil
}

// pidIn reads a pid file; 0: there is none.
func pidIn(path string) int {
	text, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

func gunicorn(_ context.Context, s *service) error {
	_, err := s.begin("gunicorn", "-w", strconv.Itoa(processes), "-b", s.address, "--pid", "pid", "wsgi:app")
	if err != nil {
		return err
	}
	pidFile := filepath.Join(s.dir, "pid")
	newPIDFile := pidFile + ".2" // of a new master as long as the old one lives; then it is renamed
	s.manager = func() int { return pidIn(pidFile) }
	s.roll = s.signalled(syscall.SIGHUP)
	s.renew = func(ctx context.Context) error { // https://docs.gunicorn.org/en/stable/signals.html
		before, old := s.processes(), s.manager()
		if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
			return err
		}
		if err := await(ctx, func() bool { return pidIn(newPIDFile) != 0 }); err != nil {
			return err
		}
		renewed := pidIn(newPIDFile)
		if err := s.awaitSome(ctx, before); err != nil {
			return err
		}
		if err := syscall.Kill(old, syscall.SIGTERM); err != nil {
			return err
		}
		if err := await(ctx, func() bool { return pidIn(pidFile) == renewed }); err != nil {
			return err
		}
		return s.awaitOthers(ctx, before)
	}
	return nil
}

func puma(_ context.Context, s *service) error {
	c, err := s.begin("puma", "-w", strconv.Itoa(processes), "-b", "tcp://"+s.address, "config.ru")
	if err != nil {
		return err
	}
	s.manager = func() int { return c.pid }
	s.roll = s.signalled(syscall.SIGUSR1)
	s.renew = s.signalled(syscall.SIGUSR2)
	return nil
}

// processes are those that the manager has started.
func (s *service) processes() pids {
	all := pids{}
	for _, pid := range procfs.Tree(s.manager())[1:] {
		all[pid] = true
	}
	return all
}

// await asks until something holds.
func await(ctx context.Context, holds func() bool) error {
	for tick := time.NewTicker(5 * time.Millisecond); !holds(); {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
