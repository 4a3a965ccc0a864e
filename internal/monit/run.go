package monit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	tea "charm.land/bubbletea/v2"
)

// Options say what Run shows, and where.
type Options struct {
	In, Out *os.File // a terminal
	Env     []string // TERM, NO_COLOR and others decide on colors
	Source  Source
	App     string // chosen at first; empty: the first one
}

// framesPerSecond bounds how often the screen is written: keys have to feel quick, and each
// frame is a wake-up.
const framesPerSecond = 15

// Run shows the apps until the user quits, ctx ends, or SIGINT, SIGTERM, SIGHUP or SIGQUIT
// arrives. The terminal is as before after it, also if the program panics or is stopped (Ctrl-Z).
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends what a look or a request waits for
	stops := make(chan os.Signal, 1)
	m := New(ctx, o.Source, o.App)
	m.suspend = func() {
		select {
		case stops <- syscall.SIGTSTP:
		default: // one waits already
		}
	}
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Env),
		tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond))
	defer heed(p, stops)()
	_, err := p.Run()
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, tea.ErrProgramPanic) {
		return errors.New("internal error: monit panicked, see above")
	}
	return fmt.Errorf("cannot show monit: %w", err)
}

// heed acts on signals from now on, until the returned function is called. One that arrives
// before that would end the program with the terminal as it is.
func heed(p *tea.Program, stops chan os.Signal) (end func()) {
	ends, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	signal.Notify(stops, syscall.SIGTSTP)
	go func() {
		defer signal.Stop(ends)
		defer signal.Stop(stops)
		for {
			select {
			case <-ended:
				return
			case <-ends:
				p.Quit()
			case <-stops: // the signal by itself would leave the terminal as it is
				suspend(p)
			}
		}
	}()
	return func() { close(ended) }
}
