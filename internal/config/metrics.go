package config

import (
	"fmt"
	"net"
	"strconv"
)

// parseMetricsAddress reads HOST:PORT. A port without a host is refused: it would be open to every
// network, and a user who wants that can write 0.0.0.0:9100.
func parseMetricsAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", fmt.Errorf("cannot use %q as the address of metrics: write HOST:PORT, such as 127.0.0.1:9100", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("cannot use %q as the address of metrics: %q is no port from 0 to 65535", text, port)
	}
	if host == "" {
		return "", fmt.Errorf("cannot use %q as the address of metrics: write 127.0.0.1%s for this machine alone, or "+
			"0.0.0.0%s for all", text, text, text)
	}
	return text, nil
}
