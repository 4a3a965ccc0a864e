package launch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/capture"
	"relevo/internal/testreq"
	"relevo/pool"
)

// common answers each bind with the same listener, on which other workers may accept, too.
type common struct{ Listener }

func (c common) Bind(pool.Order, capture.Bind) Grant {
	return Grant{Answer: capture.Answer{FD: int(c.File.Fd())}, Address: c.Address, File: c.File}
}
func (common) Accepted(ctx context.Context, _ pool.Order) error { <-ctx.Done(); return ctx.Err() }
func (common) Closed(pool.Order, string) bool                   { return false }
func (common) Serve(pool.Order)                                 {}
func (common) Admit(pool.Order)                                 {}
func (common) Leave(pool.Order)                                 {}
func (common) Emptied(pool.Order) bool                          { return true }
func (common) Others(pool.Order) bool                           { return false }
func (common) Ports(pool.Order) []uint16                        { return nil }
func (common) Gone(pool.Order)                                  {}
func (common) Expected() bool                                   { return true }
func (common) First() bool                                      { return false }

// bindSomewhere binds a socket to a port that the test never really opens.
func bindSomewhere(reusePort int) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, reusePort)
	return fd, unix.Bind(fd, &unix.SockaddrInet4{Port: 7, Addr: [4]byte{127, 0, 0, 1}})
}

var bindsOnce = behaves("bind once", func() {
	_, err := bindSomewhere(1)
	fmt.Println("child:", err)
})

// bindsAgain binds one address in several ways, and prints the result of each.
var bindsAgain = behaves("bind again", func() {
	first, err := bindSomewhere(0)
	fmt.Println("first:", err)
	_, err = bindSomewhere(0)
	fmt.Println("second, first open:", err)
	_, err = bindSomewhere(1)
	fmt.Println("second with SO_REUSEPORT, first without:", err)
	fmt.Println("bound already:", unix.Bind(first, &unix.SockaddrInet4{Port: 8008, Addr: [4]byte{127, 0, 0, 1}}))
	child := exec.Command(self())
	child.Env = append(os.Environ(), roleEnv+"="+bindsOnce.name)
	said, _ := child.Output()
	fmt.Print("first open, ", string(said))
	unix.Close(first)
	_, err = bindSomewhere(1)
	fmt.Println("third, first closed:", err)
	_, err = bindSomewhere(1)
	fmt.Println("fourth, both with SO_REUSEPORT:", err)
	fmt.Println("end")
	stay()
})

// TestAddressInUse: a program that binds an address twice gets the kernel's error. That the master's
// socket is open in many processes does not count.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web") // a program also inherits this one; that is no bind
	c := bindsAgain.command()
	bindsOnce.used.Store(true)
	c.Sockets = common{r.listeners[0]}
	w := r.start(c)
	const inUse = "address already in use"
	want := []string{
		"first: <nil>", "second, first open: " + inUse, "second with SO_REUSEPORT, first without: " + inUse,
		"bound already: invalid argument",
		"first open, child: " + inUse, "third, first closed: <nil>", "fourth, both with SO_REUSEPORT: <nil>", "end",
	}
	await(t, "the program to bind", func() bool { return len(w.Tail()) >= len(want) || dead(w.PID()) })
	if why := r.uncaptured.Load(); why != nil {
		testreq.Missing(t, "binds cannot be captured here: "+*why)
	}
	if got := w.Tail(); !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestClashes(t *testing.T) {
	tcp := func(address string, rest ...func(*bound)) bound {
		ip := netip.MustParseAddrPort(address)
		b := bound{Address: capture.Address{Family: unix.AF_INET, IP: ip}, Type: unix.SOCK_STREAM}
		if ip.Addr().Is6() {
			b.Address.Family = unix.AF_INET6
		}
		for _, set := range rest {
			set(&b)
		}
		return b
	}
	only6 := func(b *bound) { b.V6Only = true }
	shares := func(b *bound) { b.ReusePort = true }
	udp := func(b *bound) { b.Type = unix.SOCK_DGRAM }
	file := func(path string) bound { return bound{Address: capture.Address{Family: unix.AF_UNIX, Path: path}} }
	for _, test := range []struct {
		a, b bound
		want bool
	}{
		{tcp("127.0.0.1:80"), tcp("127.0.0.1:80"), true},
		{tcp("127.0.0.1:80"), tcp("127.0.0.1:81"), false},
		{tcp("127.0.0.1:0"), tcp("127.0.0.1:0"), false},
		{tcp("127.0.0.1:80"), tcp("127.0.0.2:80"), false},
		{tcp("0.0.0.0:80"), tcp("127.0.0.2:80"), true},
		{tcp("0.0.0.0:80"), tcp("[::1]:80"), false},
		{tcp("[::]:80"), tcp("0.0.0.0:80"), true},
		{tcp("[::]:80", only6), tcp("0.0.0.0:80"), false},
		{tcp("[::]:80", only6), tcp("127.0.0.1:80"), false},
		{tcp("[::]:80", only6), tcp("[::1]:80"), true},
		{tcp("[::]:80"), tcp("127.0.0.1:80"), true},
		{tcp("[::ffff:127.0.0.1]:80"), tcp("127.0.0.1:80"), true},
		{tcp("127.0.0.1:80", shares), tcp("127.0.0.1:80", shares), false},
		{tcp("127.0.0.1:80", shares), tcp("127.0.0.1:80"), true},
		{tcp("127.0.0.1:80", udp), tcp("127.0.0.1:80"), false},
		{tcp("127.0.0.1:80", udp), tcp("0.0.0.0:80", udp), true},
		{file("@a"), file("@a"), true},
		{file("@a"), file("@b"), false},
		{file("@a"), tcp("127.0.0.1:80"), false},
		{file("/"), file("/"), true},
		{file("/not/there"), file("/not/there"), false}, // the file was unlinked
	} {
		if test.a.clashes(test.b) != test.want || test.b.clashes(test.a) != test.want {
			t.Errorf("%+v and %+v: %v", test.a, test.b, !test.want)
		}
	}
}

// TestLateNotifications: a worker whose program runs only after Start has returned is captured all
// the same, and the pool gets one more file to keep.
func TestLateNotifications(t *testing.T) {
	t.Parallel()
	r := newRigOf(t, Options{ExecPatience: time.Nanosecond}, listenAll(t, []string{"web"})...)
	c := bindsOnceAndStays.command()
	c.Sockets = common{r.listeners[0]}
	w := r.start(c)
	for !saw[pool.FilesAdded](w) {
		if _, online := w.next().(pool.Online); online {
			break
		}
	}
	if why := r.uncaptured.Load(); why != nil {
		testreq.Missing(t, "binds cannot be captured here: "+*why)
	}
	if !saw[pool.FilesAdded](w) || w.Legacy().Files[bindsFile] == nil {
		t.Error("the pool is not told of the file")
	}
	expect[pool.Captured](w)
}

var bindsOnceAndStays = behaves("bind once and stay", func() {
	if _, err := bindSomewhere(0); err != nil && !errors.Is(err, unix.EADDRINUSE) {
		fmt.Println(err)
	}
	stay()
})

// TestBindWaitsForSave: a program's bind returns only when its socket is saved for a later master.
func TestBindWaitsForSave(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := bindsOnceAndStays.command()
	c.Sockets = common{listenTCP(t, "web")}
	w := r.newWorker()
	w.holdsSaves = true
	r.startWorker(w, r.prepare(c), order, func(*worker, pool.Report) {})
	for captured := false; !captured; {
		switch report := w.next().(type) {
		case pool.Online:
			if why := r.uncaptured.Load(); why != nil {
				testreq.Missing(t, "binds cannot be captured here: "+*why)
			}
		case pool.Persist:
			captured = true
			inBind := func() bool {
				call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", w.PID()))
				return err == nil && strings.HasPrefix(string(call), fmt.Sprintf("%d ", unix.SYS_BIND))
			}
			slow := time.Now().Add(100 * time.Millisecond) // a slow disk, for example
			for time.Now().Before(slow) && inBind() {
				time.Sleep(time.Millisecond)
			}
			if !inBind() {
				t.Error("the bind returned before the socket was saved")
			}
			report.Done()
			await(t, "the program to go on", func() bool { return !inBind() })
		}
	}
}

var bindsNotAtAll = behaves("bind nothing", stay)

// TestBindsNothing: if a worker lives and opens no port, the reason says what is known of it, and
// what to type.
func TestBindsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := bindsNotAtAll.command()
	c.Sockets = common{listenTCP(t, "web")}
	w := r.start(c)
	expect[pool.Online](w)
	if why := r.uncaptured.Load(); why != nil {
		testreq.Missing(t, "binds cannot be captured here: "+*why)
	}
	wantError(t, expect[pool.Obstructed](w).Hint, "has bound no address", "--ready delay=2s", "--ready-timeout")
}

var complainsAndStays = behaves("complain of an address in use", func() {
	fmt.Println("Connection in use: ('127.0.0.1', 1)")
	stay()
})

func TestBindsNothingButComplains(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := complainsAndStays.command()
	c.Sockets = common{listenTCP(t, "web")}
	wantError(t, expect[pool.Obstructed](r.start(c)).Hint, "an address that the program binds by itself is in use")
}

var listensUnseen = behaves("listen without a bind", func() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Listen(fd, 1) // on a port that the kernel chooses
	}
	if err != nil {
		fmt.Println(err)
	}
	stay()
})

func TestListensUnseen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := listensUnseen.command()
	c.Sockets = common{listenTCP(t, "web")}
	w := r.start(c)
	expect[pool.Online](w)
	if why := r.uncaptured.Load(); why != nil {
		testreq.Missing(t, "binds cannot be captured here: "+*why)
	}
	wantError(t, expect[pool.Obstructed](w).Hint, "listens on 0.0.0.0:", "has not seen it bind", "--ready delay=2s")
}

var needsRoot = behaves("need root", func() {
	fmt.Println("sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root.")
	os.Exit(1)
})

// TestNoPrivileges: a program that fails because set-user-ID has no effect gets a hint at the cause.
func TestNoPrivileges(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{true, false} {
		r := newRig(t)
		r.noNewPrivs.Store(ours)
		if said := strings.Contains(r.start(needsRoot.command()).exit().Hint, "--capture off lifts that"); said != ours {
			t.Errorf("under our no_new_privs %v: hint %v", ours, said)
		}
	}
}
