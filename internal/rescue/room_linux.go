package rescue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Room holds connections that no worker has any more, while they wait for their next
// request. Its methods must be called by one goroutine only.
type Room struct {
	epoll   *os.File
	waiting map[int32]*Connection // by descriptor
}

// NewRoom returns an empty room.
func NewRoom() (*Room, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // for the runtime's poller
	}
	if err != nil {
		return nil, fmt.Errorf("cannot wait for connections: %w", err)
	}
	return &Room{epoll: os.NewFile(uintptr(fd), "epoll"), waiting: map[int32]*Connection{}}, nil
}

// Add adds a connection.
func (r *Room) Add(c *Connection) (err error) {
	err = errors.New("cannot wait for a connection that is closed")
	c.control(func(fd int) {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1), Fd: int32(fd)}
		if err = r.control(unix.EPOLL_CTL_ADD, fd, &event); err == nil {
			r.waiting[int32(fd)] = c
		}
	})
	return err
}

// Len returns the number of connections.
func (r *Room) Len() int { return len(r.waiting) }

// Await waits until clients send something or close, and returns their connections, which
// are no longer in the room. It returns none when ctx ends or the time has come.
func (r *Room) Await(ctx context.Context, until time.Time) (all []*Connection) {
	r.epoll.SetReadDeadline(until)
	end := context.AfterFunc(ctx, func() { r.epoll.SetReadDeadline(time.Unix(1, 0)) })
	defer end()
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Read(func(epoll uintptr) bool {
		// Read all events: the runtime's poller is edge-triggered, and would report no more.
		for events := make([]unix.EpollEvent, 64); ; {
			n, err := unix.EpollWait(int(epoll), events, 0)
			if err == unix.EINTR {
				continue
			}
			for _, e := range events[:max(n, 0)] {
				if c := r.waiting[e.Fd]; c != nil && c.Next() != Nothing {
					all = append(all, c)
					delete(r.waiting, e.Fd) // or a second event would add it again
				}
			}
			if n <= 0 {
				return len(all) > 0 || err != nil
			}
		}
	})
	for _, c := range all {
		r.remove(c)
	}
	return all
}

// Close closes the room and returns the connections that still wait.
func (r *Room) Close() (all []*Connection) {
	for _, c := range r.waiting {
		all = append(all, c)
	}
	for _, c := range all {
		r.remove(c)
	}
	r.epoll.Close()
	return all
}

func (r *Room) remove(c *Connection) {
	c.control(func(fd int) {
		_ = r.control(unix.EPOLL_CTL_DEL, fd, nil)
		delete(r.waiting, int32(fd))
	})
}

func (r *Room) control(operation, fd int, event *unix.EpollEvent) error {
	raw, err := r.epoll.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), operation, fd, event)
	}); failed != nil {
		return failed
	}
	return err
}
