package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// http2Connection is a client with one connection over TLS.
type http2Connection struct {
	client    http.Client
	transport *http.Transport
	url       string
}

func dialHTTP2(_ context.Context, address string) (connection, error) {
	c := &http2Connection{url: "https://" + address + "/"}
	c.transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	c.client.Transport = c.transport
	return c, nil
}

// call posts a body that cannot be had a second time, so that net/http does not send
// the request again by itself.
func (c *http2Connection) call(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, io.NopCloser(strings.NewReader("x")))
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s by %s", response.Status, response.Proto)
	}
	return nil
}

func (c *http2Connection) close() { c.transport.CloseIdleConnections() }
