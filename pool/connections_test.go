package pool_test

import (
	"testing"

	"relevo/pool"
)

func TestConnections(t *testing.T) {
	a := pool.Connections{Finished: 3, Rescued: 2}
	a.CutFor(pool.CutIdle, 1)
	a.CutFor(pool.CutInUse, 0)
	b := pool.Connections{Finished: 1}
	b.CutFor(pool.CutIdle, 2)
	b.CutFor(pool.CutInUse, 1)
	sum := a.Plus(b)
	wantEqual(t, "the sum", sum.String(), "4 finished, 2 rescued, 4 cut: 3 idle at the end, 1 in use")
	wantEqual(t, "the first", a.String(), "3 finished, 2 rescued, 1 cut: 1 idle at the end")
	wantEqual(t, "the difference", sum.Minus(b).String(), a.String())
	handed := sum.Plus(pool.Connections{HandedOver: 5})
	wantEqual(t, "handed over", handed.String(),
		"4 finished, 5 handed over, 2 rescued, 4 cut: 3 idle at the end, 1 in use")
	wantEqual(t, "what was handed over since", handed.Minus(sum).HandedOver, 5)
	wantEqual(t, "nothing", pool.Connections{}.String(), "0 finished, 0 rescued, 0 cut")
}
