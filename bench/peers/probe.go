package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// patience is how long a peer has for what it was asked to do.
const patience = 30 * time.Second

// askAtMost is how long one answer may take.
const askAtMost = 2 * time.Second

// ask makes a new connection, and returns the pid of the process that answers on it.
func ask(ctx context.Context, address string) (pid int, err error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: askAtMost}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the answer is %s", response.Status)
	}
	return strconv.Atoi(strings.TrimSpace(string(body)))
}

// pids of the app's processes.
type pids map[int]bool

// awaitAll asks until each of the processes has answered.
func (s *service) awaitAll(ctx context.Context) (pids, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen := pids{}
	err := await(ctx, func() bool {
		for range s.peer.size() {
			if pid, err := ask(ctx, s.address); err == nil {
				seen[pid] = true
			}
		}
		return len(seen) >= s.peer.size()
	})
	if err != nil {
		return nil, fmt.Errorf("cannot get an answer of each process: %d have answered: %w", len(seen), err)
	}
	return seen, nil
}

// awaitOthers asks until no process of before answers any more.
func (s *service) awaitOthers(ctx context.Context, before pids) error {
	const sure = 40 // of that many answers in a row one would be of an old process: 1 in 100,000
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	others := 0
	err := await(ctx, func() bool {
		pid, err := ask(ctx, s.address)
		if others++; err != nil || before[pid] {
			others = 0
		}
		return others >= sure
	})
	if err != nil {
		return fmt.Errorf("cannot see that all processes were replaced: %w", err)
	}
	return nil
}

// awaitSome asks until a process answers that is none of before.
func (s *service) awaitSome(ctx context.Context, before pids) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return await(ctx, func() bool {
		pid, err := ask(ctx, s.address)
		return err == nil && !before[pid]
	})
}

// outage is what a client without retry saw.
type outage struct {
	longest time.Duration // without an answer
	open    bool          // it had not ended when the watch did
}

// quiet is how long a client has to be answered until an outage counts as over, or as none. A
// peer that is well is not watched any longer.
const quiet = 2 * time.Second

// watch asks one request after the other, and does something as soon as the first is answered.
// It ends when that has ended and all has been quiet, or after length.
func (s *service) watch(ctx context.Context, length time.Duration, act func() error) (o outage, err error) {
	if _, err := ask(ctx, s.address); err != nil {
		return o, fmt.Errorf("cannot begin: %w", err)
	}
	ended := make(chan struct{})
	begin := time.Now()
	last, troubled := begin, begin
	go func() {
		defer close(ended)
		err = act()
	}()
	for acting := true; ctx.Err() == nil && (acting || time.Since(begin) < length && time.Since(troubled) < quiet); {
		_, askErr := ask(ctx, s.address)
		now := time.Now()
		o.longest = max(o.longest, now.Sub(last))
		if o.open = askErr != nil; !o.open {
			last = now
		}
		if acting || o.open {
			troubled = now
		}
		select {
		case <-ended:
			acting = false
		default:
		}
	}
	<-ended
	return o, err
}

// text says how long the outage was; ≥ is said of one that had not ended when the watch did.
func (o outage) text() string {
	if o.open {
		return fmt.Sprintf("≥ %.0f s", o.longest.Seconds())
	}
	return fmt.Sprintf("%.0f ms", float64(o.longest.Milliseconds()))
}
