package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrStale is returned where a turn was withdrawn or the presence has ended: nothing may be changed.
var ErrStale = errors.New("the turn is not valid any more")

// Session is the presence of an agent: a lease that is kept alive. It ends if etcd has not answered for as
// long as the lease lives, and another one is to be begun.
type Session struct {
	Done <-chan struct{} // closed at its end

	client  *Client
	machine string
	lease   clientv3.LeaseID
	ttl     time.Duration
	until   atomic.Int64 // nanoseconds since begun, by the monotonic clock: the lease lives at least so long
	begun   time.Time
}

// Begin makes the machine present. It is refused while another host has this name.
func (c *Client) Begin(ctx context.Context, machine string, p Presence, ttl time.Duration) (*Session, error) {
	key := leaseKey(machine)
	got, err := c.get(ctx, key)
	if err != nil {
		return nil, err
	}
	var revision int64
	if len(got.Kvs) > 0 {
		var other Presence
		if json.Unmarshal(got.Kvs[0].Value, &other) == nil && other.HostID != p.HostID {
			return nil, fmt.Errorf("cannot be machine %q: %s is, since %s; give --machine another name", machine,
				other.Host, other.Since.Format(time.RFC3339))
		}
		revision = got.Kvs[0].ModRevision
	}
	s := &Session{client: c, machine: machine, ttl: ttl, begun: time.Now()}
	if err := s.register(ctx, p, revision); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Session) register(ctx context.Context, p Presence, revision int64) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	granted, err := s.client.etcd.Grant(limited, int64(s.ttl.Seconds()))
	cancel()
	if err != nil {
		return s.client.explain(err)
	}
	s.lease = granted.ID
	s.lives(s.begun)
	key := leaseKey(s.machine)
	_, ok, err := s.client.commit(ctx, []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)},
		[]clientv3.Op{clientv3.OpPut(key, text(p), clientv3.WithLease(s.lease))})
	if err == nil && !ok {
		err = fmt.Errorf("cannot be machine %q: another agent has just taken the name", s.machine)
	}
	if err != nil {
		return err
	}
	return s.keepAlive(ctx)
}

// keepAlive renews the lease until ctx ends or it is lost.
func (s *Session) keepAlive(ctx context.Context) error {
	answers, err := s.client.etcd.KeepAlive(ctx, s.lease)
	if err != nil {
		return s.client.explain(err)
	}
	done := make(chan struct{})
	s.Done = done
	go func() {
		defer close(done)
		for range answers {
			s.lives(time.Now().Add(-s.ttl / 3)) // when the question was sent, at the earliest
		}
	}()
	return nil
}

// lives notes that the lease was alive at a time.
func (s *Session) lives(at time.Time) { s.until.Store(int64(at.Sub(s.begun) + s.ttl)) }

// Alive says, by the machine's own clock, whether the lease cannot have ended yet. It is asked right before
// anything is changed, so that an agent that was frozen in between does not go on.
func (s *Session) Alive() bool { return time.Since(s.begun) < time.Duration(s.until.Load()) }

// End makes the machine absent.
func (s *Session) End(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.client.etcd.Revoke(ctx, s.lease)
	return s.client.explain(err)
}

// own compares that this agent is still the machine's.
func (s *Session) own() clientv3.Cmp {
	return clientv3.Compare(clientv3.LeaseValue(leaseKey(s.machine)), "=", s.lease)
}

// Report writes what the machine runs. ErrStale: another agent is the machine's.
func (s *Session) Report(ctx context.Context, app string, r Report) error {
	return s.write(ctx, app, r, s.own())
}

// Take writes a report that says how far a turn is, if that turn is still the machine's.
func (s *Session) Take(ctx context.Context, app string, t Turn, r Report) error {
	return s.write(ctx, app, r, s.own(),
		clientv3.Compare(clientv3.ModRevision(turnKey(app, s.machine)), "=", t.revision))
}

func (s *Session) write(ctx context.Context, app string, r Report, compare ...clientv3.Cmp) error {
	_, ok, err := s.client.commit(ctx, compare, []clientv3.Op{clientv3.OpPut(reportKey(s.machine, app), text(r))})
	if err == nil && !ok {
		return ErrStale
	}
	return err
}

// LastReport is what this machine has reported last; the zero Report if it never has.
func (c *Client) LastReport(ctx context.Context, machine, app string) (r Report, err error) {
	got, err := c.get(ctx, reportKey(machine, app))
	if err != nil || len(got.Kvs) == 0 {
		return r, err
	}
	return r, json.Unmarshal(got.Kvs[0].Value, &r)
}

// Turns calls turn with the machine's turn, at once and after each change, until ctx ends; nil: it has none.
func (c *Client) Turns(ctx context.Context, app, machine string, turn func(*Turn), lost func(error)) {
	one := func(kv *mvccpb.KeyValue) {
		t := Turn{revision: kv.ModRevision}
		if err := json.Unmarshal(kv.Value, &t); err != nil {
			lost(fmt.Errorf("cannot read the turn of %s: %w", app, err))
			return
		}
		turn(&t)
	}
	follower{client: c, from: turnKey(app, machine), lost: lost,
		reset: func(all []*mvccpb.KeyValue, _ int64) {
			if len(all) == 0 {
				turn(nil)
				return
			}
			one(all[0])
		},
		apply: func(events []*clientv3.Event) {
			if last := events[len(events)-1]; last.Type == mvccpb.DELETE {
				turn(nil)
			} else {
				one(last.Kv)
			}
		}}.run(ctx)
}

// text is the JSON of a value that is stored.
func text(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic("internal error: " + err.Error()) // only types of this package are stored
	}
	return string(text)
}
