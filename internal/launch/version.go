package launch

import (
	"debug/buildinfo"
	"os"
	"strings"

	"relevo/internal/printable"
)

// versionOf returns the version of a Go program, empty for other programs.
func versionOf(file *os.File) string {
	build, err := buildinfo.Read(file)
	if err != nil {
		return ""
	}
	return printable.Line(describeBuild(build))
}

// describeBuild writes a Go program's version as "v1.4.2 (ab12cd3)", as far as its build
// information has it. +dirty says that the sources had uncommitted changes.
func describeBuild(build *buildinfo.BuildInfo) string {
	version := strings.TrimSuffix(build.Main.Version, "+dirty")
	dirty := version != build.Main.Version
	if version == "(devel)" {
		version = ""
	}
	revision := ""
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			revision = setting.Value[:min(7, len(setting.Value))]
		case "vcs.modified":
			dirty = dirty || setting.Value == "true"
		}
	}
	mark := ""
	if dirty {
		mark = "+dirty"
	}
	if revision == "" {
		if version == "" {
			return ""
		}
		return version + mark
	}
	return strings.TrimSpace(version + " (" + revision + mark + ")")
}
