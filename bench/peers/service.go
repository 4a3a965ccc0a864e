package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"relevo/bench/figures"
	"relevo/internal/procfs"
)

// processes is how many of the app each peer runs.
const processes = 4

// peer is one way to run four processes of an app at one address.
type peer struct {
	name     string
	app      app
	programs []string // that have to be installed
	packages []string // that npm installs
	version  []string // the command that prints it
	start    func(context.Context, *service) error
	single   bool // it is one process, and not four
}

func (p peer) label() string { return p.name }

// size is how many processes of the app the peer runs.
func (p peer) size() int {
	if p.single {
		return 1
	}
	return processes
}

// service is a peer at work.
type service struct {
	kit     *kit
	peer    peer
	dir     string
	address string
	env     []string

	manager func() int                  // its pid; nil: it cannot be killed
	roll    func(context.Context) error // replaces all processes of the app
	renew   func(context.Context) error // replaces the manager
	outside func(pid int) int           // the pid here of a process that has another one for itself; nil: the same
	end     func() error                // ends what starts processes again; nil: that ends with the others

	serving  pids // that answered after the start
	mu       sync.Mutex
	children []*child
}

func (s *service) label() string { return s.peer.name }

// absent says that a peer cannot be had on this machine.
type absent struct{ why string }

func (a absent) Error() string { return a.why }

// found returns the peers that were chosen.
func (k *kit) found() []peer { return choice(k.chosen, peers()) }

// launch starts a peer and waits until the app answers. The error is absent where the machine
// does not have the peer.
func (k *kit) launch(ctx context.Context, p peer) (*service, error) {
	for _, program := range p.programs {
		if _, err := exec.LookPath(program); err != nil {
			return nil, absent{program + " is not installed"}
		}
	}
	if err := k.install(ctx, p.packages...); err != nil {
		return nil, absent{err.Error()}
	}
	dir, err := k.place()
	if err != nil {
		return nil, err
	}
	s := &service{kit: k, peer: p, dir: dir}
	if s.address, err = figures.FreeAddress(); err != nil {
		return nil, err
	}
	s.env = []string{"PORT=" + s.port(), idVariable + "=" + s.port(), "NODE_ENV=production"}
	if err = s.deploy(p.app.good); err == nil {
		err = p.start(ctx, s)
	}
	if err == nil {
		s.serving, err = s.awaitAll(ctx)
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		stopErr := s.stop()
		if a := (absent{}); errors.As(err, &a) {
			return nil, errors.Join(a, stopErr)
		}
		return nil, errors.Join(fmt.Errorf("cannot run %s: %w\n%s", p.name, err, log), stopErr)
	}
	return s, nil
}

func (s *service) port() string { return s.address[strings.LastIndexByte(s.address, ':')+1:] }

func (s *service) url() string { return "http://" + s.address + "/" }

// deploy puts a release in place, as a deploy does: beside it, then by rename.
func (s *service) deploy(text string) error {
	path := filepath.Join(s.dir, s.peer.app.file)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// idVariable is in the environment of all that a service starts: the port of its address.
const idVariable = "PEERS_SERVICE"

// stop ends the peer and all that it has started, also what its death has left behind.
func (s *service) stop() (err error) {
	if s.end != nil {
		err = s.end()
	}
	pids := map[int]bool{}
	for _, pid := range procfs.StartedWith(idVariable, s.port()) {
		pids[pid] = true
	}
	s.mu.Lock()
	children := s.children
	s.mu.Unlock()
	for _, c := range children {
		for _, pid := range procfs.Tree(c.pid) {
			pids[pid] = true
		}
	}
	delete(pids, os.Getpid())
	var all []int
	for pid := range pids {
		all = append(all, pid)
	}
	endAll(all)
	for _, c := range children {
		<-c.ended
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
