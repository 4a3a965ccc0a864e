package upgrader

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// perMessage is how many files go into one message: the kernel takes 253
// (SCM_MAX_FD, unix(7)).
const perMessage = 200

// passSocket returns a socket out of which a legacy can be received, once. It is
// filled in the background, until it is all received or close is called.
func passSocket(files map[string]*os.File) (socket *os.File, close func(), err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket for the legacy: %w", err)
	}
	sent := make(chan struct{})
	go func() {
		defer func() { unix.Close(ends[0]); sent <- struct{}{} }()
		withFDs(files, func(names []string, fds []int) error { return sendFiles(ends[0], names, fds) })
	}()
	socket = os.NewFile(uintptr(ends[1]), "legacy")
	return socket, func() {
		unix.Shutdown(ends[1], unix.SHUT_RDWR) // a send that waits ends
		<-sent
		socket.Close()
	}, nil
}

// talkPair is a socket between two masters.
func talkPair() (ours, theirs *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(ends[0]), talkFile), os.NewFile(uintptr(ends[1]), talkFile), nil
}

func sendFiles(socket int, names []string, fds []int) error {
	for len(names) > 0 {
		n := min(len(names), perMessage)
		text, err := json.Marshal(names[:n])
		if err != nil {
			return err
		}
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Sendmsg(socket, text, unix.UnixRights(fds[:n]...), nil, unix.MSG_NOSIGNAL)
		}
		if err != nil {
			return err
		}
		names, fds = names[n:], fds[n:]
	}
	return nil
}

// receiveFiles reads what passSocket sends to its end.
func receiveFiles(socket int) (map[string]int, error) {
	all := map[string]int{}
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(perMessage*4))
	for {
		n, rightsN, flags, _, err := unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && n == 0:
			return all, nil
		case err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
			err = errors.New("a message was cut: are too many files open here (RLIMIT_NOFILE)?")
		}
		if err == nil {
			err = takeFiles(all, text[:n], rights[:rightsN])
		}
		if err != nil {
			closeFDs(all)
			return nil, fmt.Errorf("cannot receive the legacy: %w", err)
		}
	}
}

func closeFDs(all map[string]int) {
	for _, fd := range all {
		unix.Close(fd)
	}
}

func takeFiles(all map[string]int, text, rights []byte) error {
	var names []string
	if err := json.Unmarshal(text, &names); err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return err
	}
	var fds []int
	for _, m := range messages {
		got, err := unix.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		fds = append(fds, got...)
	}
	for i, fd := range fds {
		if i < len(names) {
			all[names[i]] = fd
		} else {
			unix.Close(fd)
		}
	}
	if len(fds) != len(names) {
		return fmt.Errorf("%d files came under %d names", len(fds), len(names))
	}
	return nil
}
