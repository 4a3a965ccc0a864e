package doctor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// tryBind binds an address and closes the socket at once. It creates no Unix socket, because it
// would have to remove an existing one.
func tryBind(l config.Listen) error {
	if l.Network == config.Unix && !l.Abstract() {
		return tryCreateIn(filepath.Dir(l.Address))
	}
	network := l.SocketNetwork()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	if strings.HasPrefix(network, "udp") {
		conn, err := lc.ListenPacket(context.Background(), network, l.Address)
		if err == nil {
			conn.Close()
		}
		return err
	}
	listener, err := lc.Listen(context.Background(), network, l.Address)
	if err == nil {
		listener.Close()
	}
	return err
}

func tryCreateIn(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	return unix.Access(dir, unix.W_OK|unix.X_OK)
}
