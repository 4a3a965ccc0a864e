package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"relevo/internal/workertest"
)

// onceClient speaks one protocol and cannot try again: net/http sends a request
// twice only if it can get the body a second time.
func onceClient(t *testing.T, proto string) *http.Client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	switch proto {
	case "h2c":
		tr.Protocols.SetUnencryptedHTTP2(true)
	case "h2":
		tr.Protocols.SetHTTP2(true)
	default:
		tr.Protocols.SetHTTP1(true)
		tr.MaxIdleConnsPerHost = 8
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: tooLong}
}

// errUnsent is a request of which the client has written nothing: net/http picks a connection,
// learns that the connection is going away, and does not pick another one, because it has closed
// the body unread.
var errUnsent = errors.New("not sent")

func postOnce(c *http.Client, url, body string) (page string, proto string, err error) {
	var sent atomic.Bool
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, "POST", url, struct{ io.Reader }{strings.NewReader(body)})
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err != nil && !sent.Load() {
			err = errUnsent
		}
	}()
	resp, err := c.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", resp.Status)
	}
	return string(b), resp.Proto, err
}

// HTTP/2 with and without TLS, and HTTP/1.1 over TLS.
func TestRollLosesNothingOfOtherProtocols(t *testing.T) {
	t.Parallel()
	for proto, scheme := range map[string]string{"h2": "https://", "h2c": "http://", "h1": "https://"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			server, version := "tls", "HTTP/2.0"
			if proto == "h2c" {
				server = proto
			}
			if proto == "h1" {
				version = "HTTP/1.1"
			}
			p := newPool(t, spec("serve", "PROTO="+server), byMessage)
			url := scheme + p.m.Addr + "/"
			var ok, lost, other, unsent atomic.Int64
			var firstErr sync.Map
			end := make(chan struct{})
			var group sync.WaitGroup
			for range 4 {
				// Several streams on each of several connections.
				c := onceClient(t, proto)
				for range 4 {
					group.Go(func() {
						for !isClosed(end) {
							_, got, err := postOnce(c, url, "once")
							switch {
							case err == errUnsent:
								unsent.Add(1)
							case err != nil:
								lost.Add(1)
								firstErr.LoadOrStore("first", err)
							case got != version:
								other.Add(1)
							default:
								ok.Add(1)
							}
							time.Sleep(10 * time.Millisecond) // the workers that start need the processors, too
						}
					})
				}
			}
			long, began := longRun(t), time.Now()
			for p.rolls < 4 || ok.Load() < loadRequests || time.Since(began) < long {
				p.roll(t)
			}
			close(end)
			group.Wait()
			t.Logf("%d rolls: %d ok, %d lost, %d not sent", p.rolls, ok.Load(), lost.Load(), unsent.Load())
			if lost.Load() > 0 || other.Load() > 0 {
				err, _ := firstErr.Load("first")
				t.Errorf("%d lost in %d rolls, the first by %v; %d by another protocol", lost.Load(), p.rolls, err, other.Load())
			}
		})
	}
}

// A stream that runs when the drain begins is finished, and a client that keeps
// its idle connection does not hold the worker up.
func TestHTTP2StreamIsFinished(t *testing.T) {
	t.Parallel()
	for proto, scheme := range map[string]string{"h2": "https://", "h2c": "http://"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			m := workertest.NewMaster(t)
			server := map[string]string{"h2": "tls", "h2c": "h2c"}[proto]
			w := m.Start(spec("serve", "PROTO="+server, "GRACE=1h")).WaitReady()
			busy, idle := onceClient(t, proto), onceClient(t, proto)
			if _, _, err := postOnce(idle, scheme+m.Addr+"/", "x"); err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				page, _, err := postOnce(busy, scheme+m.Addr+"/slow?d=700ms", "x")
				if err == nil && page != fmt.Sprint("pid ", w.PID) {
					err = fmt.Errorf("got %q", page)
				}
				done <- err
			}()
			until(t, w, says("slow begun"))
			began := time.Now()
			w.Signal(syscall.SIGTERM)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if err := w.Wait(); err != nil {
				t.Error(err, w.Output())
			}
			if took := time.Since(began); took > tooLong/4 {
				t.Errorf("the drain took %v", took)
			}
		})
	}
}
