package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
)

// withRoles creates the users of docs/fleet.md in etcd.
func withRoles(t *testing.T, c *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	allow := func(role, key, end string, how clientv3.PermissionType) {
		t.Helper()
		if _, err := c.RoleGrantPermission(ctx, role, key, end, how); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"root", "m1", "m2", "operator"} {
		_, _ = c.RoleAdd(ctx, name) // in some versions root already exists
		if _, err := c.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UserGrantRole(ctx, name, name); err != nil {
			t.Fatal(err)
		}
	}
	both, read := clientv3.PermissionType(clientv3.PermReadWrite), clientv3.PermissionType(clientv3.PermRead)
	for _, m := range []string{"m1", "m2"} {
		own := "/relevo-fleet/machines/" + m + "/"
		allow(m, own, clientv3.GetPrefixRangeEnd(own), both)
		allow(m, "/relevo-fleet/apps/shop/turns/"+m, "", read)
	}
	allow("operator", "/relevo-fleet/", clientv3.GetPrefixRangeEnd("/relevo-fleet/"), both)
	if _, err := c.AuthEnable(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestRoles: with the roles of docs/fleet.md an agent is present, reports and sees its turn. It can
// neither give itself a turn, nor report for another machine, nor begin a deploy.
func TestRoles(t *testing.T) {
	t.Parallel()
	authority := etcdtest.NewAuthority(t)
	cluster := etcdtest.StartSecure(t, authority)
	withRoles(t, cluster.Client)
	as := func(name string) *store.Client {
		cert, key := authority.Issue(name)
		c, err := store.Dial(store.Options{Endpoints: cluster.Endpoints, CACert: authority.File, Cert: cert, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	machine, operator := as("m1"), as("operator")
	session, err := machine.Begin(t.Context(), "m1", store.Presence{HostID: "a"}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Report(t.Context(), "shop", store.Report{Running: true}); err != nil {
		t.Fatal(err)
	}
	denied := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "etcd does not permit that to this user") {
			t.Errorf("%s: %v", what, err)
		}
	}
	d := store.Deploy{App: "shop", By: "test", Release: store.Release{Version: "1"},
		Deploy: plan.Deploy{State: plan.Rolling, Wave: 1}}
	_, err = machine.BeginDeploy(t.Context(), store.Deploy{}, d)
	denied("a machine begins a deploy", err)
	_, err = machine.Begin(t.Context(), "m2", store.Presence{HostID: "a"}, 10*time.Second)
	denied("a machine is another one", err)
	denied("a machine reads the fleet", machine.Ping(t.Context()))
	cert, key := authority.Issue("m1")
	if out := turnByHand(t, cluster.Endpoints[0], authority.File, cert, key); !strings.Contains(out, "permission denied") {
		t.Errorf("a machine can give itself a turn: %s", out)
	}
	if d, err = operator.BeginDeploy(t.Context(), store.Deploy{}, d); err != nil {
		t.Fatal(err)
	}
	office, err := operator.Campaign(t.Context(), "shop", store.Conductor{By: "test"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = office.Perform(t.Context(), d, plan.Action{Kind: plan.Enter, Members: []string{"m1"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := office.GiveTurns(t.Context(), d, func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	seesTurn(t, machine)
}

// seesTurn waits until a machine sees its turn.
func seesTurn(t *testing.T, machine *store.Client) {
	t.Helper()
	turns := make(chan *store.Turn, 10)
	go machine.Turns(t.Context(), "shop", "m1", func(turn *store.Turn) { turns <- turn }, func(err error) { t.Error(err) })
	for deadline := time.After(time.Minute); ; {
		select {
		case turn := <-turns:
			if turn != nil {
				return
			}
		case <-deadline:
			t.Fatal("the machine does not see its turn")
		}
	}
}

// turnByHand writes a turn with a machine's certificate, using etcd's own client.
func turnByHand(t *testing.T, endpoint, ca, cert, key string) string {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, TLS: tlsOf(t, ca, cert, key),
		DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(t.Context(), "/relevo-fleet/apps/shop/turns/m1", "{}"); err != nil {
		return err.Error()
	}
	return "it could"
}

// TestCertificates: a command says what is wrong with a certificate, or with the connection to etcd.
func TestCertificates(t *testing.T) {
	t.Parallel()
	authority, foreign := etcdtest.NewAuthority(t), etcdtest.NewAuthority(t)
	cluster := etcdtest.StartSecure(t, authority)
	cert, key := authority.Issue("operator")
	otherCert, otherKey := foreign.Issue("operator")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"good":               {[]string{"--cacert", authority.File, "--cert", cert, "--key", key}, ""},
		"none":               {[]string{"--cacert", authority.File}, "remote error: tls: "},
		"another one's name": {[]string{"--cacert", authority.File, "--cert", otherCert, "--key", otherKey}, "certificate"},
		"another authority":  {[]string{"--cacert", foreign.File, "--cert", cert, "--key", key}, "unknown authority"},
		"no authority":       {[]string{"--cacert", empty}, "it has no certificate in PEM"},
		"no key":             {[]string{"--cert", cert}, "give --cert and --key"},
		"another key":        {[]string{"--cert", cert, "--key", otherKey}, "cannot use the certificate"},
		"no etcd there":      {[]string{"--etcd", "http://127.0.0.1:1"}, "cannot reach etcd: http://127.0.0.1:1: dial tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(filepath.Join(programs, "relevo-fleet"), append([]string{"status"}, c.args...)...)
			cmd.Env = append(os.Environ(), "RELEVO_FLEET_ETCD="+cluster.Endpoints[0])
			out, err := cmd.CombinedOutput()
			if (err == nil) != (c.says == "") || !strings.Contains(string(out), c.says) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func tlsOf(t *testing.T, ca, cert, key string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
}
