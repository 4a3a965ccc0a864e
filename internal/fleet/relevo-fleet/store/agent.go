package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	lapsed  *time.Timer // ends the renewing when the lease may have ended
	seen    revisions
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
			return nil, fmt.Errorf("cannot use the machine name %q: %s has it, since %s; give --machine another name",
				machine, other.Host, other.Since.Format(time.RFC3339))
		}
		revision = got.Kvs[0].ModRevision
	}
	s := &Session{client: c, machine: machine, ttl: ttl, begun: time.Now(), seen: revisions{byApp: map[string]int64{}}}
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
	s.until.Store(int64(s.ttl))
	key := leaseKey(s.machine)
	_, ok, err := s.client.commit(ctx, []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", revision)},
		[]clientv3.Op{clientv3.OpPut(key, text(p), clientv3.WithLease(s.lease))})
	if err == nil && !ok {
		err = fmt.Errorf("cannot use the machine name %q: another agent has just taken it", s.machine)
	}
	if err == nil {
		s.keepAlive(ctx)
	}
	return err
}

// Alive says, by the machine's own clock, whether the lease cannot have ended yet. It is asked right before
// anything is changed, so that an agent that was frozen in between does not continue.
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

// write replaces a report only if it has not changed since this session has seen it. So a write that reaches
// etcd late does not replace a newer one.
func (s *Session) write(ctx context.Context, app string, r Report, compare ...clientv3.Cmp) error {
	key := reportKey(s.machine, app)
	for {
		seen := s.seen.of(app)
		done, err := s.client.txn(ctx, append(slices.Clone(compare), clientv3.Compare(clientv3.ModRevision(key), "=", seen)),
			[]clientv3.Op{clientv3.OpPut(key, text(r))}, clientv3.OpGet(key, clientv3.WithKeysOnly()))
		if err != nil {
			return err
		}
		if done.Succeeded {
			s.seen.set(app, done.Header.Revision)
			return nil
		}
		var now int64
		if found := done.Responses[0].GetResponseRange().Kvs; len(found) > 0 {
			now = found[0].ModRevision
		}
		if now == seen {
			return ErrStale
		}
		s.seen.set(app, now) // a write of which etcd's answer was lost, or one of an earlier session
	}
}

// revisions are those of the reports, by app.
type revisions struct {
	mu    sync.Mutex
	byApp map[string]int64
}

func (r *revisions) of(app string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byApp[app]
}

func (r *revisions) set(app string, revision int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byApp[app] = revision
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
