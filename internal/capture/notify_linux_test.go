package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/capture/filter"
	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

const tooLong = 30 * time.Second

// roleEnv makes the test binary a captured program; its value names what it does.
const roleEnv = "CAPTURE_TEST_ROLE"

var roles = map[string]func() error{
	"serve":      serveOnce,
	"let-be":     bindOthers,
	"many":       bindManyTimes,
	"threads":    bindFromThreads,
	"two":        bindTwice,
	"die":        dieInBind,
	"fork-first": bindInChild,
	"flip":       bindChangingAddress,
	"secretive":  bindUndumpable,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if os.Args[len(os.Args)-1] == "launch" {
			launch()
		}
		if err := roles[role](); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// launch is what relevo's shim does: the filter, and the exec.
func launch() {
	runtime.LockOSThread()
	if err := filter.Announce(3); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	unix.CloseOnExec(3)
	self, _ := os.Executable()
	fmt.Println("error:", syscall.Exec(self, []string{self, "run"}, os.Environ()))
	os.Exit(1)
}

// program is a captured child of the test.
type program struct {
	*exec.Cmd
	notifications *Notifications
	lines         *bufio.Scanner
	next          io.Writer // lets a program go on that waits for a word
}

func start(t *testing.T, role string) *program {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fds[0], true)
	ours, theirs := os.NewFile(uintptr(fds[0]), "channel"), os.NewFile(uintptr(fds[1]), "channel")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "launch")
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{theirs}, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	announced, rest, err := Receive(ours)
	ours.Close()
	if announced.Notifications == nil {
		testreq.Missing(t, "binds cannot be captured here: "+announced.Reason)
	}
	if err != nil || len(rest) > 0 {
		t.Fatalf("the shim says %q more, error %v", rest, err)
	}
	n, err := Open(announced.Notifications)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return &program{cmd, n, bufio.NewScanner(out), in}
}

// line is the next line that the program prints.
func (p *program) line(t *testing.T) string {
	t.Helper()
	said := make(chan string, 1)
	go func() { p.lines.Scan(); said <- p.lines.Text() }()
	select {
	case line := <-said:
		return line
	case <-time.After(tooLong):
		t.Fatal("the program says nothing")
		return ""
	}
}

func (p *program) want(t *testing.T, want string) {
	t.Helper()
	if got := p.line(t); got != want {
		t.Fatalf("the program says %q, want %q", got, want)
	}
}

// listen is a socket of the master's.
func listen(t *testing.T) (l *net.TCPListener, fd int) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, _ := l.SyscallConn()
	raw.Control(func(got uintptr) { fd = int(got) })
	return l, fd
}

// serve answers binds until the test ends.
func (p *program) serve(answer func(Bind) Answer) (ended <-chan error) {
	done := make(chan error, 1)
	go func() { done <- p.notifications.Serve(answer) }()
	return done
}

// The numbers of the port are never free by accident: nothing binds them.
const wantedPort = 7

func socket(kind int) int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|kind, 0)
	if err != nil {
		panic(err)
	}
	return fd
}

func bindTo(fd, port int) error {
	return unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

// serveOnce is a server as simple as can be, told where it really listens by getsockname.
func serveOnce() error {
	fd := socket(unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC)
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 77)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err := bindTo(fd, wantedPort); err != nil {
		return err
	}
	if err := unix.Listen(fd, 5); err != nil {
		return err
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		return err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	fmt.Println(name.(*unix.SockaddrInet4).Port, flags&unix.FD_CLOEXEC != 0)
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		unix.Poll(poll, -1)
		connection, _, err := unix.Accept(fd)
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = unix.Write(connection, []byte("hello"))
		return err
	}
}

// A program that binds a port gets the master's socket in the place of its own, with the
// mode of its descriptor, and serves from it.
func TestServeFromOurSocket(t *testing.T) {
	p := start(t, "serve")
	l, fd := listen(t)
	binds := make(chan Bind, 1)
	ended := p.serve(func(b Bind) Answer { binds <- b; return Answer{FD: fd} })
	p.want(t, fmt.Sprint(l.Addr().(*net.TCPAddr).Port, " ", true))
	b := <-binds
	if b.Address.String() != fmt.Sprintf("127.0.0.1:%d", wantedPort) || b.PID != p.Process.Pid || !b.Socket.NonBlocking ||
		!b.Socket.ReusePort || b.Socket.Type != unix.SOCK_STREAM {
		t.Errorf("asked for %+v", b)
	}
	if len(b.Socket.Options) != 1 || b.Socket.Options[0] != (Option{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 77}) {
		t.Errorf("options %+v", b.Socket.Options)
	}
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(tooLong))
	answer := make([]byte, 5)
	if _, err := client.Read(answer); err != nil || string(answer) != "hello" {
		t.Errorf("the program answers %q, %v", answer, err)
	}
	if err := <-ended; !errors.Is(err, ErrEnded) {
		t.Errorf("after the program's end: %v", err)
	}
}

func bindOthers() error {
	results := []error{bindTo(socket(0), 0), bindTo(socket(0), wantedPort), bindTo(99, 80)}
	for _, err := range results {
		fmt.Println(err)
	}
	return nil
}

// The kernel does a bind to port 0, and a bind that cannot be looked at. The answer to a bind may be an
// error.
func TestLetThrough(t *testing.T) {
	p := start(t, "let-be")
	var asked []string
	var mu sync.Mutex
	p.serve(func(b Bind) Answer {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, b.Address.String())
		return Answer{FD: -1, Errno: unix.EADDRINUSE}
	})
	p.want(t, "<nil>")
	p.want(t, unix.EADDRINUSE.Error())
	p.want(t, unix.EBADF.Error())
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 {
		t.Errorf("asked for %q", asked)
	}
}

const manyTimes = 10000

func bindManyTimes() error {
	fd := socket(0)
	for range manyTimes {
		bindTo(fd, wantedPort)
	}
	fmt.Println("done")
	return nil
}

// A program that binds without end gets its answers, and costs no descriptor.
func TestManyBinds(t *testing.T) {
	p := start(t, "many")
	before := len(testleft.OpenFiles())
	count := 0
	ended := p.serve(func(Bind) Answer { count++; return Answer{FD: -1, Errno: unix.EACCES} })
	p.want(t, "done")
	if err := <-ended; !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
	if count != manyTimes {
		t.Errorf("%d of %d binds were answered", count, manyTimes)
	}
	if now := len(testleft.OpenFiles()); now > before {
		t.Errorf("%d files are open, %d were before", now, before)
	}
}

func bindFromThreads() error {
	var all sync.WaitGroup
	errs := make(chan error, 16)
	for range cap(errs) {
		all.Go(func() {
			runtime.LockOSThread()
			errs <- bindTo(socket(0), wantedPort)
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	fmt.Println("all")
	return nil
}

func TestThreads(t *testing.T) {
	p := start(t, "threads")
	_, fd := listen(t)
	p.serve(func(Bind) Answer { return Answer{FD: fd} })
	p.want(t, "all")
}

// A probe sees its own bind where those of workers can be captured, and leaves neither a
// filter nor a file behind.
func TestProbe(t *testing.T) {
	start(t, "die") // where it cannot be, the test is skipped
	before := len(testleft.OpenFiles())
	for range 3 {
		if err := Probe(); err != nil {
			t.Error(err)
		}
	}
	if now := len(testleft.OpenFiles()); now > before {
		t.Errorf("%d files are open, %d were before", now, before)
	}
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Error(err)
	} else {
		l.Close()
	}
}

// bindUndumpable binds in a process that only a master with CAP_SYS_PTRACE may look at.
func bindUndumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	fmt.Println(bindTo(socket(0), 0))
	return nil
}

// dropPtrace takes CAP_SYS_PTRACE from this thread.
func dropPtrace() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of capabilities up to 31, and of those above
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_SYS_PTRACE
	return unix.Capset(&header, &data[0])
}

// A bind that the master may not look at is performed by the kernel, and Blind says why. As long
// as all can be examined, Blind returns nil.
func TestBlind(t *testing.T) {
	for role, want := range map[string]error{"let-be": nil, "secretive": unix.EPERM} {
		p := start(t, role)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			if want != nil {
				if err := dropPtrace(); err != nil {
					t.Error(err)
				}
			}
			p.notifications.Serve(func(Bind) Answer { return LetThrough() })
		}()
		p.want(t, "<nil>")
		if got := p.notifications.Blind(); !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", role, got, want)
		}
	}
}

// TestForbidden: which errors mean that a bind may not be looked at.
func TestForbidden(t *testing.T) {
	for err, want := range map[error]bool{unix.EPERM: true, unix.ENOSYS: true, unix.EBADF: false, unix.ESRCH: false} {
		if got := forbidden(fmt.Errorf("cannot copy a socket: %w", err)); got != want {
			t.Errorf("%v: forbidden %v", err, got)
		}
	}
}

// A bind that a reader has received and not answered when it died is found by the next
// one; a bind that waits is answered, and is not taken for one.
func TestResume(t *testing.T) {
	for name, received := range map[string]bool{"received": true, "waits": false} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "two")
			_, fd := listen(t)
			if received {
				if _, err := p.notifications.next(); err != nil {
					t.Fatal(err)
				}
			} else {
				for deadline := time.Now().Add(tooLong); !p.notifications.pending(); {
					if time.Now().After(deadline) {
						t.Fatal("the program does not bind")
					}
					runtime.Gosched()
				}
			}
			abandoned := p.notifications.Resume([]int{p.Process.Pid}, func(Bind) Answer { return Answer{FD: fd} })
			if abandoned != received {
				t.Errorf("abandoned: %v", abandoned)
			}
			if !received {
				p.want(t, "bound")
			}
		})
	}
}
