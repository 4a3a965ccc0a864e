package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/printable"
	"relevo/pool"
)

// Client talks to one running master.
type Client struct {
	name     string
	socket   string        // its path
	patience time.Duration // of Status
}

// Connect returns a client of the master whose control socket is at path. It connects once:
// an error has the exit code for "not running" or "not permitted".
func Connect(ctx context.Context, path string) (*Client, error) {
	c, err := Open(path)
	if err != nil {
		return nil, err
	}
	conn, err := dialTrusted(ctx, path)
	if err != nil {
		return nil, untrusted(c.name, path, err)
	}
	conn.Close()
	return c, nil
}

// Open returns a client without a first connection. The first request shows whether a master
// answers.
func Open(path string) (*Client, error) {
	name := printable.Line(strings.TrimSuffix(filepath.Base(path), ".sock"))
	if err := config.CheckSocketPath(path); err != nil {
		return nil, fmt.Errorf("cannot reach %q at %s: %w", name, path, err)
	}
	return &Client{name: name, socket: path, patience: statusPatience}, nil
}

// dialTrusted connects. Each connection is checked, because another process may have taken the
// path meanwhile.
func dialTrusted(ctx context.Context, path string) (net.Conn, error) {
	uids, err := trustedSocket(path)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := checkServer(conn, uids); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func notConnected(name, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Message: fmt.Sprintf("cannot reach %q: not running (no socket at %s)", name, path),
			Exit: ExitNotRunning}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Message: fmt.Sprintf("cannot reach %q: not running (its master died; the socket at %s is stale)", name,
			path), Exit: ExitNotRunning}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Message: fmt.Sprintf("cannot reach %q: permission denied on %s; it belongs to another user", name,
			path), Exit: ExitNotPermitted}
	}
	return fmt.Errorf("cannot reach %q: %w", name, err)
}

// Names returns the apps that have a control socket in the runtime directory,
// sorted. Some may be dead.
func Names(runtimeDir string) ([]string, error) {
	if err := checkDir(runtimeDir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(runtimeDir)
	if errors.Is(err, fs.ErrPermission) { // the directory may belong to root
		return nil, &Error{Message: fmt.Sprintf("cannot look for masters: %v", err), Exit: ExitNotPermitted}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for masters: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, isSocket := strings.CutSuffix(entry.Name(), ".sock"); isSocket && config.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Name is the app's name.
func (c *Client) Name() string { return c.name }

// Socket is the path of the control socket.
func (c *Client) Socket() string { return c.socket }

// statusPatience is how long a master may take to answer with its status. The kernel accepts
// connections even for a master that is stopped or stuck and never answers.
const statusPatience = 5 * time.Second

// Status asks for the state of the app. It does not wait for a master that is stuck.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	patient, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	err = c.do(patient, http.MethodGet, "status", nil, &s)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("cannot learn the status of %q: its master does not answer within %s", c.name, c.patience)
	}
	return s, err
}

// Reload rolls and waits for the end.
func (c *Client) Reload(ctx context.Context, o ReloadOptions) (r pool.RollResult, err error) {
	return c.roll(ctx, "reload", reloadRequest{ReloadOptions: o})
}

// roll asks for a roll and waits for its end, with the next master if this one is
// replaced meanwhile.
func (c *Client) roll(ctx context.Context, verb string, body any) (r pool.RollResult, err error) {
	for {
		err = c.do(ctx, http.MethodPost, verb, body, &r)
		handed := new(Error)
		if !errors.As(err, &handed) || handed.HandedOver == nil {
			return r, err
		}
		verb, body = "wait", waitRequest{Generation: *handed.HandedOver}
	}
}

// Upgrade replaces the master and waits until the next one answers.
func (c *Client) Upgrade(ctx context.Context) (u Upgraded, err error) {
	if err := c.do(ctx, http.MethodPost, "upgrade", nil, &u); err != nil {
		return u, err
	}
	for looks := time.NewTicker(5 * time.Millisecond); ; {
		s, err := c.Status(ctx)
		if err == nil && s.Successions >= u.Successions {
			looks.Stop()
			u.PID = s.PID
			return u, nil
		}
		if err == nil && s.UpgradeFailed != "" {
			looks.Stop()
			return u, &Error{Message: s.UpgradeFailed, Exit: ExitRollFailed}
		}
		select {
		case <-looks.C:
		case <-ctx.Done():
			looks.Stop()
			return u, fmt.Errorf("cannot tell whether the next master of %q has taken over: %w", c.name, ctx.Err())
		}
	}
}

// HandOver has the master pass everything to the process that waits at a socket. It returns
// when that process has taken over.
func (c *Client) HandOver(ctx context.Context, to string) error {
	return c.do(ctx, http.MethodPost, "handover", handOverRequest{To: to}, nil)
}

// ReloadNoWait begins a roll.
func (c *Client) ReloadNoWait(ctx context.Context, o ReloadOptions) error {
	return c.do(ctx, http.MethodPost, "reload", reloadRequest{ReloadOptions: o, Wait: new(bool)}, nil)
}

// Promote ends the probation of a roll's canary.
func (c *Client) Promote(ctx context.Context) (canary pool.Canary, err error) {
	return canary, c.do(ctx, http.MethodPost, "promote", nil, &canary)
}

// Abort ends the roll that is under way, and waits until it has reverted.
func (c *Client) Abort(ctx context.Context) (pool.RollResult, error) {
	return c.roll(ctx, "abort", nil)
}

// Plan asks what a reload would change.
func (c *Client) Plan(ctx context.Context) (p Plan, err error) {
	return p, c.do(ctx, http.MethodGet, "plan", nil, &p)
}

// Recent returns what has happened lately, the oldest first.
func (c *Client) Recent(ctx context.Context) (entries []pool.Entry, err error) {
	return entries, c.do(ctx, http.MethodGet, "recent", nil, &entries)
}

// Rollback rolls to a kept release and waits for the end. to is the release's hash or the
// beginning of it; empty means the last good release before the present one.
func (c *Client) Rollback(ctx context.Context, to string) (r pool.RollResult, err error) {
	return c.roll(ctx, "rollback", rollbackRequest{To: to})
}

// RollbackNoWait begins a roll to a kept release.
func (c *Client) RollbackNoWait(ctx context.Context, to string) error {
	return c.do(ctx, http.MethodPost, "rollback", rollbackRequest{To: to, Wait: new(bool)}, nil)
}

// Releases asks for the releases that are known.
func (c *Client) Releases(ctx context.Context) (r Releases, err error) {
	return r, c.do(ctx, http.MethodGet, "releases", nil, &r)
}

// Prune removes all unused copies except the last good one.
func (c *Client) Prune(ctx context.Context) (p Pruned, err error) {
	return p, c.do(ctx, http.MethodPost, "prune", nil, &p)
}

// Scale changes the number of workers: a number, +N or -N.
func (c *Client) Scale(ctx context.Context, workers string) (s Scaled, err error) {
	return s, c.do(ctx, http.MethodPost, "scale", scaleRequest{Workers: json.RawMessage(strconv.Quote(workers))}, &s)
}

// Stop asks the master to end.
func (c *Client) Stop(ctx context.Context, force bool) error {
	return c.do(ctx, http.MethodPost, "stop", stopRequest{Force: force}, nil)
}

// Send sends an application message, one JSON value.
func (c *Client) Send(ctx context.Context, t pool.Target, data json.RawMessage) (r Reached, err error) {
	return r, c.do(ctx, http.MethodPost, "send", sendRequest{Slot: t.Slot, ID: t.ID, Data: data}, &r)
}

// Signal sends a signal, named as in signal(7).
func (c *Client) Signal(ctx context.Context, t pool.Target, signal string) (r Reached, err error) {
	return r, c.do(ctx, http.MethodPost, "signal", signalRequest{Slot: t.Slot, ID: t.ID, Signal: signal}, &r)
}

// Events subscribes to the events. All events after its return are received.
func (c *Client) Events(ctx context.Context) (*EventStream, error) {
	response, err := c.ask(ctx, http.MethodGet, "events", nil)
	if err != nil {
		return nil, err
	}
	return &EventStream{body: response.Body, lines: bufio.NewReader(response.Body)}, nil
}

// EventStream is a subscription to the events of a master.
type EventStream struct {
	body  io.ReadCloser
	lines *bufio.Reader
}

// Next returns the next event and its line. It returns io.EOF when the pool has ended.
func (s *EventStream) Next() (e pool.Event, line []byte, err error) {
	line, err = s.line()
	if err != nil {
		return e, nil, err
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, nil, fmt.Errorf("cannot read an event: %w", err)
	}
	printable.Clean(&e)
	return e, printable.JSON(line), nil
}

// maxAnswer is how much a client reads of one answer or of one event, in bytes: it need not
// be a master that answers on the socket.
const maxAnswer = 8 << 20

func (s *EventStream) line() (line []byte, err error) {
	for {
		part, err := s.lines.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxAnswer {
			return nil, fmt.Errorf("cannot read an event: it is longer than %d MiB", maxAnswer>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// Close ends the stream.
func (s *EventStream) Close() error { return s.body.Close() }

func (c *Client) do(ctx context.Context, method, verb string, body, into any) error {
	response, err := c.ask(ctx, method, verb, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		return nil
	}
	text, err := readAnswer(response)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return c.unanswered(fmt.Errorf("cannot read the answer of %q: %w", c.name, err))
	}
	if !printable.IsClean(text) {
		printable.Clean(into)
	}
	return nil
}

// readAnswer reads the body of a response, at once where its length is known.
func readAnswer(r *http.Response) ([]byte, error) {
	if r.ContentLength <= 0 || r.ContentLength > maxAnswer {
		return io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	}
	text := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, text)
	return text, err
}

// unanswered adds to an error what to do if the master ended before it answered.
func (c *Client) unanswered(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return fmt.Errorf("%w\n  the master ended before it answered; if systemd starts another one, it continues a "+
		"roll: see relevo status %s", err, c.name)
}

// ask is request. If the master is being replaced, it asks the next one.
func (c *Client) ask(ctx context.Context, method, verb string, body any) (*http.Response, error) {
	response, err := c.request(ctx, method, verb, body)
	for handedBack(err) && again(ctx) {
		response, err = c.request(ctx, method, verb, body)
	}
	return response, err
}

// handedBack says whether nothing was done because another master is about to take over.
func handedBack(err error) bool {
	handed := new(Error)
	return errors.As(err, &handed) && handed.HandedOver != nil && *handed.HandedOver == 0
}

// again waits a moment before the next try. It returns false if ctx has ended.
func again(ctx context.Context) bool {
	select {
	case <-time.After(10 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// request returns the response if the master has granted the request.
func (c *Client) request(ctx context.Context, method, verb string, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("cannot ask %q to %s: %w", c.name, verb, err)
		}
	}
	response, err := exchange(ctx, c.socket, method, verb, text)
	if err != nil {
		return nil, c.unanswered(fmt.Errorf("cannot ask %q to %s: %w", c.name, verb, err))
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	failure := &Error{Exit: ExitFailure}
	if json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(failure) != nil || failure.Message == "" {
		failure.Message = fmt.Sprintf("cannot ask %q to %s: %s", c.name, verb, response.Status)
	}
	if failure.Exit <= ExitOK || failure.Exit > 255 {
		failure.Exit = ExitFailure
	}
	printable.Clean(failure)
	return nil, failure
}
