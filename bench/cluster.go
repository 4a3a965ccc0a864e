package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const nodeApp = `require('http').createServer((q, r) => r.end('ok\n')).listen(+process.argv[2], '127.0.0.1')
`

const nodeCluster = `const cluster = require('cluster')
if (!cluster.isPrimary) return require('./app.js')
let listening = 0
cluster.on('listening', () => { if (++listening === 4) console.log('127.0.0.1:' + process.argv[2]) })
for (let i = 0; i < 4; i++) cluster.fork()
process.on('SIGTERM', () => { for (const w of Object.values(cluster.workers)) w.kill('SIGKILL'); process.exit() })
`

// cluster compares four Node workers behind relevo with four of Node's own cluster, which
// hands out connections in turn.
func cluster(ctx context.Context, b *bench) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("cannot find Node: %w: apt-get install nodejs", err)
	}
	app, primary := filepath.Join(b.dir, "app.js"), filepath.Join(b.dir, "cluster.js")
	if err := errors.Join(os.WriteFile(app, []byte(nodeApp), 0o644), os.WriteFile(primary, []byte(nodeCluster), 0o644)); err != nil {
		return err
	}
	ours, err := freePort()
	if err != nil {
		return err
	}
	theirs, err := freePort()
	if err != nil {
		return err
	}
	a, err := b.startCommand(ctx, 4, nil, node, app, ours)
	if err != nil {
		return err
	}
	p, err := b.startAlone(node, primary, theirs)
	if err != nil {
		return errors.Join(err, a.stop())
	}
	err = b.comparePair(ctx, "throughput of 4 Node workers / Node's cluster of 4", "≥ 1.6", "≥ 0.98", a.address, p.address)
	p.stop()
	return errors.Join(err, a.stop())
}
