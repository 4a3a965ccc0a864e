package trace

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Exporter sends traces. A trace that cannot be sent is lost.
type Exporter struct {
	Settings
	Client *http.Client // default: one that follows no redirections, so that no other host gets the headers
}

// firstPause is the wait before the second try. Each later wait is twice as long.
const firstPause = 200 * time.Millisecond

// Send sends a trace, and tries again while the receiver says that it is busy.
func (e *Exporter) Send(ctx context.Context, t Trace) error {
	body := encode(&e.Settings, t)
	if e.Gzip {
		var packed bytes.Buffer
		to := gzip.NewWriter(&packed)
		to.Write(body)
		to.Close()
		body = packed.Bytes()
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		wait, err := e.post(ctx, body)
		if err == nil {
			return nil
		}
		if wait == 0 {
			return fmt.Errorf("cannot send a trace to %s: %w", withoutUser(e.URL), err)
		}
		select {
		case <-time.After(max(wait, pause)):
		case <-ctx.Done():
			return fmt.Errorf("cannot send a trace to %s within %s: %w", withoutUser(e.URL), e.Timeout, err)
		}
	}
}

// post sends a request once. On an error, wait is the time until the next try; 0: do not try again.
func (e *Exporter) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header = e.Headers.Clone()
	if request.Header == nil {
		request.Header = http.Header{}
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("User-Agent", "relevo/"+e.Version)
	if e.Gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	client := e.Client
	if client == nil {
		client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		defer client.CloseIdleConnections()
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 300))
	switch response.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wait = time.Millisecond
		if s, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && s > 0 {
			wait = time.Duration(s) * time.Second
		}
	}
	return wait, fmt.Errorf("%s %q", response.Status, strings.ToValidUTF8(string(said), "?"))
}
