package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

func hash(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// TestDeploys is the life of a fleet of five under load: a good release, a bad one, one that is
// rolled back, one that dies while it bakes, and two that the operator ends. No client loses a
// request.
func TestDeploys(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 5)
	want := func(what string, versions ...string) {
		t.Helper()
		if got := f.versions(); !slices.Equal(got, versions) {
			t.Fatalf("%s: the machines serve %v, want %v", what, got, versions)
		}
	}
	f.publish("2", "ok")
	out := f.exits(0, "deploy", "shop", "--version", "2", "--wave", "2", "--by", "zone", "--bake", "300ms")
	want("a good release", "2", "2", "2", "2", "2")
	for _, line := range []string{"stage 1, the canary: [m1]", "stage 2: [m3 m5]", "stage 3: [m2 m4]"} {
		if !strings.Contains(out, line) {
			t.Errorf("no line %q in\n%s", line, out)
		}
	}

	f.publish("3", "crash")
	rolls := f.rolls()
	out = f.exits(10, "deploy", "shop", "--version", "3", "--wave", "2", "--bake", "300ms")
	want("a bad release", "2", "2", "2", "2", "2")
	if tried := f.rolls() - rolls; tried != 1 || !strings.Contains(out, "cannot reach the database") {
		t.Errorf("a bad release was tried on %d machines\n%s", tried, out)
	}
	if bad := hash(t, f.machines[0].path()); bad != hash(t, f.dir+"/releases/shop-2") {
		t.Errorf("the canary's file is not version 2 again")
	}

	f.publish("4", "ok")
	f.exits(0, "deploy", "shop", "--version", "4", "--wave", "100%", "--bake", "0s")
	want("another good release", "4", "4", "4", "4", "4")
	f.exits(0, "rollback", "shop")
	want("it is taken back", "2", "2", "2", "2", "2")

	f.publish("6", "ok")
	deploy := f.begin("deploy", "shop", "--version", "6", "--bake", "600s")
	f.await("the canary", func() bool { return f.machines[0].serves() == "6" })
	out = f.exits(75, "deploy", "shop", "--version", "2")
	if !strings.Contains(out, "deploy 4, version 6, is rolling: of") {
		t.Errorf("a deploy beside another one:\n%s", out)
	}
	f.exits(0, "pause", "shop")
	f.exits(0, "abort", "shop")
	if out, code := deploy.wait(); code != 10 || !strings.Contains(out, "aborted") {
		t.Errorf("the deploy that was aborted: exit %d\n%s", code, out)
	}
	want("an abort", "6", "2", "2", "2", "2")
	f.exits(0, "rollback", "shop")
	want("the rollback of what was aborted", "2", "2", "2", "2", "2")
	f.lost() // a dying worker loses requests that it has accepted, so the dying release comes last

	f.publish("5", "crash-after-5s")
	out = f.exits(10, "deploy", "shop", "--version", "5", "--bake", "60s", "--on-failure", "rollback")
	want("a release that dies while it bakes", "2", "2", "2", "2", "2")
	if !strings.Contains(out, "workers have died since its turn") {
		t.Errorf("the reason is missing:\n%s", out)
	}
}

// TestRefusals: a deploy that cannot work is refused with a reason, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 2)
	f.publish("2", "ok")
	for _, c := range []struct {
		code int
		args string
		says string
	}{
		{1, "deploy nope --version 2", "cannot deploy nope: no machine has this app; there are shop"},
		{1, "deploy shop --version 2 --by rack", `cannot go by "rack": no machine of shop has this label; there are: zone`},
		{1, "deploy shop --version 2 --canary 3", "cannot have 3 canaries: 2 machines of shop are present"},
		{1, "deploy shop --version 2 --no-wait", "no conductor runs"},
		{2, "deploy shop", "cannot deploy without a version: give --version"},
		{2, "deploy shop --version ../2", `cannot use "../2" as a version`},
		{2, "deploy shop --version 2 --wave 0", `cannot use --wave "0"`},
		{2, "deploy shop --version 2 --url http://127.0.0.1/x", "cannot deploy from a URL without its hash"},
		{1, "pause shop", "cannot pause: nothing was ever deployed of shop"},
		{1, "forget m1", "cannot forget m1: its agent is connected"},
		{1, "forget m9", "cannot forget m9: there is no such machine"},
		{1, "status nope", "cannot show nope: no machine has this app; there are: shop"},
		{10, "deploy shop --version 9", "cannot fetch version 9"},
		{10, "deploy shop --version 2 --sha256 " + strings.Repeat("0", 64), "its sha256 is"},
	} {
		if out := f.exits(c.code, strings.Fields(c.args)...); !strings.Contains(out, c.says) {
			t.Errorf("%s:\n%swant: %s", c.args, out, c.says)
		}
	}
	if got := f.versions(); !slices.Equal(got, []string{"1", "1"}) {
		t.Errorf("the machines serve %v", got)
	}
	f.lost()
}

// TestAway: a machine that was away during a deploy gets the release when it is back, if a conductor
// runs. Without etcd the apps keep serving.
func TestAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 3)
	f.publish("2", "ok")
	away := f.machines[2]
	away.kill()
	f.await("m3 to be away", func() bool { return !f.status()[2].Present })
	conductor := f.begin("conduct", "--app", "shop")
	defer func() {
		conductor.cmd.Process.Kill()
		conductor.wait()
	}()
	f.await("the conductor", func() bool {
		_, code := f.command("deploy", "shop", "--version", "2", "--bake", "0s", "--no-wait")
		return code == 0
	})
	f.await("the deploy", func() bool { return strings.Contains(f.exits(0, "history", "shop"), "complete") })
	if got := f.versions(); !slices.Equal(got, []string{"2", "2", "1"}) {
		t.Fatalf("the machines serve %v", got)
	}
	f.etcd.Kill(0)
	away.startAgent() // waits for etcd
	f.etcd.Restart(0)
	f.etcd.Await()
	f.await("m3 to catch up", func() bool { return away.serves() == "2" })
	f.lost()
}
