package master

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
)

// Scale sets or changes (+N, -N) the number of workers, or lets the load decide again (auto):
// control.Master. After a number, the load does not decide any more.
func (q *requests) Scale(change string) (scaled control.Scaled, err error) {
	if refused := q.ask(func() { scaled, err = q.scale(change) }); refused != nil {
		return scaled, refused
	}
	return scaled, err
}

func (q *requests) scale(change string) (control.Scaled, error) {
	var numbers config.WorkerRange
	if !q.unready() {
		app := q.app()
		numbers = app.WorkerRange()
	}
	auto := change == "auto" && numbers.Most > 0
	target, err := scaleTarget(change)
	if auto {
		target, err = func(now int) (int, error) { return numbers.Fit(now), nil }, nil
	}
	if err != nil {
		return control.Scaled{}, control.WithExit(err, control.ExitUsage)
	}
	defer q.changed.Set()
	undo := q.scaler.Fix(!auto)
	from, to, err := q.running().Resize(target)
	if err != nil {
		undo()
		if !errors.Is(err, pool.ErrNotRunning) {
			err = control.WithExit(err, control.ExitUsage)
		}
	}
	return control.Scaled{From: from, To: to, Auto: auto}, err
}

// scaleTarget parses a change into a function of the number of slots. The pool calls it when it
// makes the change.
func scaleTarget(change string) (func(now int) (int, error), error) {
	relative := strings.HasPrefix(change, "+") || strings.HasPrefix(change, "-")
	by, err := strconv.Atoi(change)
	if !relative {
		by, err = config.ParseWorkers(change)
	}
	switch {
	case relative && err != nil:
		return nil, fmt.Errorf("cannot scale by %q: write +N or -N", change)
	case err != nil:
		return nil, fmt.Errorf("cannot scale to %q: write a number from 1 to %d, +1, -1 or auto", change, config.MaxWorkers)
	case change == "0":
		return nil, errors.New("cannot scale to 0 workers: that would end the service; relevo stop does that")
	}
	return func(now int) (int, error) {
		to := by
		if relative {
			to = now + by
		}
		if to < 1 || to > config.MaxWorkers {
			return 0, fmt.Errorf("cannot scale from %d to %d workers: 1 to %d are possible", now, to, config.MaxWorkers)
		}
		return to, nil
	}, nil
}
