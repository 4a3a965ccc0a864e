package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"relevo/internal/control"
)

// linkedVersion and linkedRevision are set by the linker in builds of packaging, whose sources may
// have no repository: -ldflags "-X relevo/internal/cli.linkedVersion=v1.2.3". Nothing else writes
// them.
var linkedVersion, linkedRevision string

// programVersion is what `relevo version --json` prints.
type programVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the repository
	Modified bool   `json:"modified,omitempty"` // the sources had changes that are not in the revision
	Build    build  `json:"build"`
}

// build is how a program was built.
type build struct {
	Go     string `json:"go"`
	Target string `json:"target"` // linux/amd64
	From   string `json:"from"`   // packaging, module, repository or sources
	Cgo    bool   `json:"cgo"`
}

func (c *cli) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return c.printJSON(findVersion())
			}
			_, err := fmt.Fprintln(c.stdout, "relevo", version())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: version, revision and build")
	return cmd
}

// version returns the version of the build or of the module, or the revision that it was built from.
func version() string { return findVersion().Version }

// ownBuild is what the master reports about its program.
func ownBuild() control.Build {
	v := findVersion()
	return control.Build{Go: v.Build.Go, Revision: v.Revision}
}

func findVersion() programVersion {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return versionFrom(info, linkedVersion, linkedRevision)
}

// versionFrom prefers the values that the linker has set.
func versionFrom(info *debug.BuildInfo, linkedVersion, linkedRevision string) programVersion {
	v := programVersion{Revision: linkedRevision, Build: build{Go: info.GoVersion,
		Target: runtime.GOOS + "/" + runtime.GOARCH, From: "sources"}}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "CGO_ENABLED":
			v.Build.Cgo = setting.Value == "1"
		case setting.Key == "vcs.revision" && linkedRevision == "":
			v.Revision, v.Build.From = setting.Value, "repository"
		case setting.Key == "vcs.modified" && linkedRevision == "":
			v.Modified = setting.Value == "true"
		}
	}
	switch module := info.Main.Version; {
	case linkedVersion != "":
		v.Version, v.Build.From = linkedVersion, "packaging"
	case info.Main.Sum != "":
		v.Version, v.Build.From = module, "module"
	case module != "" && module != "(devel)":
		v.Version = module
	case v.Revision != "":
		v.Version = "devel-" + v.Revision[:min(12, len(v.Revision))]
	default:
		v.Version = "devel"
	}
	return v
}
