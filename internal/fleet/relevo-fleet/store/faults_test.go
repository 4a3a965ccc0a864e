package store_test

import (
	"net"
	"testing"
	"time"

	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
)

// TestConnectsSoon: while etcd is away a client tries to connect every few seconds, so that it
// does not take minutes to connect after a long outage.
func TestConnectsSoon(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := must[*store.Client](t)(store.Dial(store.Options{Endpoints: []string{"http://" + listener.Addr().String()}}))
	t.Cleanup(func() { c.Close() })
	c.Follow(t.Context())
	listener.(*net.TCPListener).SetDeadline(time.Now().Add(28 * time.Second)) // gRPC's default takes 34 s or more
	for attempts := 0; attempts < 8; {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatalf("after %d attempts: %v", attempts, err)
		}
		if n, _ := conn.Read(make([]byte, 1)); n > 0 { // it was gRPC, and not the check for a wrong address
			attempts++
		}
		conn.Close()
	}
}

// TestAliveWithSlowEtcd: a session whose answers come late does not count as alive when its lease
// has ended.
func TestAliveWithSlowEtcd(t *testing.T) {
	t.Parallel()
	const ttl = 6 * time.Second
	etcd := etcdtest.Start(t, 1)
	link := etcd.Proxy(t, 0)
	mirror := dial(t, etcd).Follow(t.Context())
	present := func() (is bool) {
		mirror.Look(func(v *store.View) { _, is = v.Present["m1"] })
		return is
	}
	c := must[*store.Client](t)(store.Dial(store.Options{Endpoints: []string{link.Endpoint}}))
	t.Cleanup(func() { c.Close() })
	session := must[*store.Session](t)(c.Begin(t.Context(), "m1", store.Presence{HostID: "a"}, ttl))
	link.Answers.Delay(3500 * time.Millisecond)
	for !present() {
		<-mirror.Changed
	}
	select { // until a late answer has renewed the session
	case <-time.After(ttl):
	case <-session.Done:
	}
	link.Questions.Cut()
	for present() {
		<-mirror.Changed
	}
	if session.Alive() {
		t.Error("the session counts as alive when etcd has ended its lease")
	}
}

// TestCampaignWithoutLeader: a conductor that waits for its election stops waiting if its member of
// etcd has lost the others: such a member does not learn that the elected conductor is gone.
func TestCampaignWithoutLeader(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 3)
	c := dial(t, etcd)
	campaign(t, c)
	failed := make(chan error, 1) // read once, or not at all
	go func() {
		_, err := c.Campaign(t.Context(), "shop", store.Conductor{By: "second"}, 60)
		failed <- err
	}()
	mirror := c.Follow(t.Context())
	for waits := false; !waits; {
		<-mirror.Changed
		mirror.Look(func(v *store.View) { waits = len(v.Conductors["shop"]) == 2 })
	}
	etcd.Kill(0)
	etcd.Kill(1)
	select {
	case err := <-failed:
		if err == nil {
			t.Error("the conductor counts as elected")
		}
	case <-time.After(time.Minute):
		t.Error("the conductor still waits")
	}
}
