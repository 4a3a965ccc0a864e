package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestVersionFrom: the linker's value comes first, then the module's, then the revision.
func TestVersionFrom(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	target := runtime.GOOS + "/" + runtime.GOARCH
	repository := []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "1"}, {Key: "vcs.revision", Value: revision},
		{Key: "vcs.modified", Value: "true"}}
	for name, c := range map[string]struct {
		module                   debug.Module
		settings                 []debug.BuildSetting
		linkedVersion, linkedRev string
		want                     programVersion
	}{
		"copied sources": {module: debug.Module{Version: "(devel)"},
			want: programVersion{Version: "devel", Build: build{From: "sources"}}},
		"clone": {module: debug.Module{Version: "(devel)"}, settings: repository, want: programVersion{
			Version: "devel-0123456789ab", Revision: revision, Modified: true, Build: build{From: "repository", Cgo: true}}},
		"clone with a tag": {module: debug.Module{Version: "v1.2.3+dirty"}, settings: repository, want: programVersion{
			Version: "v1.2.3+dirty", Revision: revision, Modified: true, Build: build{From: "repository", Cgo: true}}},
		"module": {module: debug.Module{Version: "v1.2.3", Sum: "h1:x"},
			want: programVersion{Version: "v1.2.3", Build: build{From: "module"}}},
		"package": {module: debug.Module{Version: "(devel)"}, settings: repository, linkedVersion: "v2.0.0",
			linkedRev: "fedc", want: programVersion{Version: "v2.0.0", Revision: "fedc",
				Build: build{From: "packaging", Cgo: true}}},
	} {
		c.want.Build.Go, c.want.Build.Target = "go1.26", target
		info := &debug.BuildInfo{GoVersion: "go1.26", Main: c.module, Settings: c.settings}
		if got := versionFrom(info, c.linkedVersion, c.linkedRev); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
