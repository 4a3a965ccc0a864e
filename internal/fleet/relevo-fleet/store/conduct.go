package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"relevo/internal/fleet/plan"
)

// Office is the right to give turns for an app. Every write compares that it is still held, so a conductor
// that was frozen, or cut off, changes nothing when it wakes.
type Office struct {
	Lost <-chan struct{} // closed when its lease has ended

	client   *Client
	app, by  string
	session  *concurrency.Session
	election *concurrency.Election
	end      context.CancelFunc // ends what asks etcd for this office
}

// Campaign waits until this process is the conductor of an app.
func (c *Client) Campaign(ctx context.Context, app string, who Conductor, ttl int) (*Office, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	granted, err := c.etcd.Grant(limited, int64(ttl))
	cancel()
	if err != nil {
		return nil, c.explain(err)
	}
	ctx, end := context.WithCancel(ctx)
	session, err := concurrency.NewSession(c.within(ctx), concurrency.WithLease(granted.ID))
	if err != nil {
		end()
		return nil, c.explain(err)
	}
	o := &Office{Lost: session.Done(), client: c, app: app, by: who.By, session: session, end: end,
		election: concurrency.NewElection(session, conductorPrefix(app))}
	// A member that is cut off from the others does not hear that the conductor is gone: it must say so.
	if err := o.election.Campaign(clientv3.WithRequireLeader(ctx), text(who)); err != nil {
		o.Resign()
		return nil, c.explain(err)
	}
	return o, nil
}

// within is the same connection for what is to end with ctx, even where the library asks without a limit.
func (c *Client) within(ctx context.Context) *clientv3.Client {
	limited := clientv3.NewCtxClient(ctx)
	limited.KV, limited.Watcher, limited.Lease = c.etcd.KV, c.etcd.Watcher, c.etcd.Lease
	return limited
}

// Resign gives the office up. If etcd does not answer, the lease ends by itself.
func (o *Office) Resign() {
	o.session.Orphan()
	o.end()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = o.client.etcd.Revoke(ctx, o.session.Lease())
}

func (o *Office) held() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(o.election.Key()), "=", o.election.Rev())
}

// Perform stores what an action makes of a deploy.
func (o *Office) Perform(ctx context.Context, d Deploy, a plan.Action) (Deploy, error) {
	d.Deploy = plan.Apply(d.Deploy, a)
	return o.client.change(ctx, d, Entry{By: "conductor " + o.by, What: string(a.Kind), Text: describe(d, a)}, o.held())
}

func describe(d Deploy, a plan.Action) string {
	switch {
	case a.Kind == plan.Enter && d.Proving:
		return fmt.Sprintf("stage %d, the canary: %s", d.Stage, names(a.Members))
	case a.Kind == plan.Enter && d.Back:
		return fmt.Sprintf("stage %d goes back: %s", d.Stage, names(a.Members))
	case a.Kind == plan.Enter:
		return fmt.Sprintf("stage %d: %s", d.Stage, names(a.Members))
	case a.Kind == plan.Fail:
		reason, _, _ := strings.Cut(a.Reason, "\n")
		return fmt.Sprintf("%s: %s", d.State, reason)
	}
	return string(d.State)
}

func names(members []string) string {
	const most = 5
	if len(members) <= most {
		return fmt.Sprint(members)
	}
	return fmt.Sprintf("%v and %d more", members[:most], len(members)-most)
}

// mostTurns is how many turns one transaction gives; etcd takes 128 operations by default.
const mostTurns = 100

// GiveTurns gives the members of the open stage the turns that they do not have yet. It returns how many.
func (o *Office) GiveTurns(ctx context.Context, d Deploy, has func(machine string) bool) (given int, err error) {
	var missing []string
	for _, m := range d.Members {
		if d.Open && !has(m) {
			missing = append(missing, m)
		}
	}
	for some := range slices.Chunk(missing, mostTurns) {
		compare := []clientv3.Cmp{o.held(), d.unchanged()}
		var then []clientv3.Op
		for _, machine := range some {
			key := turnKey(d.App, machine)
			compare = append(compare, clientv3.Compare(clientv3.CreateRevision(key), "=", 0))
			then = append(then, clientv3.OpPut(key,
				text(Turn{ID: d.TurnID(), Deploy: d.ID, Back: d.Back, Release: d.Release})))
		}
		_, ok, err := o.client.commit(ctx, compare, then)
		if err != nil || !ok {
			return given, err
		}
		given += len(some)
	}
	return given, nil
}

// Revision is that of the deploy's key.
func (d Deploy) Revision() int64 { return d.revision }
