package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/dev"
	"relevo/internal/dev/proxy"
	"relevo/internal/master"
	"relevo/internal/phrase"
)

// browser is the proxy of development as the loop knows it. Until the address of the
// app is known nothing is shown, for nobody can look.
type browser struct {
	options proxy.Options
	proxy   atomic.Pointer[proxy.Proxy]
	ended   sync.WaitGroup
}

// newBrowser returns nil where no proxy was asked for.
func newBrowser(app config.App, dir string, log *slog.Logger) *browser {
	if app.Dev.Proxy == "" {
		return nil
	}
	return &browser{options: proxy.Options{Listen: app.Dev.Proxy, Root: dir, Log: log}}
}

// forLoop is nil where there is none: an interface of a nil pointer is not.
func (b *browser) forLoop() dev.Browser {
	if b == nil {
		return nil
	}
	return b
}

// begin serves browsers until ctx ends, from the app's first listener.
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

// beginAt begins where the master listens, if that is known already.
func (b *browser) beginAt(ctx context.Context, m *master.Master) error {
	status, err := m.Status()
	if err == nil && len(status.Listeners) > 0 {
		err = b.begin(ctx, status.Listeners)
	}
	return err
}

// waits says whether the proxy does not know yet where the app listens.
func (b *browser) waits() bool { return b != nil && b.proxy.Load() == nil }

// wait returns when the proxy has ended, which needs the end of begin's context.
func (b *browser) wait() {
	if b != nil {
		b.ended.Wait()
	}
}

func targetOf(address string) string {
	if strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") {
		return "unix:" + address
	}
	target := phrase.Reachable(address, "localhost")
	if !strings.Contains(target, ":") {
		return target + ":80"
	}
	return target
}

// url is where to look; empty where there is no proxy.
func (b *browser) url() string {
	if b == nil || b.proxy.Load() == nil {
		return ""
	}
	return b.proxy.Load().URL()
}

// Reload is dev.Browser's.
func (b *browser) Reload(paths []string) {
	if p := b.proxy.Load(); p != nil {
		p.Reload(paths)
	}
}

// Clear is dev.Browser's.
func (b *browser) Clear() {
	if p := b.proxy.Load(); p != nil {
		p.Clear()
	}
}

// Fail is dev.Browser's.
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

// greet tells a person where the proxy is.
func (b *browser) greet(c *cli, log *slog.Logger) {
	if url := b.url(); url != "" && isTerminal(c.stderr) {
		fmt.Fprintf(c.stderr, "\n  %s %s\n", c.paint(c.color, bold, "in the browser"), url)
	} else if url != "" {
		log.Info("pages reload by themselves", "url", url)
	}
}

// proxyAddress joins --proxy with the address that follows it: its value may be left
// out, and then pflag takes no other word for it.
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

// looksLikeAddress tells host:port from a package.
func looksLikeAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	_, numberErr := strconv.Atoi(port)
	return err == nil && numberErr == nil
}
