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
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	primary := filepath.Join(b.dir, "cluster.js")
	if err = os.WriteFile(primary, []byte(nodeCluster), 0o644); err != nil {
		return errors.Join(err, n.stop())
	}
	p, err := b.startAlone(n.program, primary, n.freePort)
	if err != nil {
		return errors.Join(err, n.stop())
	}
	err = b.comparePair(ctx, "throughput of 4 Node workers / Node's cluster of 4", "≥ 1.6", "≥ 0.98", n.address,
		p.address)
	p.stop()
	return errors.Join(err, n.stop())
}

// nodeWorkers are four behind relevo, to be compared with the same script elsewhere.
type nodeWorkers struct {
	*app
	program, script string
	freePort        string // for the others
}

func (b *bench) startNode(ctx context.Context) (n nodeWorkers, err error) {
	if n.program, err = exec.LookPath("node"); err != nil {
		return n, fmt.Errorf("cannot find Node: %w: apt-get install nodejs", err)
	}
	n.script = filepath.Join(b.dir, "app.js")
	if err = os.WriteFile(n.script, []byte(nodeApp), 0o644); err != nil {
		return n, err
	}
	ours, err := freePort()
	if err != nil {
		return n, err
	}
	if n.freePort, err = freePort(); err != nil {
		return n, err
	}
	n.app, err = b.startCommand(ctx, 4, nil, n.program, n.script, ours)
	return n, err
}
