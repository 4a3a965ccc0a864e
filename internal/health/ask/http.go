package ask

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"relevo/internal/config"
)

const (
	mostBody = 64 << 10 // of an answer, that is read
	mostHead = 64 << 10
)

// get makes a request on a connection of its own. The status is 0 where there was no
// answer.
func get(ctx context.Context, h config.Health, t Target) (status int, err error) {
	conn, err := t.Dial(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	request, err := request(ctx, h, t)
	if err != nil {
		return 0, err
	}
	if err := request.Write(conn); err != nil {
		return 0, err
	}
	answer, err := read(bufio.NewReader(io.LimitReader(conn, mostHead+mostBody)), request)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBody))
	if err != nil && h.Body != "" && ctx.Err() != nil {
		return answer.StatusCode, fmt.Errorf("%d, but its body does not end: %w", answer.StatusCode, err)
	}
	return answer.StatusCode, judge(h, answer.StatusCode, body)
}

func request(ctx context.Context, h config.Health, t Target) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://relevo"+h.HTTP, nil)
	if err != nil {
		return nil, err
	}
	r.Host, r.Close = h.Host, true
	if r.Host == "" {
		r.Host = t.Address
	}
	r.Header.Set("User-Agent", "relevo-health")
	for _, header := range h.Headers {
		if http.CanonicalHeaderKey(header.Name) == "Host" {
			r.Host = header.Value
		}
		r.Header.Set(header.Name, header.Value)
	}
	return r, nil
}

// read passes over what comes before the answer (103 Early Hints).
func read(from *bufio.Reader, r *http.Request) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(from, r)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, errors.New("the connection was closed without an answer")
		case err != nil:
			return nil, fmt.Errorf("the answer is not HTTP/1: %w", err)
		case answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols:
			return answer, nil
		}
	}
}

// judge compares an answer with what is wanted.
func judge(h config.Health, status int, body []byte) error {
	text := beginning(body)
	if text != "" {
		text = " " + text
	}
	switch {
	case !h.Status.Holds(status):
		return fmt.Errorf("%d%s", status, text)
	case h.Body != "" && !bytes.Contains(body, []byte(h.Body)):
		return fmt.Errorf("%d, but without %q%s", status, h.Body, text)
	}
	return nil
}
