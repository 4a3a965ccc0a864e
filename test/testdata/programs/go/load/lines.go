package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// lineConnection sends lines, or datagrams, and wants them back.
type lineConnection struct {
	net.Conn
	answers *bufio.Reader
}

func dialLines(ctx context.Context, address string) (connection, error) {
	return dialLine(ctx, "tcp", address)
}
func dialUDP(ctx context.Context, address string) (connection, error) {
	return dialLine(ctx, "udp", address)
}

func dialLine(ctx context.Context, network, address string) (connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return lineConnection{conn, bufio.NewReader(conn)}, nil
}

func (c lineConnection) call(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	if c.LocalAddr().Network() == "udp" {
		deadline = time.Now().Add(2 * time.Second) // a datagram that is lost does not come later
	}
	c.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })()
	if _, err := fmt.Fprintln(c, "word"); err != nil {
		return err
	}
	answer, err := c.answers.ReadString('\n')
	if err == nil && answer != "word\n" {
		err = fmt.Errorf("got %q", answer)
	}
	return err
}

func (c lineConnection) close() { c.Close() }

// serveQueue hands out jobs to workers that connect. A job is lost if its worker goes
// away before it has done it.
func serveQueue(ctx context.Context, address string, counts *tally) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		counts.add(ctx, err, 0)
		return
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go handOut(ctx, conn, counts)
	}
}

func handOut(ctx context.Context, conn net.Conn, counts *tally) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for job := 1; ; job++ {
		if line, err := lines.ReadString('\n'); err != nil || line != "next\n" {
			return
		}
		began := time.Now()
		fmt.Fprintln(conn, "job", job)
		line, err := lines.ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "done") {
			err = fmt.Errorf("got %q", line)
		}
		counts.add(ctx, err, time.Since(began))
		if err != nil {
			return
		}
	}
}
