package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/dev"
	"relevo/internal/dev/proxy"
	"relevo/internal/master"
	"relevo/internal/phrase"
)

// browser is the proxy of development as the loop sees it. Until the app's address is known it does
// nothing: no page can be open yet.
type browser struct {
	options proxy.Options
	proxy   atomic.Pointer[proxy.Proxy]
	ended   sync.WaitGroup
}

// newBrowser returns nil if no proxy was asked for.
func newBrowser(app config.App, dir string, log *slog.Logger) *browser {
	if app.Dev.Proxy == "" {
		return nil
	}
	return &browser{options: proxy.Options{Listen: app.Dev.Proxy, Root: dir, Log: log}}
}

// forLoop turns a nil pointer into a nil interface: an interface that holds a nil pointer is not
// nil.
func (b *browser) forLoop() dev.Browser {
	if b == nil {
		return nil
	}
	return b
}

// begin serves browsers until ctx ends. It passes requests to the app's first listener.
func (b *browser) begin(ctx context.Context, listeners []control.Listener) error {
	if b == nil {
		return nil
	}
	if len(listeners) == 0 {
		return usage(errors.New("cannot show the app in a browser: it has no listener; " +
			"add one with --listen, or leave --proxy out"))
	}
	b.options.Target = targetOf(listeners[0].Address)
	p, err := proxy.New(b.options)
	if err != nil {
		return err
	}
	b.proxy.Store(p)
	b.ended.Go(func() {
		if err := p.Run(ctx); err != nil {
			b.options.Log.Error("the browser's proxy has ended", "err", err)
		}
	})
	return nil
}

// beginAt begins with the address that the master listens on, if it is known already.
func (b *browser) beginAt(ctx context.Context, m master.Attached) error {
	status, err := m.Status()
	if err == nil && len(status.Listeners) > 0 {
		err = b.begin(ctx, status.Listeners)
	}
	return err
}

// beginLate begins with an address that was not known to beginAt: the app has bound it since.
func (b *browser) beginLate(ctx context.Context, listeners []control.Listener, c *cli, log *slog.Logger) {
	if !b.waits() {
		return
	}
	if err := b.begin(ctx, listeners); err != nil {
		log.Error(err.Error())
	}
	b.greet(c, log)
}

// waits says whether the app's address is still unknown.
func (b *browser) waits() bool { return b != nil && b.proxy.Load() == nil }

// wait returns when the proxy has ended; the context of begin has to end first.
func (b *browser) wait() {
	if b != nil {
		b.ended.Wait()
	}
}

// targetOf is where the proxy reaches the app that listens on an address.
func targetOf(address string) string {
	if phrase.IsUnix(address) {
		return "unix:" + address
	}
	return phrase.Reachable(address, "localhost")
}

// url is the address of the page; empty without a proxy.
func (b *browser) url() string {
	if b == nil || b.proxy.Load() == nil {
		return ""
	}
	return b.proxy.Load().URL()
}

// Reload implements dev.Browser.
func (b *browser) Reload(paths []string) {
	if p := b.proxy.Load(); p != nil {
		p.Reload(paths)
	}
}

// Clear implements dev.Browser.
func (b *browser) Clear() {
	if p := b.proxy.Load(); p != nil {
		p.Clear()
	}
}

// Fail implements dev.Browser.
func (b *browser) Fail(f dev.Failure) {
	p := b.proxy.Load()
	if p == nil {
		return
	}
	shown := proxy.Failure{Title: f.Title, Output: f.Output}
	for _, problem := range f.Problems {
		shown.Problems = append(shown.Problems, proxy.Problem(problem))
	}
	p.Fail(shown)
}

// greet prints the proxy's address.
func (b *browser) greet(c *cli, log *slog.Logger) {
	if url := b.url(); url != "" && isTerminal(c.stderr) {
		fmt.Fprintf(c.stderr, "\n  %s %s\n", c.paint(c.color, bold, "in the browser"), url)
	} else if url != "" {
		log.Info("pages reload by themselves", "url", url)
	}
}

// proxyAddress joins --proxy and the address that follows it. The value is optional, and pflag
// takes an optional value only behind an equals sign.
func proxyAddress(args []string) []string {
	for i := 0; i+1 < len(args) && args[i] != "--"; i++ {
		if args[i] != "--proxy" || !looksLikeAddress(args[i+1]) {
			continue
		}
		joined := slices.Clone(args[:i])
		return append(append(joined, args[i]+"="+args[i+1]), args[i+2:]...)
	}
	return args
}

// looksLikeAddress tells host:port from the name of a package.
func looksLikeAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	_, numberErr := strconv.Atoi(port)
	return err == nil && numberErr == nil
}
