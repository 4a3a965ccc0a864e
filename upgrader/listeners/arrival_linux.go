package listeners

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// AwaitClient returns when a client comes to a listener that is open now, or ctx ends. The
// client is the workers'. An error says that the kernel does not tell.
func (s *Set) AwaitClient(ctx context.Context) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot wait for a client: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot wait for a client: %w", err)
	}
	set := os.NewFile(uintptr(fd), "arrivals")
	defer set.Close()
	h := &hangups{set: set}
	// A socket that the newest configuration does not name may be that of the generation that
	// sleeps.
	for _, l := range s.held() {
		h.control(unix.EPOLL_CTL_ADD, l, unix.EPOLLIN|unix.EPOLLONESHOT)
		for _, seat := range l.seats.files() {
			h.controlFile(unix.EPOLL_CTL_ADD, seat, unix.EPOLLIN|unix.EPOLLONESHOT)
		}
	}
	stop := context.AfterFunc(ctx, func() { set.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := h.wait(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("cannot wait for a client: %w", err)
	}
	return nil
}
