package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deployment is how an orchestrator starts and ends a container.
type deployment struct {
	command, env []string
	pause        time.Duration // before the signal, while clients learn that the container leaves
	patience     time.Duration // until SIGKILL
	fromPause    bool          // patience counts from the begin of the pause
}

// inPods is the manifest that docs/kubernetes.md shows; packaging/kubernetes checks it against the
// types of Kubernetes.
func inPods(t *testing.T) deployment {
	t.Helper()
	const path = "packaging/kubernetes/relevo.yaml"
	return deployment{
		command:   commandIn(t, path, `command: (\[.*\])`),
		env:       []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"},
		pause:     secondsIn(t, path, `sleep: \{seconds: (\d+)\}`),
		patience:  secondsIn(t, path, `terminationGracePeriodSeconds: (\d+)`),
		fromPause: true,
	}
}

// inNomad is the job that docs/nomad.md shows; packaging/nomad checks it against the types of Nomad.
func inNomad(t *testing.T) deployment {
	t.Helper()
	const path = "packaging/nomad/relevo.nomad.hcl"
	drain := secondsIn(t, path, `RELEVO_DRAIN_TIMEOUT = "(\d+)s"`)
	return deployment{
		command:  append([]string{"/relevo"}, commandIn(t, path, `args += (\[.*\])`)...),
		env:      []string{"NOMAD_ALLOC_ID=1", "RELEVO_DRAIN_TIMEOUT=" + drain.String()},
		pause:    secondsIn(t, path, `shutdown_delay = "(\d+)s"`),
		patience: secondsIn(t, path, `kill_timeout = "(\d+)s"`),
	}
}

// inFile returns what the group of a pattern matches in a file.
func inFile(t *testing.T, path, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, path))
	if found == nil {
		t.Fatalf("%s has no %s", path, pattern)
	}
	return found[1]
}

func secondsIn(t *testing.T, path, pattern string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(inFile(t, path, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}

func commandIn(t *testing.T, path, pattern string) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(inFile(t, path, pattern)), &words); err != nil {
		t.Fatal(err)
	}
	return words
}

func (d deployment) start(t *testing.T, i image) *box {
	t.Helper()
	s := i.spec()
	s.Args, s.Env = d.command, append(s.Env, d.env...)
	return startBox(t, s)
}

// delete does what the kubelet and Nomad's agent do: it waits, sends SIGTERM, and after the patience
// SIGKILL.
func (d deployment) delete(t *testing.T, b *box) (sinceSignal time.Duration) {
	t.Helper()
	patience := d.patience
	if !d.fromPause {
		patience += d.pause
	}
	killed := time.AfterFunc(patience, func() { b.cmd.Process.Kill() })
	defer killed.Stop()
	<-time.After(d.pause)
	code, took := b.stop(unix.SIGTERM)
	if code != 0 {
		t.Errorf("the container ended with %d", code)
	}
	return took
}

// service sends clients to pods, as the endpoints of a Service do: when they change, only new
// connections go to another pod.
type service struct {
	endpoints atomic.Pointer[[]*box]
	turn      atomic.Int64
	answers   atomic.Int64
	mu        sync.Mutex
	lost      []error
}

func (s *service) set(pods ...*box) { s.endpoints.Store(&pods) }

func (s *service) dial() (net.Conn, error) {
	pods := *s.endpoints.Load()
	return pods[int(s.turn.Add(1))%len(pods)].dial(context.Background(), "tcp", "127.0.0.1:8080")
}

// client sends one request after the other, and does not retry any that fails. It keeps a connection
// for as long as the server does, or for one request.
func (s *service) client(ctx context.Context, keep bool) {
	var c net.Conn
	for ctx.Err() == nil {
		var err error
		if c == nil {
			if c, err = s.dial(); err != nil {
				s.failed(err)
				continue
			}
		}
		open, err := askPod(c, keep)
		if err != nil {
			s.failed(err)
		} else {
			s.answers.Add(1)
		}
		if !open || err != nil {
			c.Close()
			c = nil
		}
	}
	if c != nil {
		c.Close()
	}
}

func (s *service) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = append(s.lost, err)
}

// askPod sends a request that takes 20 ms, and says whether the connection can be used again.
func askPod(c net.Conn, keep bool) (open bool, err error) {
	end := ""
	if !keep {
		end = "Connection: close\r\n"
	}
	c.SetDeadline(time.Now().Add(tooLong))
	if _, err := fmt.Fprintf(c, "GET /slow?ms=20 HTTP/1.1\r\nHost: shop\r\n%s\r\n", end); err != nil {
		return false, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false, err
	}
	body, err := io.ReadAll(response.Body)
	if err == nil && string(body) != "done\n" {
		err = fmt.Errorf("%s: %q", response.Status, body)
	}
	return keep && !response.Close, err
}

// load makes clients send requests until stop is called, which returns how many were answered, and
// what was lost.
func (s *service) load(clients int) (stop func() (int64, []error)) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { s.client(ctx, i%2 == 0) })
	}
	return func() (int64, []error) {
		cancel()
		all.Wait()
		return s.answers.Load(), s.lost
	}
}

// probes sends probes to a pod again and again, as the kubelet does, and notes each change of the
// answer.
type probes struct {
	mu   sync.Mutex
	seen []string
	end  chan struct{}
	over sync.WaitGroup
}

func watchProbe(b *box, path string) *probes {
	p := &probes{end: make(chan struct{})}
	p.over.Go(func() {
		for again := time.NewTicker(20 * time.Millisecond); ; {
			now := probe(b, path)
			p.mu.Lock()
			if len(p.seen) == 0 || p.seen[len(p.seen)-1] != now {
				p.seen = append(p.seen, now)
			}
			p.mu.Unlock()
			select {
			case <-p.end:
				again.Stop()
				return
			case <-again.C:
			}
		}
	})
	return p
}

// changes ends the probes, and returns the changes.
func (p *probes) changes() string {
	close(p.end)
	p.over.Wait()
	return strings.Join(p.seen, " ")
}

func (p *probes) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) == 0 {
		return ""
	}
	return p.seen[len(p.seen)-1]
}

func probe(b *box, path string) string {
	if b.hasEnded() {
		return "gone"
	}
	response, err := b.client().Get("http://127.0.0.1:9100" + path)
	if err != nil {
		return "gone"
	}
	defer response.Body.Close()
	return strconv.Itoa(response.StatusCode)
}

// TestPodDeleted: under load one of two pods of the manifest is deleted. Clients are sent elsewhere
// two seconds later. With preStop no client loses a request, and without it some do. Nomad's job
// does the same with shutdown_delay.
func TestPodDeleted(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	hasty := inPods(t)
	hasty.pause = 0
	for _, c := range []struct {
		name string
		d    deployment
		lost bool
	}{
		{"Kubernetes", inPods(t), false}, {"Kubernetes without preStop", hasty, true}, {"Nomad", inNomad(t), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lost := deleteUnderLoad(t, c.d, i)
			switch {
			case c.lost && len(lost) == 0:
				t.Error("no request is lost: docs/kubernetes.md says otherwise")
			case !c.lost && len(lost) > 0:
				t.Errorf("%d lost, such as %v", len(lost), lost[0])
			}
		})
	}
}

// deleteUnderLoad deletes one of two pods, and returns the requests that clients lost.
func deleteUnderLoad(t *testing.T, d deployment, i image) (lost []error) {
	t.Helper()
	const lag = 2 * time.Second // until clients are sent elsewhere
	pod, other := d.start(t, i), d.start(t, i)
	ready, live, otherReady := watchProbe(pod, "/readyz"), watchProbe(pod, "/livez"), watchProbe(other, "/readyz")
	awaitBox(t, "readiness", func() bool { return ready.last() == "200" && otherReady.last() == "200" })
	s := &service{}
	s.set(pod, other)
	stop := s.load(16)
	awaitBox(t, "load", func() bool { return s.answers.Load() > 200 })

	// The headers have arrived: the pod still works on the answer after the signal.
	slow, err := pod.client().Get(fmt.Sprint("http://127.0.0.1:8080/slow?ms=", (d.pause + 3*time.Second).Milliseconds()))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Body.Close()
	elsewhere := time.AfterFunc(lag, func() { s.set(other) })
	defer elsewhere.Stop()
	took := d.delete(t, pod)
	before := s.answers.Load()
	awaitBox(t, "load elsewhere", func() bool { return s.answers.Load() > before+200 })
	answers, lost := stop()

	if body, err := io.ReadAll(slow.Body); string(body) != "done\n" {
		t.Errorf("the answer in progress was %q, %v", body, err)
	}
	changes, alive, otherChanges := ready.changes(), live.changes(), otherReady.changes()
	if !strings.HasSuffix(changes, "200 503 gone") || !strings.HasSuffix(otherChanges, "200") {
		t.Errorf("readyz said %q, that of the other pod %q", changes, otherChanges)
	}
	if strings.TrimPrefix(alive, "gone ") != "200 gone" {
		t.Errorf("livez said %q", alive)
	}
	t.Logf("%s until SIGTERM, %.1fs until the end: %d answers, %d lost; readyz: %s; livez: %s", d.pause,
		took.Seconds(), answers, len(lost), changes, alive)
	return lost
}

// TestPodPatience: relevo cuts a request that never ends, and exits with 0 before the orchestrator's
// SIGKILL.
func TestPodPatience(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	for name, d := range map[string]deployment{"Kubernetes": inPods(t), "Nomad": inNomad(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := d.start(t, i)
			pod.serves(2)
			endless, err := pod.client().Get("http://127.0.0.1:8080/slow?ms=600000")
			if err != nil {
				t.Fatal(err)
			}
			defer endless.Body.Close()
			took := d.delete(t, pod)
			if took < 25*time.Second {
				t.Errorf("the container ended %s after SIGTERM: the drain was cut short", took)
			}
			t.Logf("ended %.1fs after SIGTERM", took.Seconds())
		})
	}
}
