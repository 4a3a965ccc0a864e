package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// box is a container as Docker makes one: namespaces of its own, a read-only root that contains only
// what an image copies there, /proc, /dev/null, and a /dev/shm where nothing can be executed.
type box struct {
	t     *testing.T
	spec  boxSpec
	cmd   *exec.Cmd
	log   *lockedBuffer
	ended chan struct{}
}

// boxSpec is what the first process of a box needs to know.
type boxSpec struct {
	Root  string
	UID   int
	Shm   bool
	Args  []string
	Env   []string
	files map[string]string // paths outside by paths in the box
}

// boxVerb makes the test binary the first process of a box.
const boxVerb = "__box"

func init() {
	if len(os.Args) == 3 && os.Args[1] == boxVerb {
		fmt.Fprintln(os.Stderr, "cannot make a container:", becomeBox(os.Args[2]))
		os.Exit(125)
	}
}

// becomeBox does what a container runtime does between clone and exec.
func becomeBox(text string) error {
	var s boxSpec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	at := func(path string) string { return filepath.Join(s.Root, path) }
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	do(unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""))
	do(unix.Mount(s.Root, s.Root, "", unix.MS_BIND, ""))
	do(unix.Mount("proc", at("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	do(unix.Mount("/dev/null", at("dev/null"), "", unix.MS_BIND, ""))
	if s.Shm {
		do(unix.Mount("shm", at("dev/shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=65536k"))
	}
	do(unix.Mount("", s.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
	do(os.Chdir(s.Root))
	do(unix.PivotRoot(".", "."))
	do(unix.Unmount(".", unix.MNT_DETACH))
	do(raiseLoopback())
	do(syscall.Setgroups(nil))
	do(syscall.Setgid(s.UID))
	do(syscall.Setuid(s.UID))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return syscall.Exec(s.Args[0], s.Args, s.Env)
}

func raiseLoopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// startBox runs a command as PID 1 of a new box.
func startBox(t *testing.T, s boxSpec) *box {
	t.Helper()
	testreq.Root(t)
	testreq.Program(t, "nsenter")
	s.Root = boxRoot(t, s.files)
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, spec: s, log: &lockedBuffer{}, ended: make(chan struct{})}
	b.cmd = exec.Command("/proc/self/exe", boxVerb, string(spec))
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC |
			syscall.CLONE_NEWUTS,
	}
	if err := b.cmd.Start(); err != nil {
		testreq.Missing(t, "no namespaces can be made: "+err.Error())
	}
	go func() {
		defer close(b.ended)
		b.cmd.Wait()
	}()
	t.Cleanup(func() {
		b.cmd.Process.Kill() // all other processes end with PID 1
		<-b.ended
		if t.Failed() {
			t.Logf("the output of relevo and its workers:\n%s", b.log)
		}
	})
	return b
}

func boxRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"proc", "dev", "dev/shm"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "dev/null"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, from := range files {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(root, path), data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755) // otherwise its user may not enter it
	}
	return root
}

// serves waits until n workers of the app serve.
func (b *box) serves(n int) (s control.Status) {
	b.t.Helper()
	holds := await(func() bool {
		code, out := b.exec("/relevo", "status", "--json")
		s = control.Status{}
		if code != 0 || json.Unmarshal([]byte(out), &s) != nil || s.State != "running" || len(s.Workers) != n {
			return b.hasEnded()
		}
		for _, w := range s.Workers {
			if w.State != "serving" {
				return false
			}
		}
		return true
	})
	if !holds || b.hasEnded() {
		b.t.Fatalf("there are never %d workers that serve; ended: %v", n, b.hasEnded())
	}
	return s
}

func (b *box) hasEnded() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// exec is docker exec, as the user of the container.
func (b *box) exec(args ...string) (code int, said string) {
	b.t.Helper()
	user := strconv.Itoa(b.spec.UID)
	command := append([]string{"-t", strconv.Itoa(b.cmd.Process.Pid), "-m", "-p", "-n", "-i", "-u", "-S", user,
		"-G", user}, args...)
	cmd := exec.Command("nsenter", command...)
	cmd.Env = b.spec.Env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// client speaks HTTP inside of the box, on a connection of its own each time.
func (b *box) client() *http.Client {
	return &http.Client{Timeout: tooLong, Transport: &http.Transport{DisableKeepAlives: true, DialContext: b.dial}}
}

// dial makes a socket in the box's network. A thread enters the box for that, and ends with its
// goroutine, because the goroutine keeps the thread locked.
func (b *box) dial(_ context.Context, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var space *os.File
		if space, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", b.cmd.Process.Pid)); err != nil {
			return
		}
		defer space.Close()
		if err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = net.DialTimeout(network, address, 10*time.Second)
		}
	}()
	<-done
	return conn, err
}

// get sends a request to the app.
func (b *box) get(path string) (string, error) {
	response, err := b.client().Get("http://127.0.0.1:8080" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (b *box) mustGet(path string) string {
	b.t.Helper()
	body, err := b.get(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return body
}

// stop sends a signal to PID 1 and returns its exit code, and how long it took.
func (b *box) stop(sig syscall.Signal) (code int, took time.Duration) {
	b.t.Helper()
	began := time.Now()
	b.cmd.Process.Signal(sig)
	select {
	case <-b.ended:
	case <-afterTooLong():
		b.t.Fatal("the container does not end")
	}
	return b.cmd.ProcessState.ExitCode(), time.Since(began)
}

// children counts the children of PID 1, and the zombies among them.
func (b *box) children() (all, zombies int) {
	for _, pid := range childrenOf(b.t, b.cmd.Process.Pid) {
		all++
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		if i := bytes.LastIndexByte(stat, ')'); i > 0 && strings.HasPrefix(string(stat[i+1:]), " Z") {
			zombies++
		}
	}
	return all, zombies
}
