package main

import (
	"github.com/spf13/cobra"

	"relevo/internal/cli"
	fleet "relevo/internal/fleet/relevo-fleet/cli"
)

// program is one that a release has, with what belongs to it.
type program struct {
	name    string
	dir     string   // of its module, in the sources
	stamps  []string // variables that the linker sets: the version, and the revision if there are two
	summary string
	text    string // of its packages
	root    func() *cobra.Command
	units   func() ([]file, error)
	extra   []file // that only packages have
	docs    []string

	shared []file // beside the binary: pages, completions, units, documents
}

// programs are those of a release. The first one, relevo, has all kinds of files; the others have archives,
// lists of modules, and packages of Debian and RPM.
func programs() []*program {
	return []*program{
		{name: "relevo", dir: ".", summary: "Zero-downtime process master",
			text: "It holds listening sockets, keeps a pool of workers behind them, and replaces\n" +
				"workers, releases and itself while the sockets never close.",
			stamps: []string{"relevo/internal/cli.linkedVersion", "relevo/internal/cli.linkedRevision"},
			root:   cli.Commands, units: relevoUnits, docs: []string{"LICENSE", "README.md", "CHANGELOG.md"},
			extra: []file{{path: "/etc/relevo/", mode: 0o755},
				{"/usr/lib/sysusers.d/relevo.conf", 0o644, []byte(sysusers)},
				{"/usr/lib/tmpfiles.d/relevo.conf", 0o644, []byte(tmpfiles)}}},
		{name: "relevo-fleet", dir: "internal/fleet/relevo-fleet", summary: "Rolls a release over many machines",
			text: "Each machine has a master of relevo and an agent. The first machines get a\n" +
				"release first, the others follow in waves, and the first failure stops it.\n" +
				"It needs an etcd.",
			stamps: []string{"relevo/internal/fleet/relevo-fleet/cli.linkedVersion"},
			root:   fleet.Commands, units: fleetUnits, docs: []string{"LICENSE", "CHANGELOG.md", "docs/fleet.md"},
			extra: []file{{path: "/etc/relevo-fleet/", mode: 0o755}}},
	}
}
