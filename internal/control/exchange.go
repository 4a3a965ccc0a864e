package control

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// exchange sends one request on a connection of its own, and returns the response once its
// header has come. http.Client does the same with three goroutines a connection, which is most
// of what a look at a hundred masters would cost.
func exchange(ctx context.Context, socket, method, verb string, body []byte) (*http.Response, error) {
	conn, err := dialTrusted(ctx, socket)
	if err != nil {
		return nil, err
	}
	past := time.Unix(1, 0)
	e := &exchanged{ctx: ctx, conn: conn, unwatch: context.AfterFunc(ctx, func() { conn.SetDeadline(past) })}
	response, err := e.roundTrip(method, verb, body)
	if err != nil {
		e.Close()
		return nil, e.cause(err)
	}
	e.body, response.Body = response.Body, e
	return response, nil
}

// exchanged is the body of a response, with the connection that it comes from.
type exchanged struct {
	ctx     context.Context
	conn    net.Conn
	unwatch func() bool
	body    io.Reader
}

// headSize has room for the head of each answer. What is more is read past the buffer.
const headSize = 1 << 10

func (e *exchanged) roundTrip(method, verb string, body []byte) (*http.Response, error) {
	head := fmt.Appendf(nil, "%s /v1/%s HTTP/1.1\r\nHost: relevo\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
		method, verb, len(body))
	_, unsent := e.conn.Write(append(head, body...))
	// A master that refuses a request may answer before it has read all of it.
	response, err := http.ReadResponse(bufio.NewReaderSize(e.conn, headSize), nil)
	if err != nil && unsent != nil {
		err = unsent
	}
	return response, err
}

// Read reads the body.
func (e *exchanged) Read(p []byte) (int, error) {
	n, err := e.body.Read(p)
	return n, e.cause(err)
}

// cause is the end of the context, where an error comes from that.
func (e *exchanged) cause(err error) error {
	if err == nil || err == io.EOF || e.ctx.Err() == nil {
		return err
	}
	return e.ctx.Err()
}

// Close closes the connection.
func (e *exchanged) Close() error {
	e.unwatch()
	return e.conn.Close()
}
