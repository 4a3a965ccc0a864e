package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Mirror keeps up with the whole fleet. It is followed by one watch, so it shows what one transaction has
// changed at once.
type Mirror struct {
	// Changed gets a value after changes; several may be one.
	Changed chan struct{}

	mu   sync.Mutex
	view *View // nil: nothing was read yet
	lost error // why etcd cannot be followed now
	done sync.WaitGroup
}

// Follow begins a mirror, which ends with ctx.
func (c *Client) Follow(ctx context.Context) *Mirror {
	m := &Mirror{Changed: make(chan struct{}, 1)} // one signal is enough: it means "look"
	f := follower{client: c, from: apps, to: afterMachines, reset: m.reset, apply: m.apply, lost: m.lose}
	m.done.Go(func() { f.run(ctx) })
	return m
}

// Wait returns when the mirror has ended.
func (m *Mirror) Wait() { m.done.Wait() }

// Look calls do with the view, which is not to be kept. It returns false if there is none yet, and the error
// while etcd cannot be followed.
func (m *Mirror) Look(do func(*View)) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.view == nil {
		return false, m.lost
	}
	do(m.view)
	return true, m.lost
}

func (m *Mirror) signal() {
	select {
	case m.Changed <- struct{}{}:
	default:
	}
}

func (m *Mirror) reset(all []*mvccpb.KeyValue, revision int64) {
	v := newView()
	for _, kv := range all {
		v.put(kv)
	}
	v.Revision = revision
	m.mu.Lock()
	m.view, m.lost = v, nil
	m.mu.Unlock()
	m.signal()
}

func (m *Mirror) apply(events []*clientv3.Event) {
	m.mu.Lock()
	for _, e := range events {
		if e.Type == mvccpb.DELETE {
			m.view.remove(string(e.Kv.Key))
		} else {
			m.view.put(e.Kv)
		}
		m.view.Revision = e.Kv.ModRevision
	}
	m.mu.Unlock()
	m.signal()
}

func (m *Mirror) lose(err error) {
	m.mu.Lock()
	m.lost = err
	m.mu.Unlock()
	m.signal()
}

// follower keeps up with keys: reset with those that there are, then apply with their changes. If etcd cannot
// be reached, lost hears why, and all begins again. So it does if etcd has compacted what was missed.
type follower struct {
	client   *Client
	from, to string // to is exclusive; empty: from is one key
	reset    func(all []*mvccpb.KeyValue, revision int64)
	apply    func([]*clientv3.Event)
	lost     func(error)
}

func (f follower) options(o ...clientv3.OpOption) []clientv3.OpOption {
	if f.to != "" {
		o = append(o, clientv3.WithRange(f.to))
	}
	return o
}

func (f follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		got, err := f.client.get(ctx, f.from, f.options()...)
		if err == nil {
			f.reset(got.Kvs, got.Header.Revision)
			err = f.watch(ctx, got.Header.Revision+1)
		}
		if err != nil && ctx.Err() == nil {
			if !errors.Is(err, rpctypes.ErrCompacted) { // then etcd answers, and what was missed is read again
				f.lost(err)
			}
			pause(ctx, time.Second+rand.N(2*time.Second)) // not all machines of a fleet at the same moment
		}
	}
}

// watch returns when the watch has ended: compaction, a member without leader, or ctx.
func (f follower) watch(ctx context.Context, revision int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for response := range f.client.etcd.Watch(ctx, f.from, f.options(clientv3.WithRev(revision))...) {
		if err := response.Err(); err != nil {
			return f.client.explain(err)
		}
		if len(response.Events) > 0 {
			f.apply(response.Events)
		}
	}
	return ctx.Err()
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
