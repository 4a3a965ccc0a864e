// Package etcdtest runs an etcd of one or three members on loopback, for tests.
package etcdtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// Cluster is a running etcd.
type Cluster struct {
	Endpoints []string // one a member
	Client    *clientv3.Client
	t         testing.TB
	program   string
	extra     []string
	members   []*member
}

type member struct {
	name, dir    string
	client, peer string
	cmd          *exec.Cmd
}

// Start starts members and waits until they have a leader. extra are flags for each of them.
func Start(t testing.TB, members int, extra ...string) *Cluster {
	t.Helper()
	return start(t, "http", nil, members, extra)
}

// StartSecure starts one member that wants certificates of an authority. Its Client is called root.
func StartSecure(t testing.TB, a *Authority) *Cluster {
	t.Helper()
	cert, key := a.Issue("etcd")
	return start(t, "https", a.TLS("root"), 1, []string{"--client-cert-auth", "--trusted-ca-file", a.File, "--cert-file",
		cert, "--key-file", key})
}

func start(t testing.TB, scheme string, secure *tls.Config, members int, extra []string) *Cluster {
	t.Helper()
	c := &Cluster{t: t, program: testreq.Program(t, "etcd"), extra: extra}
	dir := t.TempDir()
	for i := range members {
		name := fmt.Sprintf("e%d", i)
		c.members = append(c.members, &member{name: name, dir: filepath.Join(dir, name),
			client: scheme + "://" + testport.Address(t), peer: "http://" + testport.Address(t)})
		c.Endpoints = append(c.Endpoints, c.members[i].client)
	}
	t.Cleanup(c.end)
	for i := range c.members {
		c.run(i)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints, DialTimeout: 5 * time.Second,
		TLS: secure, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	c.Client = client
	t.Cleanup(func() { client.Close() })
	c.Await()
	return c
}

// run starts a member: a new one, or one that was killed.
func (c *Cluster) run(i int) {
	c.t.Helper()
	m := c.members[i]
	var all []string
	for _, other := range c.members {
		all = append(all, other.name+"="+other.peer)
	}
	out, err := os.OpenFile(m.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	m.cmd = exec.Command(c.program, append([]string{"--name", m.name, "--data-dir", m.dir,
		"--listen-client-urls", m.client, "--advertise-client-urls", m.client,
		"--listen-peer-urls", m.peer, "--initial-advertise-peer-urls", m.peer,
		"--initial-cluster", strings.Join(all, ","), "--unsafe-no-fsync",
		"--heartbeat-interval", "200", "--election-timeout", "2000"}, c.extra...)...)
	m.cmd.Stdout, m.cmd.Stderr = out, out
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// Await waits until etcd answers.
func (c *Cluster) Await() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		one, stop := context.WithTimeout(ctx, 3*time.Second)
		_, err := c.Client.Put(one, "etcdtest", "")
		stop()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			c.t.Fatalf("etcd does not answer: %v", err)
		}
	}
}

// Leader is the number of the member that leads.
func (c *Cluster) Leader() int {
	c.t.Helper()
	for i, endpoint := range c.Endpoints {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		status, err := c.Client.Status(ctx, endpoint)
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return i
		}
	}
	c.t.Fatal("etcd has no leader")
	return 0
}

// Kill ends a member with SIGKILL.
func (c *Cluster) Kill(i int) {
	c.t.Helper()
	m := c.members[i]
	if m.cmd == nil {
		return
	}
	m.cmd.Process.Kill()
	m.cmd.Wait()
	m.cmd = nil
}

// Restart starts a member that was killed.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	c.run(i)
}

func (c *Cluster) end() {
	for i := range c.members {
		c.Kill(i)
	}
}
