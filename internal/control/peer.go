package control

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// peer is the user at the other end of a connection.
type peer struct {
	uid int
	err error
}

func rememberPeer(ctx context.Context, conn net.Conn) context.Context {
	uid, err := peerUID(conn)
	return context.WithValue(ctx, peerKey{}, peer{uid, err})
}

// permitted refuses all users except the master's own and root. The socket's mode does the
// same, but a mode can be changed by mistake.
func (s *Server) permitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := r.Context().Value(peerKey{}).(peer)
		if who.err == nil && (who.uid == os.Geteuid() || who.uid == 0) {
			next.ServeHTTP(w, r)
			return
		}
		s.log.Warn("control request refused", "uid", who.uid, "path", r.URL.Path)
		answer(w, nil, &Error{
			Message: fmt.Sprintf("cannot control this master as user %d: it belongs to user %d", who.uid, os.Geteuid()),
			Exit:    ExitNotPermitted,
		})
	})
}

// listenPrivately makes the socket with mode 0600 from its first moment.
func listenPrivately(path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		if err == nil {
			err = failed
		}
		return ignoreUnsupported(err)
	}}
	listener, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// ignoreUnsupported ignores the error of systems on which a socket has no mode before it has
// a path. There the chmod that follows sets it.
func ignoreUnsupported(err error) error {
	if err == unix.EINVAL {
		return nil
	}
	return err
}
