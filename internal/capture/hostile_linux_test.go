package capture

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const timesFlipped = 500

// bindChangingAddress has a thread change the port while the kernel and the master look at
// it, and says where its sockets really are.
func bindChangingAddress() error {
	address := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	number := (*[2]byte)(unsafe.Pointer(&address.Port))
	number[1] = wantedPort
	go func() {
		runtime.LockOSThread()
		for i := 0; ; i++ {
			number[1] = wantedPort + byte(i%2)
		}
	}()
	seen := map[string]bool{}
	for range timesFlipped {
		fd := socket(0)
		if _, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&address)),
			unsafe.Sizeof(address)); errno != 0 {
			return errno
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		seen[fmt.Sprint(name.(*unix.SockaddrInet4).Port)] = true
		unix.Close(fd)
	}
	for port := range seen {
		fmt.Println(port)
	}
	fmt.Println("done")
	return nil
}

// A program that changes the address while it is looked at gets a socket for one of the two,
// as the master has read it: the kernel does not read it again.
func TestChangedAddress(t *testing.T) {
	p := start(t, "flip")
	first, firstFD := listen(t)
	second, secondFD := listen(t)
	p.serve(func(b Bind) Answer {
		switch b.Address.IP.Port() {
		case wantedPort:
			return Answer{FD: firstFD}
		case wantedPort + 1:
			return Answer{FD: secondFD}
		}
		return Answer{FD: -1, Errno: unix.EACCES}
	})
	ours := []string{portOf(first), portOf(second)}
	for line := p.line(t); line != "done"; line = p.line(t) {
		if !slices.Contains(ours, line) {
			t.Errorf("a socket is bound to port %s; the master has given %v", line, ours)
		}
	}
}

func portOf(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }
