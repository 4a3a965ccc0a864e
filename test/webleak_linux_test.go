package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"relevo/internal/procfs"
)

// burden is what a process uses.
type burden struct{ files, threads, memory int }

func burdenOf(t *testing.T, pid int) (b burden) {
	t.Helper()
	p := procfs.Of(pid)
	var failures [3]error
	b.files, failures[0] = p.OpenFiles()
	stat, err := p.Stat()
	failures[1] = err
	b.threads = stat.Threads()
	kib, err := p.Status("VmRSS")
	failures[2] = err
	b.memory, err = strconv.Atoi(strings.Fields(kib + " ?")[0])
	if err = errors.Join(errors.Join(failures[:]...), err); err != nil {
		t.Fatal(err)
	}
	b.memory /= 1 << 10 // MiB
	return b
}

func (b burden) String() string {
	return fmt.Sprintf("%d files, %d threads, %d MiB", b.files, b.threads, b.memory)
}

// load opens the page as a browser does, gets the first look, and leaves.
func (p *webPage) load(client *http.Client) error {
	for _, path := range []string{"", "page/web.css", "page/web.js", "page/dom.js", "page/words.js"} {
		answer, err := client.Get(p.url + path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s, %v", path, answer.Status, err)
		}
	}
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"v1/stream?app=site", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(ask)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	for lines := bufio.NewReader(answer.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil || line == "event: look\n" {
			return err
		}
	}
}

// loads opens the page this many times, by several clients at once.
func (p *webPage) loads(times int) {
	p.s.t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var clients sync.WaitGroup
	var begun atomic.Int64
	for range 8 {
		clients.Go(func() {
			for begun.Add(1) <= int64(times) && !p.s.t.Failed() {
				if err := p.load(client); err != nil {
					p.s.t.Error(err)
				}
			}
		})
	}
	clients.Wait()
}

// TestReloadsLeakNothing: 10,000 loads of the page, each with a stream that is cut, leave no file,
// no thread and no memory behind, in relevo web and in the master. RELEVO_RELOADS=N sets the number.
func TestReloadsLeakNothing(t *testing.T) {
	takesLong(t)
	t.Parallel()
	times := 10_000
	if n, err := strconv.Atoi(os.Getenv("RELEVO_RELOADS")); err == nil {
		times = n
	}
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false")
	s.settled(2)
	p := s.web("--listen", "127.0.0.1:0")
	pids := map[string]int{"relevo web": p.cmd.Process.Pid, "the master": s.status().PID}
	p.loads(500) // after that, buffers and threads have their full size
	before := map[string]burden{}
	for who, pid := range pids {
		s.await("rest", func() bool {
			last := before[who]
			before[who] = burdenOf(t, pid)
			return last.files == before[who].files
		})
	}
	p.loads(times)
	const moreThreads, moreMemory = 8, 8 // on a busy machine a Go program starts more threads
	for who, pid := range pids {
		var after burden
		if !await(func() bool {
			after = burdenOf(t, pid)
			return after.files <= before[who].files
		}) {
			t.Errorf("%s keeps files", who)
		}
		if after.threads > before[who].threads+moreThreads || after.memory > before[who].memory+moreMemory {
			t.Errorf("%s keeps threads or memory", who)
		}
		t.Logf("%s: %v; after %d loads %v", who, before[who], times, after)
	}
	p.end()
}
