// Package serve is the built-in worker: static files of a directory, or a page
// that shows live which worker and which generation answers.
package serve

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"relevo/worker"
)

// Options are the settings of the worker.
type Options struct {
	// Dir is the directory to serve. It is opened once: where it is a symbolic
	// link that moves, a generation keeps the directory with which it began,
	// and the next roll takes the new one. Default: the live page.
	Dir string
	// Hidden serves files and directories whose names begin with a dot, too.
	// Without it they do not exist, except for /.well-known/ (RFC 8615).
	Hidden bool
	// NoListing answers 403 for a directory without index.html. Default: its
	// entries are listed.
	NoListing bool
	// SinglePage answers paths that do not exist, and have no file extension, with the index.html of
	// Dir, for an app whose routes only the browser knows. Directories are not listed then.
	SinglePage bool
	// Address is where a worker without a master listens; default
	// "127.0.0.1:8080". With a master it serves all listeners that it is given.
	Address string
	// Drain is how long a drain may take; default: as long as the master allows,
	// and 30s without one.
	Drain time.Duration
	// Log gets errors, and nothing about requests that are answered; default:
	// text on stderr.
	Log *slog.Logger
}

const defaultAddress = "127.0.0.1:8080"

func (o Options) withDefaults() Options {
	o.Address = cmp.Or(o.Address, defaultAddress)
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return o
}

// Run serves until ctx ends, SIGTERM or SIGINT comes or the master asks to
// drain, and returns nil when all requests are finished. Errors are those of
// Handler, of listening, and worker.ErrDeadline and worker.ErrForced.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	handler, err := Handler(o)
	if err != nil {
		return err
	}
	listeners, err := listen(o.Address)
	if err != nil {
		return err
	}
	if err := worker.Status(o.status()); err != nil {
		o.Log.Warn("cannot tell the master what is served", "err", err)
	}
	s := worker.Server{Drain: o.Drain, HTTP: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}}
	return s.ServeListener(ctx, listeners...)
}

// Handler returns what Run serves. It returns an error if Dir cannot be opened
// or is not a directory.
func Handler(o Options) (http.Handler, error) {
	o = o.withDefaults()
	if o.Dir == "" {
		l := newLive()
		worker.OnState(l.announce)
		return l, nil
	}
	return newFiles(o)
}

func (o Options) status() string {
	if o.Dir == "" {
		return "serves the live page"
	}
	return "serves the files of " + o.Dir
}

// listen takes every listener that the master passes.
func listen(address string) ([]net.Listener, error) {
	if !worker.Managed() {
		ln, err := worker.Listen("tcp", address)
		return []net.Listener{ln}, err
	}
	var all []net.Listener
	for _, name := range listenerNames() {
		ln, err := worker.Listen("tcp", name)
		if err != nil {
			for _, ln := range all {
				ln.Close()
			}
			return nil, fmt.Errorf("%w (the built-in worker serves every listener, and streams only)", err)
		}
		all = append(all, ln)
	}
	return all, nil
}

// listenerNames are those of sd_listen_fds_with_names(3); package worker asks
// for one that is known and does not list them.
func listenerNames() []string { return strings.Split(os.Getenv("LISTEN_FDNAMES"), ":") }
