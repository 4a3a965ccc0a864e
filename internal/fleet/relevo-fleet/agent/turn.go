package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/internal/fleet/relevo-fleet/store"
)

// do does a turn. Before anything that runs is changed, etcd has to know that it will be: then the turn is
// counted until its end is reported, whatever becomes of this agent. ErrStale: nothing was changed.
func (t *turner) do(ctx context.Context, s *store.Session, turn store.Turn, r store.Report) (failing string,
	err error) {
	r.Turn, r.Error = turn.ID, ""
	sha256 := ""
	if !turn.Back {
		if err := t.take(ctx, s, turn, r, store.Fetching); err != nil {
			return "", err
		}
		if sha256, err = t.app.Fetch(ctx, turn.Release); err != nil {
			return "", fmt.Errorf("cannot fetch version %s: %w", turn.Release.Version, err)
		}
	}
	if err := t.take(ctx, s, turn, r, store.Rolling); err != nil {
		return "", err
	}
	if !s.Alive() {
		return "", store.ErrStale
	}
	if turn.Back {
		err = t.app.Back(ctx, turn)
	} else {
		err = t.app.Roll(ctx, turn, sha256)
	}
	if err != nil {
		return "", err
	}
	if err := t.app.Check(ctx); err != nil {
		failing = err.Error()
	}
	return failing, nil
}

// take says how far the turn is, if it is still valid. It tries again while etcd does not answer and the
// session lives.
func (t *turner) take(ctx context.Context, s *store.Session, turn store.Turn, r store.Report, p store.Phase) error {
	for {
		r.Phase, r.At = p, time.Now()
		err := s.Take(ctx, t.name, turn, r)
		if err == nil || errors.Is(err, store.ErrStale) {
			return err
		}
		t.log.Warn("cannot take its turn; tries again", "err", err)
		select {
		case <-s.Done:
			return store.ErrStale
		case <-ctx.Done():
			return store.ErrStale
		case <-time.After(time.Second):
		}
	}
}
