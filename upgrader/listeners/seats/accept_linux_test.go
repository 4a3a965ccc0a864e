package seats_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/upgrader/listeners/seats"
)

// moment is a context for waiting for something that must not happen, patience for something
// that must happen.
func moment(t testing.TB) context.Context { return within(t, 100*time.Millisecond) }

func patience(t testing.TB) context.Context { return within(t, tooLong) }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// A probe reaches the worker that does not serve yet, and no other worker.
func TestAccepted(t *testing.T) {
	all := []string{"127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0", onlyIPv6}
	if own := interfaceAddress(); own.IsValid() {
		all = append(all, netip.AddrPortFrom(own, 0).String())
	}
	for _, address := range all {
		for name, with := range map[string]func(*seats.Group){
			"":              func(*seats.Group) {},
			" no sock_diag": seats.WithoutSockDiag,
		} {
			t.Run(address+name, func(t *testing.T) {
				g, common := newGroup(t, address)
				with(g)
				others := []*server{serve(t, common, "common"), serve(t, take(t, g, "w0", 0), "w0")}
				must(t, g.Serve("w0"))
				file := take(t, g, "w1", 1)
				err := g.Accepted(moment(t), "w1")
				if !errors.Is(err, seats.ErrNotAccepted) || !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("probing a worker that does not accept: %v", err)
				}
				s := serve(t, file, "w1")
				must(t, g.Accepted(patience(t), "w1"))
				// Including the connection of the first probe.
				eventually(t, "w1 has accepted two connections", func() bool { return s.count() == 2 })
				for _, other := range others {
					if n := other.count(); n > 0 {
						t.Errorf("another worker accepted %d probes", n)
					}
				}
			})
		}
	}
}

// interfaceAddress is an address of this machine that is not on the loopback.
func interfaceAddress() netip.Addr {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

// Whatever the program does with the connection of a probe, the master sends no data and no
// reset.
func TestAcceptedEnds(t *testing.T) {
	for name, do := range map[string]func(*net.TCPConn) error{
		"waits for a request": func(c *net.TCPConn) error {
			if n, err := c.Read(make([]byte, 1)); n > 0 || err != io.EOF {
				return fmt.Errorf("read %d bytes, %w", n, err)
			}
			return nil
		},
		"speaks first": func(c *net.TCPConn) error {
			if _, err := c.Write(make([]byte, 100_000)); err != nil {
				return err
			}
			if n, err := c.Read(make([]byte, 1)); n > 0 || err != io.EOF {
				return fmt.Errorf("read %d bytes, %w", n, err)
			}
			if _, err := c.Write(make([]byte, 100_000)); err != nil {
				return err
			}
			return ended(c)
		},
		"closes at once": func(*net.TCPConn) error { return nil },
		"resets":         func(c *net.TCPConn) error { return c.SetLinger(0) },
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := newGroup(t, "127.0.0.1:0")
			l, err := net.FileListener(take(t, g, "w0", 0))
			must(t, err)
			defer l.Close()
			served := make(chan error)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					conn.SetDeadline(time.Now().Add(tooLong))
					err = do(conn.(*net.TCPConn))
					conn.Close()
				}
				served <- err
			}()
			must(t, g.Accepted(patience(t), "w0"))
			must(t, <-served)
		})
	}
}

// ended closes the second direction of a connection, and says whether it ended without a reset.
func ended(c *net.TCPConn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for state := uint8(0); state != unix.BPF_TCP_CLOSE; time.Sleep(time.Millisecond) {
		raw.Control(func(fd uintptr) {
			var info *unix.TCPInfo
			if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				state = info.State
			}
		})
		if err != nil {
			return err
		}
	}
	code := 0
	raw.Control(func(fd uintptr) { code, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) })
	if code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// A program that accepts only connections with data (TCP_DEFER_ACCEPT) is probed, too, and the
// option is set again afterwards.
func TestAcceptedDeferred(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	file, err := g.Take("w0", 0, seats.SocketOptions{Set: []seats.Option{deferAccept}})
	must(t, err)
	serve(t, file, "w0")
	must(t, g.Accepted(patience(t), "w0"))
	seconds, err := unix.GetsockoptInt(int(file.Fd()), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT)
	if err != nil || seconds < 30 {
		t.Errorf("data is waited for %d seconds (%v)", seconds, err)
	}
}

var deferAccept = seats.Option{
	Level: unix.IPPROTO_TCP, Name: unix.TCP_DEFER_ACCEPT, Value: binary.NativeEndian.AppendUint32(nil, 60),
}

// Many workers are probed at the same time, and each probe ends by its own worker.
func TestAcceptedMany(t *testing.T) {
	const n = 24
	g, _ := newGroup(t, "[::]:0")
	var servers []*server
	for slot := range n {
		name := fmt.Sprint("w", slot)
		servers = append(servers, serve(t, take(t, g, name, slot), name))
	}
	var probes sync.WaitGroup
	for slot := range n {
		probes.Go(func() {
			if err := g.Accepted(patience(t), fmt.Sprint("w", slot)); err != nil {
				t.Error(err)
			}
		})
	}
	probes.Wait()
	for slot, s := range servers {
		eventually(t, fmt.Sprintf("w%d has accepted its probe", slot), func() bool { return s.count() > 0 })
		if s.count() != 1 {
			t.Errorf("w%d was probed %d times", slot, s.count())
		}
	}
}

// While eight workers do not answer, a ninth probe waits for its turn.
func TestAcceptedTurns(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	var hung sync.WaitGroup
	defer hung.Wait()
	defer cancel()
	for slot := range 8 {
		name := fmt.Sprint("w", slot)
		take(t, g, name, slot)
		hung.Go(func() {
			if err := g.Accepted(ctx, name); !errors.Is(err, seats.ErrNotAccepted) {
				t.Errorf("%s: %v", name, err)
			}
		})
		eventually(t, name+" is probed", func() bool { return queue(t, g, name).Waiting == 1 })
	}
	serve(t, take(t, g, "w8", 8), "w8")
	if err := g.Accepted(moment(t), "w8"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the ninth: %v", err)
	}
	cancel()
	must(t, g.Accepted(patience(t), "w8"))
}

// Nothing but the worker's own end of its seat ends a probe early.
func TestAcceptedWithoutWorker(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	if err := g.Accepted(patience(t), "w0"); !errors.Is(err, seats.ErrNoSeat) {
		t.Errorf("probing a worker without a seat: %v", err)
	}
	slots := 0
	for name, end := range map[string]func(*os.File) error{
		"gone": func(*os.File) error { return g.Gone("gone") },
		"shut": func(file *os.File) error { return unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR) },
	} {
		slots++ // the queue of another slot does not count
		file := take(t, g, name, slots)
		failed := make(chan error)
		go func() { failed <- g.Accepted(patience(t), name) }()
		eventually(t, name+" is probed", func() bool { return queue(t, g, name).Waiting == 1 })
		must(t, end(file))
		if err := <-failed; !errors.Is(err, seats.ErrNoSeat) && !errors.Is(err, seats.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
