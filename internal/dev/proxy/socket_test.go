package proxy

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// withSocket adds /socket, a WebSocket that echoes short text (RFC 6455).
func withSocket(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/socket" {
			next.ServeHTTP(w, r)
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		conn, stream, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(stream, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+
			base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
		for stream.Flush() == nil {
			if echoFrame(stream) != nil {
				return
			}
		}
	})
}

// echoFrame reads a masked frame of at most 125 bytes and sends it back unmasked.
func echoFrame(stream *bufio.ReadWriter) error {
	var head [6]byte
	if _, err := io.ReadFull(stream, head[:]); err != nil {
		return err
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(stream, text); err != nil {
		return err
	}
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	if head[0] != 0x81 {
		return errors.New("no text")
	}
	_, err := stream.Write(append([]byte{0x81, byte(len(text))}, text...))
	return err
}

// socketPath is a short path without a listener.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "app.sock")
}

// listenAt serves an app on a Unix socket.
func listenAt(t *testing.T, path string, handler http.Handler) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, listener, handler)
}

func serveOn(t *testing.T, listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Shutdown(ctx)
		_ = server.Close()
		<-served
	})
}
