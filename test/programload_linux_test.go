package test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/internal/prove"

	"relevo/internal/testport"
)

// programLoad is a running test/testdata/programs/go/load.
type programLoad struct {
	process *exec.Cmd
	input   io.WriteCloser
	ended   chan struct{}

	mu     sync.Mutex
	counts struct{ Fresh, Kept programCounts }
}

// programCounts is the output for one kind of client.
type programCounts struct {
	OK, Lost int64
	Slowest  time.Duration
	Errors   []string
}

func startProgramLoad(t *testing.T, protocol, address string) *programLoad {
	t.Helper()
	l := &programLoad{process: exec.Command("load", protocol, address), ended: make(chan struct{})}
	l.process.Stderr = os.Stderr
	output, err := l.process.StdoutPipe()
	if err == nil {
		if l.input, err = l.process.StdinPipe(); err == nil {
			err = l.process.Start()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			l.mu.Lock()
			json.Unmarshal(lines.Bytes(), &l.counts)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() { l.end() })
	return l
}

// end ends the load and returns what it has counted.
func (l *programLoad) end() (fresh, kept programCounts) {
	l.input.Close()
	<-l.ended
	l.process.Wait()
	return l.counts.Fresh, l.counts.Kept
}

// made says whether there were so many calls of each kind that the program supports.
func (l *programLoad) made(calls int, fresh bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	most := l.counts.Kept.OK
	if fresh {
		most = min(most, l.counts.Fresh.OK)
	}
	return most >= int64(calls)
}

// load rolls a program with a protocol that relevo prove does not speak.
func (p unmodified) load(t *testing.T, s *site, address string) *prove.Report {
	load := startProgramLoad(t, p.protocol, address)
	if p.silent {
		_, port, _ := strings.Cut(address, ":")
		p.start(s, port)
	}
	s.await("an answer", func() bool { return load.made(1, !p.silent) })
	rolls := &prove.Rolls{}
	for rolls.Done < *programRolls || !load.made(*programRequests, !p.silent) {
		if code, said := s.relevo("reload", "site"); code != 0 {
			t.Errorf("reload: exit code %d: %s", code, said)
			rolls.Failed++
			break
		}
		rolls.Done++
		rolls.Replaced += p.workers
	}
	// What a leaving worker has not finished is cut at the drain timeout.
	s.await("the old workers to leave", func() bool { return len(s.status().Workers) == p.workers })
	fresh, kept := load.end()
	s.stop()
	r := &prove.Report{Rolls: rolls, Fresh: fresh.figures(), KeepAlive: kept.figures()}
	for _, text := range slices.Concat(fresh.Errors, kept.Errors) {
		r.Samples = append(r.Samples, prove.Sample{Class: "other", Error: text})
	}
	return r
}

func (c programCounts) figures() *prove.Figures {
	return &prove.Figures{Sent: c.OK + c.Lost, OK: c.OK, Lost: prove.Losses{Other: c.Lost},
		Latency: prove.Latency{Slowest: prove.Millis(c.Slowest)}}
}

// startGateway runs a server in front of the program and returns its address.
func (p unmodified) startGateway(s *site) (address string) {
	address = testport.Address(s.t)
	_, port, _ := strings.Cut(address, ":")
	p.fillIn(s, map[string]string{"GATEWAY": port})
	args := strings.Fields(p.gateway)
	gateway := exec.Command(args[0], args[1:]...)
	gateway.Dir, gateway.Stdout, gateway.Stderr = s.dir, s.log, s.log
	s.must(gateway.Start())
	s.t.Cleanup(func() {
		gateway.Process.Signal(os.Interrupt)
		gateway.Wait()
	})
	s.await("the gateway", func() bool { _, err := fetch(address, "/"); return err == nil })
	return address
}
