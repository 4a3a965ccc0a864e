package seats_test

import (
	"testing"

	"relevo/upgrader/listeners/seats"
)

// While one worker has the common socket to itself, workers that share a socket get another one,
// so that the first worker gets no connections after it has left. They keep that socket under
// the next master.
func TestShare(t *testing.T) {
	o := options(t)
	o.LendCommon = true
	common := listenShared(t, "127.0.0.1:0")
	g, err := seats.New(common, o)
	must(t, err)
	if file, isCommon, err := g.Share(); file != common || !isCommon || err != nil {
		t.Fatalf("workers do not share the free common socket: %v", err)
	}
	if take(t, g, "old", 0) != common {
		t.Fatal("the common socket is not lent")
	}
	must(t, g.Serve("old"))
	shared, isCommon, err := g.Share()
	if err != nil || isCommon || shared == common {
		t.Fatalf("the socket of a worker is shared: %v", err)
	}
	must(t, g.ServeShared(2))
	must(t, g.Leave("old"))
	old, sharers := serve(t, common, "old"), serve(t, shared, "sharers")
	for range 20 {
		if got := ask(t, g, "127.0.0.1"); got != "sharers" {
			t.Fatalf("%s answers", got)
		}
	}
	must(t, g.Gone("old"))
	must(t, g.Trim(0))
	if again, isCommon, err := g.Share(); again != shared || isCommon || err != nil {
		t.Errorf("the shared socket has changed: %v", err)
	}
	legacy, files := g.Legacy()
	next, err := seats.TakeOver(common, legacy, files, o)
	must(t, err)
	if again, isCommon, err := next.Share(); again != shared || isCommon || err != nil {
		t.Errorf("the shared socket is not that of the previous master: %v", err)
	}
	old.close()
	sharers.close()
	must(t, next.Close())
}
