package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"relevo/internal/fleet/plan"
)

// ErrChanged is returned if a deploy has changed since it was read: read it again.
var ErrChanged = errors.New("the deploy has just been changed by another process")

// Current reads the deploy of an app; its ID is 0 if there was none.
func (c *Client) Current(ctx context.Context, app string) (d Deploy, err error) {
	got, err := c.get(ctx, wantedKey(app))
	if err != nil || len(got.Kvs) == 0 {
		return Deploy{App: app}, err
	}
	d.revision = got.Kvs[0].ModRevision
	if err := json.Unmarshal(got.Kvs[0].Value, &d); err != nil {
		return d, fmt.Errorf("cannot read the deploy of %s: %w", app, err)
	}
	return d, nil
}

// Begin stores a new deploy in the place of the last one. It returns ErrChanged if another one was begun
// meanwhile.
func (c *Client) BeginDeploy(ctx context.Context, last, next Deploy) (Deploy, error) {
	next.ID, next.Changes, next.revision = last.ID+1, 0, last.revision
	next.Started = time.Now()
	return c.change(ctx, next, Entry{By: next.By, What: "deploy", Text: next.Describe()})
}

// Heed stores an operator's wish.
func (c *Client) Heed(ctx context.Context, app string, w plan.Wish, by string, force bool) (Deploy, error) {
	for {
		d, err := c.Current(ctx, app)
		if err != nil {
			return d, err
		}
		if d.ID == 0 {
			return d, fmt.Errorf("cannot %s: nothing was ever deployed of %s", w, app)
		}
		if d.Deploy, err = plan.Heed(d.Deploy, w); err != nil {
			return d, fmt.Errorf("cannot %s deploy %d of %s: %w", w, d.ID, app, err)
		}
		d.Release.Force = d.Release.Force || force
		d, err = c.change(ctx, d, Entry{By: by, What: string(w)})
		if !errors.Is(err, ErrChanged) {
			return d, err
		}
	}
}

// change stores a deploy, its record and an entry, if it is still as it was read. A stage that is not open has
// no turns: they are withdrawn at once.
func (c *Client) change(ctx context.Context, d Deploy, e Entry, compare ...clientv3.Cmp) (Deploy, error) {
	d.Changes++
	d.Changed = time.Now()
	e.At, e.Deploy = d.Changed, d.ID
	then := []clientv3.Op{
		clientv3.OpPut(wantedKey(d.App), text(d)),
		clientv3.OpPut(deployKey(d.App, d.ID), text(d)),
		clientv3.OpPut(auditKey(d.App, d.ID, d.Changes), text(e)),
	}
	if !d.Open || e.What == string(plan.Enter) {
		then = append(then, clientv3.OpDelete(turnsPrefix(d.App), clientv3.WithPrefix()))
	}
	revision, ok, err := c.commit(ctx, append(compare, d.unchanged()), then)
	if err == nil && !ok {
		err = ErrChanged
	}
	d.revision = revision
	return d, err
}

func (d Deploy) unchanged() clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(wantedKey(d.App)), "=", d.revision)
}

// Describe says how a deploy is rolled out.
func (d Deploy) Describe() string {
	s := fmt.Sprintf("version %s, canary %d, waves of %d", d.Release.Version, d.Canary, d.Wave)
	if d.Label != "" {
		s += " by " + d.Label
	}
	return s
}

// Forget removes a machine that is not connected.
func (c *Client) Forget(ctx context.Context, machine string) error {
	absent := clientv3.Compare(clientv3.CreateRevision(leaseKey(machine)), "=", 0)
	_, ok, err := c.commit(ctx, []clientv3.Cmp{absent},
		[]clientv3.Op{clientv3.OpDelete(machinePrefix(machine), clientv3.WithPrefix())})
	if err == nil && !ok {
		return fmt.Errorf("cannot forget %s: its agent is connected; stop it first", machine)
	}
	return err
}

// History returns the deploys of an app, the oldest first.
func (c *Client) History(ctx context.Context, app string) ([]Deploy, error) {
	return list[Deploy](ctx, c, deploysPrefix(app))
}

// Audit returns who did what, the oldest first.
func (c *Client) Audit(ctx context.Context, app string) ([]Entry, error) {
	return list[Entry](ctx, c, auditPrefix(app))
}

func list[T any](ctx context.Context, c *Client, prefix string) (all []T, err error) {
	got, err := c.get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	for _, kv := range got.Kvs {
		var one T
		if json.Unmarshal(kv.Value, &one) == nil {
			all = append(all, one)
		}
	}
	return all, nil
}

// FollowAudit calls heard with each entry, those that there are first, until ctx ends.
func (c *Client) FollowAudit(ctx context.Context, app string, heard func(Entry), lost func(error)) {
	var last string // the key of the last entry: after a new beginning the earlier ones are left out
	one := func(kv *mvccpb.KeyValue) {
		var e Entry
		if string(kv.Key) > last && json.Unmarshal(kv.Value, &e) == nil {
			last = string(kv.Key)
			heard(e)
		}
	}
	prefix := auditPrefix(app)
	follower{client: c, from: prefix, to: clientv3.GetPrefixRangeEnd(prefix), lost: lost,
		reset: func(all []*mvccpb.KeyValue, _ int64) {
			for _, kv := range all {
				one(kv)
			}
		},
		apply: func(events []*clientv3.Event) {
			for _, e := range events {
				if e.Type == mvccpb.PUT {
					one(e.Kv)
				}
			}
		}}.run(ctx)
}

// keptDeploys is how many deploys of an app are remembered.
const keptDeploys = 200

// Trim removes the record of deploys that are long past.
func (c *Client) Trim(ctx context.Context, app string, id int) error {
	if id <= keptDeploys {
		return nil
	}
	oldest := id - keptDeploys
	_, _, err := c.commit(ctx, nil, []clientv3.Op{
		clientv3.OpDelete(deploysPrefix(app), clientv3.WithRange(deployKey(app, oldest))),
		clientv3.OpDelete(auditPrefix(app), clientv3.WithRange(auditKey(app, oldest, 0)))})
	return err
}

// Apps lists the apps of a view, sorted.
func (v *View) Apps() (names []string) {
	for app := range v.Reports {
		names = append(names, app)
	}
	slices.Sort(names)
	return names
}

// Erase removes all that is stored of an app, and machines whose names begin with a prefix.
func (c *Client) Erase(ctx context.Context, app, machinesPrefix string) error {
	_, _, err := c.commit(ctx, nil, []clientv3.Op{
		clientv3.OpDelete(apps+app+"/", clientv3.WithPrefix()),
		clientv3.OpDelete(record+app+"/", clientv3.WithPrefix()),
		clientv3.OpDelete(machines+machinesPrefix, clientv3.WithPrefix())})
	return err
}

// Knows says whether a machine has ever reported.
func (v *View) Knows(machine string) bool {
	for _, reports := range v.Reports {
		if _, ok := reports[machine]; ok {
			return true
		}
	}
	return false
}

// View reads the whole fleet once.
func (c *Client) View(ctx context.Context) (*View, error) {
	got, err := c.get(ctx, apps, clientv3.WithRange(afterMachines))
	if err != nil {
		return nil, err
	}
	v := newView()
	for _, kv := range got.Kvs {
		v.put(kv)
	}
	return v, nil
}
