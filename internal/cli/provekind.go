package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"relevo/internal/prove"
)

// kind chooses what is sent and on which connections. It refuses flags that have no effect there.
func (p *proveCommand) kind(f *pflag.FlagSet) (prove.Connections, error) {
	switch {
	case p.http2 && p.webSocket:
		return "", errors.New("cannot use --http2 with --websocket: they are two loads; run one after the other")
	case p.http2:
		return prove.HTTP2, without(f, "http2", map[string]string{
			"connections": "all streams share four connections", "body": "a stream has no body here"})
	case p.webSocket:
		return prove.WebSocket, without(f, "websocket", map[string]string{
			"connections": "each client has one connection", "method": "a handshake is a GET",
			"body": "the messages are numbered by prove", "expect": "an echo has no status"})
	}
	switch c := prove.Connections(p.connections); c {
	case prove.Fresh, prove.KeepAlive, prove.Both:
		return c, nil
	case prove.HTTP2, prove.WebSocket:
		return "", fmt.Errorf("cannot use %q as --connections: write --%s", c, c)
	default:
		return "", fmt.Errorf("cannot use %q as --connections: write fresh, keepalive or both", c)
	}
}

// without refuses flags that make no sense beside another one, and says why.
func without(f *pflag.FlagSet, beside string, reasons map[string]string) error {
	var refused error
	f.Visit(func(flag *pflag.Flag) {
		if why, ok := reasons[flag.Name]; ok && refused == nil {
			refused = fmt.Errorf("cannot use --%s with --%s: %s; leave one of them out", flag.Name, beside, why)
		}
	})
	return refused
}
